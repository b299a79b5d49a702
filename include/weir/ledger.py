"""The ledger: at every hop, what was seen is what was accepted, set aside with a reason, or dropped and counted.

An entry is one unit of work at one hop; it is written under the unit's own name, so a retry
overwrites its own entry and a re-run cannot inflate a count. ``verify`` checks three things: each
entry balances in itself, each entry saw exactly what the hop before handed on, and nothing that was
handed on waits unseen. The hops and their laws:

===  ==============================================================================================
L0   kernel: received = read + dropped + unread                                     (packets)
L1   disk: read = written + filtered + dropped on the way to the disk               (packets)
L2   spool: sealed = acknowledged + waiting + dropped from the spool                (packets)
L3   arrival: handed over = stored + refused + missing from the sensor's chain      (packets)
L4   decode: stored = accepted + set aside by name                                  (packets)
L5   flows: accepted = packets of the exported flows                                (packets → rows)
L6   validation: rows = valid + quarantined by expectation                          (rows)
L7   version: rows in a training snapshot = rows read back + excluded               (rows)
L8   scoring: valid rows = scored + waiting for a model                             (rows)
L9   alerts: rows beyond the threshold = delivered + grouped + over budget + failed (rows)
L10  reports: due = sent + failed                                                   (mails)
===  ==============================================================================================
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from weir.errors import LedgerError
from weir.store import Store

PREFIX = "ledger/"
NAMES = {
    "L0": "kernel",
    "L1": "disk",
    "L2": "spool",
    "L3": "arrival",
    "L4": "decode",
    "L5": "flows",
    "L6": "validation",
    "L7": "version",
    "L8": "scoring",
    "L9": "alerts",
    "L10": "reports",
}


@dataclass(frozen=True)
class Entry:
    """What one unit of work did at one hop.

    ``made`` says how many of the next noun the accepted ones became (packets become flows); None
    means that the accepted ones themselves go on. ``sources`` are entries, as ``hop/unit``, whose
    output this one saw. ``lost`` names the reasons in ``dropped`` that mean real loss.
    """

    hop: str
    unit: str
    counts: str
    seen: int
    accepted: int
    aside: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    made: int | None = None
    sources: tuple[str, ...] = ()
    sensor_id: str = ""
    model_id: str = ""

    @property
    def name(self) -> str:
        """``hop/unit``, which is also its key below the ledger's prefix."""
        return f"{self.hop}/{self.unit}"

    @property
    def output(self) -> int:
        """How many go on to the next hop."""
        return self.accepted if self.made is None else self.made

    @property
    def unexplained(self) -> int:
        """Seen but neither accepted, set aside nor counted as dropped; 0 when the entry balances."""
        return self.seen - self.accepted - sum(self.aside.values()) - sum(self.dropped.values())


