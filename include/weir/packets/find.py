"""Finding the packets of a host, a flow or a time again, without reading whole segments.

The manifest says for each zstd frame which times it spans and, as a Bloom filter, which addresses
occur in it. Only frames that may hold what is wanted are fetched; a packet outside them cannot match.
What is read is checked: the checksum of each frame, how many packets it holds, and their times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from weir.errors import AbsentError, CaptureError
from weir.packets.frames import holds_nothing
from weir.packets.index import may_hold
from weir.packets.manifest import FRAME_BYTES, Frame, Manifest
from weir.packets.query import Query, takes
from weir.packets.records import NS_PER_US, Form, Packet, first_bytes, unpack

RUN_BYTES = 4 << 20
"""Frames that lie side by side are fetched at once up to this size, to save round trips to a store."""

HEAD_BYTES = 1 << 18
"""Fetched to see the header of a segment whose frames are not known; more than a zstd block."""

MOST_PACKED = 2 * FRAME_BYTES
"""Most B of a packed frame that are fetched; zstd never makes what it packs that much larger."""

Fetch = Callable[[int, int], bytes]
"""``fetch(offset, length)`` gives exactly these bytes of a segment file, or raises CaptureError or AbsentError."""


@dataclass(frozen=True)
class Segment:
    """A segment that can be searched: what it is called, its size in B, and how to get at its bytes.

    ``whole_because`` says why all of it must be read; empty where the manifest's index can be used.
    """

    name: str
    file_bytes: int
    fetch: Fetch
    manifest: Manifest | None
    whole_because: str = ""

    @property
    def place(self) -> tuple[str, str, int, str]:
        """Orders segments: by sensor, start, number and name."""
        known = self.manifest
        return (known.sensor_id, known.boot_id, known.seq, self.name) if known else ("", "", 0, self.name)


@dataclass
class Cost:
    """What a search took. Bytes are compressed; ``damaged``, ``read_whole`` and ``twice`` are sentences."""

    packets: int = 0
    segments: int = 0
    segments_read: int = 0
    frames: int = 0
    frames_read: int = 0
    bytes_stored: int = 0
    bytes_read: int = 0
    fetches: int = 0
    read_whole: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Opened:
    """A segment that may hold something wanted, its capture header, and which frames to read (all where None).

    ``head`` are the first bytes of its file, which were read for the header; ``copies`` have the same manifest,
    and are asked where the segment itself is damaged.
    """

    segment: Segment
    form: Form
    frames: tuple[Frame, ...] | None
    head: bytes
    copies: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class _Run:
    """Frames side by side, or a whole segment where there are none."""

    number: int
    opened: Opened
    frames: tuple[Frame, ...]
    first_us: int


def frames(manifest: Manifest, queries: Sequence[Query]) -> tuple[Frame, ...]:
    """The frames of a segment that may hold what one of the queries wants."""
    return tuple(frame for frame in manifest.frames if any(_may_hold(frame, query) for query in queries))


def _may_hold(frame: Frame, query: Query) -> bool:
    in_time = query.takes_time(frame.first_us, frame.last_us)
    return in_time and all(may_hold(frame.hosts, address) for address in query.addresses)


def open_segments(segments: Iterable[Segment], queries: Sequence[Query], cost: Cost) -> list[Opened]:
    """Look at indexes and capture headers; what cannot be read is named in ``cost.damaged``, copies in ``cost.twice``."""
    opened: list[Opened] = []
    known: dict[str, tuple[str, int | None]] = {}  # by digest: the name, and where it stands in opened
    for segment in sorted(segments, key=lambda one: one.place):
        cost.segments += 1
        cost.bytes_stored += segment.file_bytes
        cost.frames += len(segment.manifest.frames) if segment.manifest else 0
        chosen = _chosen(segment, queries)
        if chosen == ():
            continue
        digest = segment.manifest.sha256 if segment.manifest else ""
        if digest in known:
            name, number = known[digest]
            cost.twice.append(f"{segment.name}: is the segment that is read as {name}, by its manifest")
            if number is not None:
                opened[number] = replace(opened[number], copies=(*opened[number].copies, segment))
            continue
        try:
            one = _opened(segment, chosen, cost)
        except (CaptureError, AbsentError) as error:
            cost.damaged.append(_named(error, segment, 0))
            continue
        if segment.whole_because:
            cost.read_whole.append(f"{segment.name}: {segment.whole_because}")
        if one:
            opened.append(one)
        if digest:
            known[digest] = (segment.name, len(opened) - 1 if one else None)
    cost.segments_read = len(opened)
    return opened


def _chosen(segment: Segment, queries: Sequence[Query]) -> tuple[Frame, ...] | None:
    """The frames to read, all where None.

    What is to be read whole is left out only where its times say that nothing in it is wanted. A segment
    without packets has no times, so it is read, whatever time is asked for.
    """
    known = segment.manifest
    if known is None:
        return None
    first_us, last_us = known.first_us, known.last_us
    if first_us is not None and last_us is not None and not any(query.takes_time(first_us, last_us) for query in queries):
        return ()
    return None if segment.whole_because else frames(known, queries)


def _opened(segment: Segment, frames: tuple[Frame, ...] | None, cost: Cost) -> Opened | None:
    """The segment with its capture header; None for one without packets, whose digest is checked here."""
    if segment.manifest and not segment.manifest.frames:
        _check_digest(_rest(segment, b"", cost), segment.manifest)
        return None
    head = _head(segment, cost)
    form = _form(segment, head)
    return Opened(segment, form, frames, head) if form else None


def _head(segment: Segment, cost: Cost) -> bytes:
    """The frame with the capture header, or as much of the file as surely has it."""
    size = segment.manifest.frames[0].offset if segment.manifest else segment.file_bytes
    return _fetch(segment, 0, min(size, HEAD_BYTES), cost)


def _form(segment: Segment, packed: bytes) -> Form | None:
    """The capture header; None for a segment without packets."""
    head = first_bytes(packed)
    if not head and not segment.manifest and holds_nothing(packed):
        return None
    form = Form.read(head)
    if segment.manifest and form.link_type != segment.manifest.link_type:
        raise CaptureError(f"has link type {form.link_type}, its manifest says {segment.manifest.link_type}; was it changed?")
    return form


def merged(opened: Sequence[Opened], queries: Sequence[Query], cost: Cost) -> Iterator[Packet]:
    """The wanted packets of all segments by time; those of one moment by sensor, then as they were captured.

    Memory holds what frames that overlap in time have of them. A frame that cannot be believed is
    named in ``cost.damaged`` and the others go on.
    """
    runs = sorted((run for number, one in enumerate(opened) for run in _runs(number, one)), key=lambda r: (r.first_us, r.number))
    waiting: list[tuple[int, int, int, int, Packet]] = []
    for run in runs:
        while waiting and waiting[0][0] < run.first_us * NS_PER_US:
            yield _counted(heappop(waiting)[-1], cost)
        for place, (offset, packet) in enumerate(_read(run, queries, cost)):
            heappush(waiting, (packet.time_ns, run.number, offset, place, packet))
    while waiting:
        yield _counted(heappop(waiting)[-1], cost)


def _counted(packet: Packet, cost: Cost) -> Packet:
    cost.packets += 1
    return packet


def _runs(number: int, opened: Opened) -> Iterator[_Run]:
    if opened.frames is None:
        known = opened.segment.manifest
        yield _Run(number, opened, (), known.first_us or 0 if known else 0)
        return
    together: list[Frame] = []
    for frame in opened.frames:
        begins_anew = not together or together[-1].offset + together[-1].length != frame.offset
        if together and (begins_anew or frame.offset + frame.length - together[0].offset > RUN_BYTES):
            yield _Run(number, opened, tuple(together), min(one.first_us for one in together))
            together = []
        together.append(frame)
    if together:
        yield _Run(number, opened, tuple(together), min(one.first_us for one in together))


def _read(run: _Run, queries: Sequence[Query], cost: Cost) -> Iterator[tuple[int, Packet]]:
    """Wanted packets, each with the place of its frame in the file."""
    if not run.frames:
        yield from ((0, packet) for packet in _read_whole(run.opened, queries, cost))
        return
    for frame, packed in _packed(run, cost):
        wanted = _wanted(run.opened, frame, packed, queries, cost)
        if wanted is not None:
            cost.frames_read += 1
            yield from ((frame.offset, packet) for packet in wanted)


def _packed(run: _Run, cost: Cost) -> Iterator[tuple[Frame, bytes | None]]:
    """The frames of a run, fetched at once; None each where that fails, so that only those are lost that are not there."""
    begin, end = run.frames[0].offset, run.frames[-1].offset + run.frames[-1].length
    try:
        for frame in run.frames:
            _demand_believable(frame)
        packed = _fetch(run.opened.segment, begin, end - begin, cost)
    except (CaptureError, AbsentError):
        yield from ((frame, None) for frame in run.frames)
        return
    yield from ((frame, packed[frame.offset - begin :][: frame.length]) for frame in run.frames)


def _demand_believable(frame: Frame) -> None:
    if frame.length > MOST_PACKED:
        raise CaptureError(f"a frame has more than {MOST_PACKED} bytes; no sensor made it")


def _wanted(opened: Opened, frame: Frame, packed: bytes | None, queries: Sequence[Query], cost: Cost) -> list[Packet] | None:
    """What is wanted of a frame, from the first copy in which it is sound; None where there is none."""
    for segment in (opened.segment, *opened.copies):
        try:
            if packed is None:
                _demand_believable(frame)
                packed = _fetch(segment, frame.offset, frame.length, cost)
            return _believed(packed, frame, opened.form, queries)
        except (CaptureError, AbsentError) as error:
            cost.damaged.append(_named(error, segment, frame.offset))
            packed = None
    return None


def _believed(packed: bytes, frame: Frame, form: Form, queries: Sequence[Query]) -> list[Packet]:
    """The wanted packets of a frame; CaptureError where it is not what the manifest says."""
    wanted, packets = [], 0
    for packet in form.packets(unpack(packed)):
        packets += 1
        time_us = packet.time_ns // NS_PER_US
        if not frame.first_us <= time_us <= frame.last_us:
            raise CaptureError(f"holds a packet of {time_us} us, its manifest says {frame.first_us} to {frame.last_us}")
        if takes(queries, form.link_type, time_us, packet.data, packet.length):
            wanted.append(packet)
    if packets != frame.packets:
        raise CaptureError(f"holds {packets} packets, its manifest says {frame.packets}; was it changed?")
    return wanted


def _read_whole(opened: Opened, queries: Sequence[Query], cost: Cost) -> Iterator[Packet]:
    segment, form, said = opened.segment, opened.form, opened.segment.manifest
    if said and opened.copies:
        yield from _read_whole(_sound(opened, said, cost), queries, cost)
        return
    try:
        packed = _rest(segment, opened.head, cost)
    except (CaptureError, AbsentError) as error:
        named = len(cost.damaged)
        for run in _runs(0, replace(opened, frames=frames(said, queries))) if said else ():
            yield from (packet for _, packet in _read(run, queries, cost))
        if len(cost.damaged) == named:  # what is gone is in no frame that was asked for
            cost.damaged.append(_named(error, segment, 0))
        return
    try:
        if said:
            _check_digest(packed, said)
        for packet in form.streamed(packed, lambda offset, error: cost.damaged.append(_named(error, segment, offset))):
            if takes(queries, form.link_type, packet.time_ns // NS_PER_US, packet.data, packet.length):
                yield packet
    except CaptureError as error:
        cost.damaged.append(_named(error, segment, 0))


def _sound(opened: Opened, said: Manifest, cost: Cost) -> Opened:
    """The first copy of the segment whose bytes are those of its manifest, all of them read; the last one where none is."""
    *others, last = (opened.segment, *opened.copies)
    for segment in others:
        try:
            packed = _rest(segment, b"", cost)
            _check_digest(packed, said)
            return replace(opened, segment=segment, head=packed, copies=())
        except (CaptureError, AbsentError) as error:
            cost.damaged.append(_named(error, segment, 0))
    return replace(opened, segment=last, head=b"", copies=())


def _rest(segment: Segment, head: bytes, cost: Cost) -> bytes:
    """All of a segment, of which ``head`` was read before; CaptureError or AbsentError where its manifest says more."""
    said = segment.manifest
    rest = max(segment.file_bytes, said.file_bytes if said else 0) - len(head)
    return head + (_fetch(segment, len(head), rest, cost) if rest else b"")


def _check_digest(packed: bytes, said: Manifest) -> None:
    digest = hashlib.sha256(packed).hexdigest()
    if (len(packed), digest) != (said.file_bytes, said.sha256):
        words = f"its manifest says {said.file_bytes} with {said.sha256}"
        raise CaptureError(f"has {len(packed)} bytes with sha256 {digest}, {words}; it was changed")


def _fetch(segment: Segment, offset: int, length: int, cost: Cost) -> bytes:
    part = segment.fetch(offset, length)
    if len(part) != length:
        raise CaptureError(f"gave {len(part)} of {length} bytes; was it cut?")
    cost.fetches += 1
    cost.bytes_read += length
    return part


def _named(error: Exception, segment: Segment, offset: int) -> str:
    words = str(error)
    return words if segment.name in words else f"{segment.name}:{offset}: {words}"
