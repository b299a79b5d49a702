"""What a sensor says about a segment it sealed.

The fields are described in ``docs/formats/manifest.md``. A manifest is believed only when its parts
agree with one another: the counts balance, the frames follow one another, and the hour is that of
the packets.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from weir.errors import CaptureError
from weir.packets.index import LEAST_BYTES, MOST_BYTES
from weir.schema import US_PER_S

FORMAT = 1
SEGMENT_SUFFIX = ".pcap.zst"
MANIFEST_SUFFIX = ".json"
ACK_SUFFIX = ".ack"
PART_SUFFIX = ".part"
FRAME_BYTES = 1 << 20
"""Most that a frame holds, uncompressed; what claims more is no frame of a sensor."""

HEADER_BYTES = 24
"""Of the capture, uncompressed; the first record begins behind them."""

RECORD_BYTES = 16
"""Of each packet's record, before its data."""

SENSOR = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
STEM = re.compile(rf"(?P<sensor>{SENSOR})-(?P<boot>[0-9a-f]{{16}})-(?P<seq>[0-9]{{6,}})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}")

GAP_REASONS = ("link_down", "removed", "silent")

COUNTERS = (
    "received",
    "read",
    "kernel_dropped",
    "interface_dropped",
    "unread",
    "filtered",
    "written",
    "drop_disk",
    "drop_spool",
    "truncated",
)
"""Packets since the previous seal; received = kernel_dropped + read + unread and
read = filtered + written + drop_disk + drop_spool. The other two stand beside the sums."""


@dataclass(frozen=True)
class Frame:
    """One zstd frame of a segment: whole records, their place, and the span of their times.

    ``offset`` and ``length`` are bytes of the file, ``raw_offset`` is where the first record begins
    in the uncompressed capture. ``hosts`` is a Bloom filter of the addresses in it (see ``index.py``);
    empty where there is none.
    """

    offset: int
    length: int
    raw_offset: int
    packets: int
    first_us: int
    last_us: int
    hosts: bytes


@dataclass(frozen=True)
class Gap:
    """A time in which an interface brought no packets: ``link_down``, ``removed`` or ``silent``.

    Start and end are in us by both clocks of the sensor, UTC since 1970 and since its boot. A gap without end still
    lasted when the segment was sealed; it comes again, with its end, in a later manifest.
    """

    interface: str
    reason: str
    start_wall_us: int
    start_mono_us: int
    end_wall_us: int | None
    end_mono_us: int | None

    @property
    def seconds(self) -> float | None:
        """How long it was by the monotonic clock, s; None while it lasts."""
        return None if self.end_mono_us is None else (self.end_mono_us - self.start_mono_us) / US_PER_S


@dataclass(frozen=True)
class Manifest:
    """A sealed segment, as its sensor describes it; see the module's text.

    Times are int64 microseconds, UTC; ``first_us`` and ``last_us`` are None without packets.
    ``previous_sha256`` is empty for the first segment after the sensor started.
    """

    format: int
    sensor_id: str
    boot_id: str
    seq: int
    file: str
    sha256: str
    previous_sha256: str
    link_type: int
    snaplen: int
    filter: str
    privacy: str
    packets: int
    packet_bytes: int
    file_bytes: int
    first_us: int | None
    last_us: int | None
    hour: str
    sealed_wall_us: int
    sealed_mono_us: int
    source: str
    counters: Mapping[str, int]
    frames: tuple[Frame, ...]
    gaps: tuple[Gap, ...] = ()

    @classmethod
    def read(cls, source: bytes | Path) -> Manifest:
        """Parse and check a manifest; CaptureError names the field that is wrong."""
        name = str(source) if isinstance(source, Path) else "manifest"
        if isinstance(source, Path) and source.exists() and not source.is_file():  # a pipe would be waited for without end
            raise CaptureError(f"{name}: is no regular file; set it aside")
        try:
            manifest = _build(json.loads(source.read_bytes() if isinstance(source, Path) else source), name)
        except OSError as error:
            raise CaptureError(f"{name}: cannot be read: {error.strerror}; was it collected meanwhile?") from error
        except ValueError as error:
            raise CaptureError(f"{name}: is not JSON ({error}); set it aside and look at the sensor's disk") from error
        except RecursionError as error:
            raise CaptureError(f"{name}: is nested more deeply than any manifest; set it aside") from error
        _check(manifest, name)
        return manifest

    @property
    def key(self) -> str:
        """Where the segment lies in the store."""
        return self.keys(self.sha256)[0]

    @property
    def manifest_key(self) -> str:
        """Where this manifest lies in the store."""
        return self.keys(self.sha256)[1]

    def keys(self, name: str) -> tuple[str, str]:
        """Where a segment of this sensor and hour, and its manifest, lie in the store under a name."""
        place = f"1_packets/{self.unit}/{name}"
        return place + SEGMENT_SUFFIX, place + MANIFEST_SUFFIX

    @property
    def numbered_name(self) -> str:
        """Its name in the store where another segment without packets has the same bytes, and so the same digest."""
        return f"{self.sha256}-{self.boot_id}-{self.seq:06d}"

    @property
    def unit(self) -> str:
        """Sensor and capture hour, the unit of batch work."""
        return f"{self.sensor_id}/{self.hour}"