@dataclass(frozen=True)
class Law:
    """The sum of all entries at one hop, and what is wrong there."""

    hop: str
    counts: str
    seen: int
    accepted: int
    aside: dict[str, int]
    dropped: dict[str, int]
    problems: tuple[str, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is unexplained."""
        return not self.problems

    @property
    def words(self) -> str:
        """One line, as the report and ``weir ledger verify`` print it."""
        parts = [
            f"{self.accepted:,} accepted",
            *(f"{n:,} {reason}" for reason, n in [*self.aside.items(), *self.dropped.items()] if n),
        ]
        state = "balanced" if self.is_balanced else "NOT balanced"
        return f"{self.hop:<4}{NAMES[self.hop]:<11}{self.seen:>12,} {self.counts} = {' + '.join(parts)}  {state}"


@dataclass(frozen=True)
class Verdict:
    """Every law, worst first, and the whole in one sentence."""

    laws: tuple[Law, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether every law holds."""
        return all(law.is_balanced for law in self.laws)

    @property
    def lost(self) -> int:
        """Packets that are gone, and counted."""
        return sum(sum(law.dropped.values()) for law in self.laws if law.counts == "packets")

    @property
    def words(self) -> str:
        """The verdict in one sentence."""
        if not self.laws:
            return "Ledger: empty, nothing was recorded yet"
        if self.is_balanced:
            return f"Ledger: balanced, {self.lost:,} packets lost and counted"
        worst = next(law for law in self.laws if law.problems)
        more = sum(len(law.problems) for law in self.laws) - 1
        return f"Ledger: NOT balanced at {worst.hop}, {worst.problems[0]}" + (f"; and {more} more" if more else "")

    def demand(self) -> None:
        """LedgerError when a law is broken."""
        if not self.is_balanced:
            problems = [problem for law in self.laws for problem in law.problems]
            raise LedgerError(self.words + "\n" + "\n".join(problems))


def record(store: Store, entry: Entry) -> None:
    """Write an entry, over the one that an earlier try of the same work left."""
    store.put(f"{PREFIX}{entry.name}.json", json.dumps(asdict(entry), sort_keys=True).encode())


def read(store: Store) -> list[Entry]:
    """All entries of the store."""
    return [_entry(json.loads(store.get(key)), key) for key in store.keys(PREFIX)]


def _entry(facts: dict[str, Any], key: str) -> Entry:
    try:
        return Entry(**{**facts, "sources": tuple(facts.get("sources", ()))})
    except TypeError as error:
        raise LedgerError(f"{key}: not a ledger entry: {error}; was it written by another version?") from error


def verify(entries: Iterable[Entry], known: Mapping[str, Iterable[str]] | None = None) -> Verdict:
    """Check every entry in itself and against the ones it names as its sources.

    ``known`` are problems found elsewhere, by hop: segments that the sensors' chains miss.
    """
    by_name = {entry.name: entry for entry in entries}
    problems: dict[str, list[str]] = defaultdict(list)
    for entry in by_name.values():
        if entry.unexplained:
            problems[entry.hop].append(f"{_amount(entry.unexplained, entry.counts)} unexplained ({entry.unit})")
        problems[entry.hop].extend(_handover(entry, by_name))
    for found in (_unseen(by_name), known or {}):
        for hop, words in found.items():
            problems[hop].extend(words)
    hops = [hop for hop in NAMES if any(e.hop == hop for e in by_name.values()) or problems.get(hop)]
    laws = [_law(hop, [e for e in by_name.values() if e.hop == hop], tuple(problems.get(hop, ()))) for hop in hops]
    return Verdict(tuple(sorted(laws, key=lambda law: (law.is_balanced, -sum(law.dropped.values()), list(NAMES).index(law.hop)))))


def _amount(n: int, counts: str) -> str:
    return f"{n:,} {counts}" if n > 0 else f"{-n:,} {counts} too many, that is"


def _handover(entry: Entry, by_name: Mapping[str, Entry]) -> list[str]:
    if not entry.sources:
        return []
    absent = [name for name in entry.sources if name not in by_name]
    if absent:
        return [f"{entry.unit} saw {absent[0]}, which no entry records"]
    handed = sum(by_name[name].output for name in entry.sources)
    if handed == entry.seen:
        return []
    before = entry.sources[0].split("/")[0]
    return [f"{_amount(handed - entry.seen, entry.counts)} unexplained between {before} and {entry.hop} ({entry.unit})"]


def _unseen(by_name: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Entries that an entry further on must have seen, and none did.

    Only the way from the spool to valid rows is checked: what is valid and not scored yet is
    recorded as waiting at L8, and a snapshot takes only what training asked for.
    """
    taken = {name for entry in by_name.values() for name in entry.sources}
    following = {"L0": "L1", "L1": "L2", "L2": "L3", "L3": "L4", "L4": "L5", "L5": "L6", "L6": "L8"}
    missing: dict[str, list[str]] = defaultdict(list)
    for entry in by_name.values():
        after = following.get(entry.hop)
        if after and entry.output and entry.name not in taken:
            missing[after].append(
                f"{entry.output:,} {entry.counts} of {entry.unit} went on from {entry.hop} and were not seen at {after}"
            )
    return missing


def _law(hop: str, entries: list[Entry], problems: tuple[str, ...]) -> Law:
    aside: dict[str, int] = defaultdict(int)
    dropped: dict[str, int] = defaultdict(int)
    for entry in entries:
        for reason, n in entry.aside.items():
            aside[reason] += n
        for reason, n in entry.dropped.items():
            dropped[reason] += n
    counts = entries[0].counts if entries else "packets"
    seen, accepted = sum(e.seen for e in entries), sum(e.accepted for e in entries)
    return Law(hop, counts, seen, accepted, dict(aside), dict(dropped), problems)
