"""Packets as pcap records: read from the frames of segments, written as one capture (``docs/formats/segment.md``)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from weir.errors import CaptureError
from weir.packets.frames import pieces
from weir.packets.manifest import FRAME_BYTES, HEADER_BYTES

NS_PER_US = 1_000
MOST_CAPTURED = 1 << 20
"""Most that one record may claim to hold; a sensor's fit into a frame."""

_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D


class Packet(NamedTuple):
    """One packet: ns since 1970, how long it was on the wire, and the bytes that were captured."""

    time_ns: int
    length: int
    data: bytes


@dataclass(frozen=True)
class Form:
    """What a pcap's header says of all its packets."""

    link_type: int
    snaplen: int
    has_nanoseconds: bool

    @classmethod
    def read(cls, header: bytes) -> Form:
        """From the first 24 bytes of a pcap; CaptureError where they are no such header."""
        if len(header) < HEADER_BYTES or _HEADER.unpack_from(header)[0] not in (_MICROSECONDS, _NANOSECONDS):
            raise CaptureError("does not begin with a capture header; was it changed?")
        magic, _, _, _, _, snaplen, link_type = _HEADER.unpack_from(header)
        return cls(link_type, snaplen, magic == _NANOSECONDS)

    def header(self) -> bytes:
        """The first 24 bytes of a pcap of this form."""
        magic = _NANOSECONDS if self.has_nanoseconds else _MICROSECONDS
        return _HEADER.pack(magic, 2, 4, 0, 0, self.snaplen, self.link_type)

    def record(self, packet: Packet) -> bytes:
        """A packet as a record; digits below the form's unit are left out."""
        seconds, rest = divmod(packet.time_ns, 1_000_000_000)
        fraction = rest if self.has_nanoseconds else rest // NS_PER_US
        return _RECORD.pack(seconds, fraction, len(packet.data), packet.length) + packet.data

    def packets(self, raw: bytes) -> Iterator[Packet]:
        """The packets of whole records; CaptureError at the first that is none."""
        at = 0
        while at < len(raw):
            end = _end(raw, at)
            if end > len(raw):
                raise CaptureError("a record runs past the end of its frame; was it changed?")
            yield self._packet(raw, at, end)
            at = end

    def streamed(self, packed: bytes, broken: Callable[[int, CaptureError], None]) -> Iterator[Packet]:
        """The packets of a whole packed capture; CaptureError where it breaks, after those before.

        A frame that is damaged goes to ``broken`` with its place. What follows is read on where records
        do not reach from frame to frame, as in a sensor's segments; without a sound first frame nothing is.
        """
        left, is_begun, is_damaged = b"", False, False
        for offset, piece in pieces(packed):
            if isinstance(piece, CaptureError):
                broken(offset, piece)
                is_damaged = True
                if left or not is_begun:
                    return
                continue
            if is_damaged:
                yield from list(self.packets(piece))
                continue
            left += piece
            at = 0 if is_begun else HEADER_BYTES
            is_begun = True
            while at < len(left) and (end := _end(left, at)) <= len(left):
                yield self._packet(left, at, end)
                at = end
            left = left[at:]
        if left:
            raise CaptureError("ends inside a record; was it cut?")

    def _packet(self, raw: bytes, at: int, end: int) -> Packet:
        seconds, fraction, _, length = _RECORD.unpack_from(raw, at)
        time_ns = seconds * 1_000_000_000 + fraction * (1 if self.has_nanoseconds else NS_PER_US)
        return Packet(time_ns, length, raw[at + _RECORD.size : end])


def _end(raw: bytes, at: int) -> int:
    """Where the record at ``at`` ends, which may lie behind what is there."""
    if at + _RECORD.size > len(raw):
        return at + _RECORD.size
    captured: int = _RECORD.unpack_from(raw, at)[2]
    if captured > MOST_CAPTURED:
        raise CaptureError(f"a record claims {captured} bytes; was it changed?")
    return at + _RECORD.size + captured


def first_bytes(packed: bytes) -> bytes:
    """What a capture begins with, of which only the beginning may be at hand; empty where it holds nothing."""
    import pyarrow as pa

    try:
        header: bytes = pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read(HEADER_BYTES)
    except OSError as error:
        raise CaptureError(f"does not begin with a zstd frame ({error})") from error
    return header


def unpack(packed: bytes) -> bytes:
    """One zstd frame, with its checksum verified; CaptureError where it is none or holds more than a frame may."""
    import pyarrow as pa

    try:
        raw: bytes = pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read(FRAME_BYTES + 1)
    except OSError as error:
        raise CaptureError(f"is no whole zstd frame ({error}); fetch it again") from error
    if len(raw) > FRAME_BYTES:
        raise CaptureError(f"unpacks to more than {FRAME_BYTES} bytes; no sensor made it")
    return raw