_TEXTS = {"sensor_id", "boot_id", "file", "sha256", "previous_sha256", "filter", "privacy", "hour", "source"}
_TIMES = {"first_us", "last_us"}


def _build(said: Any, name: str) -> Manifest:
    if not isinstance(said, dict):
        raise CaptureError(f"{name}: is not a JSON object; set it aside")
    if said.get("format") != FORMAT:
        raise CaptureError(f"{name}: has format {said.get('format')!r}, this Weir reads {FORMAT}; update the older of the two")
    values = {field.name: _value(said, field.name, name) for field in fields(Manifest)}
    return Manifest(**values)


def _value(said: dict[str, Any], field: str, name: str) -> Any:
    value = said.get(field)
    if field == "counters":
        return _numbers(value, COUNTERS, f"{name}: {field}")
    if field in _LISTS:
        build, value = _LISTS[field], [] if field == "gaps" and value is None else value
        if not isinstance(value, list):
            raise CaptureError(f"{name}: {field} is not a list; set it aside")
        return tuple(build(part, f"{name}: {field}[{i}]") for i, part in enumerate(value))
    if field in _TEXTS:
        if not isinstance(value, str):
            raise CaptureError(f"{name}: {field} is {value!r}, not a text; set it aside")
        return value
    if field in _TIMES and value is None:
        return None
    return _number(value, f"{name}: {field}")


