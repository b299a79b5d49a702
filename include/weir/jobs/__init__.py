"""Read → one step → write: one function per verb, one file per noun, in the data's order.

Reading these files is reading the system. Doors (command line, DAGs, DVC stages) call what is named
here and nothing else. A job run twice leaves the same objects, so a retry is always safe; what it
counted goes into the ledger under the unit's own name. A unit is a sensor and a capture hour,
written ``lab/2026-01-31T09``. Every job returns a small dict of keys and counts.
"""

from weir.jobs.accounts import verify_ledger
from weir.jobs.alerts import alert, alerts_of
from weir.jobs.drift import drift
from weir.jobs.features import data_docs, features, quarantined, refused_rows, release, validate, write_suites
from weir.jobs.find import find_packets, packet_query
from weir.jobs.flows import flows, flows_of_captures, flows_to_file
from weir.jobs.keys import alerts_key, candidates_key, flows_key, quarantine_key, scores_key, units, valid_key
from weir.jobs.packets import chain, collect, waiting
from weir.jobs.registry import models, promote, propose, rollback
from weir.jobs.reports import report
from weir.jobs.scores import score, unscored
from weir.jobs.training import evaluate, materialise, snapshot, train, write_snapshot

__all__ = [
    "alert",
    "alerts_key",
    "alerts_of",
    "candidates_key",
    "chain",
    "collect",
    "data_docs",
    "drift",
    "evaluate",
    "features",
    "find_packets",
    "flows",
    "flows_key",
    "flows_of_captures",
    "flows_to_file",
    "materialise",
    "models",
    "packet_query",
    "promote",
    "propose",
    "quarantine_key",
    "quarantined",
    "refused_rows",
    "release",
    "report",
    "rollback",
    "score",
    "scores_key",
    "snapshot",
    "train",
    "units",
    "unscored",
    "valid_key",
    "validate",
    "verify_ledger",
    "waiting",
    "write_snapshot",
    "write_suites",
]
