"""A report's content as the parts a reader goes through.

Page, PDF and text mail print the same parts, so they always say the same.
"""

from __future__ import annotations

from weir.reports.part import Facts, Part
from weir.reports.part_care import arrivals, drift, ledger, model, quality
from weir.reports.part_findings import alerts, scores
from weir.reports.part_traffic import protocols, talkers, traffic, trend

CARDS_MOST = 10
LINES_MOST = 40


def parts(content: Facts, cards: int = CARDS_MOST, lines: int = LINES_MOST) -> list[Part]:
    """All parts in order.

    Parameters
    ----------
    content : as ``content.content`` makes it
    cards, lines : most alerts told in full, and most lines of any table
    """
    return [
        alerts(content, cards, lines),
        traffic(content),
        scores(content),
        trend(content, lines),
        talkers(content, lines),
        protocols(content, lines),
        quality(content, lines),
        drift(content, lines),
        ledger(content),
        model(content, lines),
        arrivals(content, lines),
        _reading(),
    ]


def _reading() -> Part:
    lead = [
        "Packets are summed up as flows (one line per conversation) and windows (one line per host and minute). Rows that "
        "break an expectation wait in quarantine and are not scored.",
        "A model learned from earlier traffic how rows usually look; an alert stands for all strange rows of one host in "
        "one hour. Its severity rises when the score is far beyond the threshold, when it lasts, and when the numbers "
        "spell a known kind of behaviour.",
        "Strange is not the same as hostile: most alerts have a harmless cause, and a quiet attack may have none.",
    ]
    return Part("reading", "How to read this", lead)
