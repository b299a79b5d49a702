"""What an alert is: a finding about one host in one capture hour, with its reasons and its evidence.

An alert is written as JSON and read again years later, so its fields hold only numbers, text and
lists of them, and ``from_dict(to_dict(alert)) == alert``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from weir.errors import SchemaError

SEVERITIES = ("informational", "low", "medium", "high", "critical")
"""From harmless to urgent; the words are Sigma's."""

DELIVERIES = ("pending", "delivered", "grouped", "over_budget", "failed")
"""What became of an alert: not decided, sent, part of one sent earlier, held back by the budget, not accepted by the channel."""

MANY_HOSTS = "(many)"
"""Stands for the host in the one alert that sums up what too many hosts did in one hour."""


@dataclass(frozen=True)
class Reason:
    """One feature that made a row strange: what it was, what is usual, and its share of the score."""

    table: str
    feature: str
    meaning: str
    unit: str
    value: float
    usual: float
    share: float
    words: str


@dataclass(frozen=True)
class Evidence:
    """One flow behind an alert, and where its packets lie.

    ``said`` is what the conversation said of itself, such as ``tls example.org``; empty where nothing is known.
    ``offset`` counts bytes of the uncompressed capture. ``frame_offset`` and ``frame_length`` are
    the range of the stored segment that must be fetched to read them; None when the segment's
    manifest was not at hand.
    """

    table: str
    row_id: int
    start_us: int
    duration_us: int
    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int
    protocol: int
    packets: int
    bytes: int
    is_anomalous: bool
    segment: str
    offset: int
    frame: int | None = None
    frame_offset: int | None = None
    frame_length: int | None = None
    said: str = ""


@dataclass(frozen=True)
class Peer:
    """An address at the other end, and how many of the flows in question were with it."""

    address: str
    flows: int


@dataclass(frozen=True)
class Lineage:
    """What must be at hand to make the alert again."""

    segments: tuple[str, ...] = ()
    schema_hash: Mapping[str, str] = field(default_factory=dict)
    model_id: str = ""
    dag_run: str = ""
    data_version: str = ""


@dataclass(frozen=True)
class Kind:
    """What the columns say was going on, the numbers that say so, and its ATT&CK technique."""

    name: str
    technique: str
    words: str


@dataclass(frozen=True)
class Alert:
    """One finding. ``words`` is the sentence an analyst reads first.

    ``p_value`` is that of the strangest row, ``score`` the detector's for that row. ``rows_n``
    counts all rows the alert stands for, of which at most ten are shown as evidence. ``excess`` is
    how far the score lies above its table's threshold, as tables have scales of their own. Three
    fields are filled in when its fate is settled: ``delivery``; ``times_seen`` counts the alerts with this
    fingerprint so far, this one included, the first of which began at ``first_seen_us``.
    """

    alert_id: str
    fingerprint: str
    sensor_id: str
    host: str
    hour: str
    peers: tuple[Peer, ...]
    tables: tuple[str, ...]
    kind_hint: Kind | None
    first_us: int
    last_us: int
    severity: str
    rows_n: int
    p_value: float
    score: float
    reasons: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]
    lineage: Lineage
    words: str
    notes: tuple[str, ...] = ()
    delivery: str = "pending"
    times_seen: int = 1
    first_seen_us: int = 0
    excess: float = 0.0

    @property
    def level(self) -> int:
        """Severity as a number, 0 (informational) to 4 (critical)."""
        return SEVERITIES.index(self.severity)


def to_dict(alert: Alert) -> dict[str, Any]:
    """The alert as plain numbers, text, lists and dicts, ready for ``json.dumps``."""
    plain: dict[str, Any] = _plain(asdict(alert))
    return plain


def from_dict(whole: Mapping[str, Any]) -> Alert:
    """The alert that ``to_dict`` wrote; SchemaError names the field that is missing or unknown."""
    where = f"alert {whole.get('alert_id', '(no alert_id)')}"
    parts = dict(whole)
    for name, kind in (("peers", Peer), ("reasons", Reason), ("evidence", Evidence)):
        parts[name] = tuple(_build(kind, part, f"{where}: {name}") for part in parts.get(name, ()))
    lineage = dict(parts.get("lineage", {}))
    lineage["segments"] = tuple(lineage.get("segments", ()))
    parts["lineage"] = _build(Lineage, lineage, f"{where}: lineage")
    hint = parts.get("kind_hint")
    parts["kind_hint"] = _build(Kind, hint, f"{where}: kind_hint") if hint else None
    parts["tables"] = tuple(parts.get("tables", ()))
    parts["notes"] = tuple(parts.get("notes", ()))
    alert: Alert = _build(Alert, parts, where)
    if alert.severity not in SEVERITIES:
        raise SchemaError(f"{where}: severity {alert.severity!r} is none of {', '.join(SEVERITIES)}; mend or delete the file")
    if alert.delivery not in DELIVERIES:
        raise SchemaError(f"{where}: delivery {alert.delivery!r} is none of {', '.join(DELIVERIES)}; mend or delete the file")
    return alert


def _build(kind: Any, parts: Mapping[str, Any], where: str) -> Any:
    unknown = set(parts) - {f.name for f in fields(kind)}
    if unknown:
        raise SchemaError(f"{where}: unknown field {', '.join(sorted(unknown))}; was it written by another version?")
    try:
        return kind(**parts)
    except TypeError as error:
        raise SchemaError(f"{where}: {error}; was it written by another version?") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