def _number(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CaptureError(f"{where} is {value!r}, not a whole number from 0; set it aside")
    return value


def _numbers(value: Any, names: tuple[str, ...], where: str) -> dict[str, int]:
    if not isinstance(value, dict):
        raise CaptureError(f"{where} is {value!r}, not an object; set it aside")
    return {name: _number(value.get(name), f"{where}.{name}") for name in names}


def _frame(value: Any, where: str) -> Frame:
    numbers = _numbers(value, tuple(field.name for field in fields(Frame) if field.name != "hosts"), where)
    try:
        hosts = base64.b64decode(value.get("hosts", ""), validate=True)
    except (TypeError, ValueError) as error:
        raise CaptureError(f"{where}.hosts is not base64 ({error}); set it aside") from error
    if hosts and not (LEAST_BYTES <= len(hosts) <= MOST_BYTES and len(hosts).bit_count() == 1):
        bits = f"{len(hosts) * 8} bits, not a power of two from {LEAST_BYTES * 8} to {MOST_BYTES * 8}"
        raise CaptureError(f"{where}.hosts has {bits}; set it aside")
    return Frame(**numbers, hosts=hosts)


def _gap(value: Any, where: str) -> Gap:
    if not isinstance(value, dict) or not isinstance(value.get("interface"), str) or value.get("reason") not in GAP_REASONS:
        raise CaptureError(f"{where} does not name an interface and one of {', '.join(GAP_REASONS)}; set it aside")
    start = _numbers(value, ("start_wall_us", "start_mono_us"), where)
    end: dict[str, Any] = dict.fromkeys(("end_wall_us", "end_mono_us"))
    if any(value.get(name) is not None for name in end):
        end = _numbers(value, tuple(end), where)
        if end["end_mono_us"] < start["start_mono_us"]:
            raise CaptureError(f"{where} ends before it begins; set it aside")
    return Gap(interface=value["interface"], reason=value["reason"], **start, **end)


_LISTS: dict[str, Callable[[Any, str], Any]] = {"frames": _frame, "gaps": _gap}


def _check(manifest: Manifest, name: str) -> None:
    for wrong, words in _contradictions(manifest):
        if wrong:
            raise CaptureError(f"{name}: {words}; set it aside, the sensor or its disk is not sound")


def _contradictions(manifest: Manifest) -> list[tuple[bool, str]]:
    """Each thing that must not be, and the words for it."""
    stem = STEM.fullmatch(manifest.file.removesuffix(SEGMENT_SUFFIX))
    said = (manifest.sensor_id, manifest.boot_id, manifest.seq)
    named = (stem["sensor"], stem["boot"], int(stem["seq"])) if stem else None
    return [
        (not manifest.file.endswith(SEGMENT_SUFFIX) or named != said, "file, sensor_id, boot_id and seq do not agree"),
        (not _SHA256.fullmatch(manifest.sha256), "sha256 is not a SHA-256 digest"),
        (not _SHA256.fullmatch(manifest.previous_sha256 or "0" * 64), "previous_sha256 is not a SHA-256 digest"),
        (not _HOUR.fullmatch(manifest.hour), "hour is not a capture hour such as 2026-01-31T09"),
        (not _is_balanced(manifest.counters), "counters do not balance"),
        (manifest.counters["written"] != manifest.packets, "packets is not the number written"),
        (sum(frame.packets for frame in manifest.frames) != manifest.packets, "packets is not the sum of the frames"),
        (not _is_contiguous(manifest), "frames do not follow one another to the end of the file"),
        (not _is_contiguous_unpacked(manifest), "raw_offset of the frames does not follow from the packets before"),
        (_hours(manifest) not in (set(), {manifest.hour}), "hour is not that of the packets"),
        (any(frame.first_us > frame.last_us for frame in manifest.frames), "a frame ends before it begins"),
        ((manifest.first_us, manifest.last_us) != _span(manifest.frames), "first_us and last_us are not those of the frames"),
    ]


def _is_balanced(counters: Mapping[str, int]) -> bool:
    seen = counters["kernel_dropped"] + counters["read"] + counters["unread"]
    kept = counters["filtered"] + counters["written"] + counters["drop_disk"] + counters["drop_spool"]
    return counters["received"] == seen and counters["read"] == kept


def _is_contiguous(manifest: Manifest) -> bool:
    ends = [frame.offset + frame.length for frame in manifest.frames]
    starts = [frame.offset for frame in manifest.frames[1:]] + [manifest.file_bytes]
    return not ends or ends == starts


def _is_contiguous_unpacked(manifest: Manifest) -> bool:
    """Whether every frame has room for its records; how many bytes their packets have is said of all frames together."""
    whole = HEADER_BYTES + RECORD_BYTES * manifest.packets + manifest.packet_bytes
    starts = [frame.raw_offset for frame in manifest.frames]
    rooms = [end - start for start, end in pairwise([*starts, whole])]
    has_room = all(RECORD_BYTES * f.packets <= room <= FRAME_BYTES for f, room in zip(manifest.frames, rooms, strict=True))
    return starts[:1] in ([], [HEADER_BYTES]) and has_room


def _span(frames: Sequence[Frame]) -> tuple[int | None, int | None]:
    return min((frame.first_us for frame in frames), default=None), max((frame.last_us for frame in frames), default=None)


def _hours(manifest: Manifest) -> set[str]:
    times = {manifest.first_us, manifest.last_us} - {None}
    times |= {time for frame in manifest.frames for time in (frame.first_us, frame.last_us)}
    try:
        return {datetime.fromtimestamp(time // US_PER_S, UTC).strftime("%Y-%m-%dT%H") for time in times if time is not None}
    except (ValueError, OverflowError, OSError):
        return {"outside the calendar"}
