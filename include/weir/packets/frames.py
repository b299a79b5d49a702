"""A packed capture, unpacked zstd frame by zstd frame (RFC 8878), so that a damaged frame costs none but its own packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weir.errors import CaptureError
from weir.packets.manifest import FRAME_BYTES

MOST_BEGINNINGS = 1024
"""Of frames that are none, in a whole capture; a segment has about 64 frames."""

MOST_GROWTH = 1000
"""How many times its size a capture may unpack to, once it has unpacked to ``FREE_BYTES``."""

FREE_BYTES = 256 << 20
"""Uncompressed; both limits are those of the reader of captures (``capture_cpp/src/options.h``)."""

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # behind a byte from 0x50 to 0x5f
_BLOCK_HEAD = 3
_REPEATED = 1  # kind of a block that is one byte, many times
_FRAME_STEPS = 8  # what a frame costs beside its blocks; one of a single packet has more than 8 times 3 bytes
_FREE_STEPS = _FRAME_STEPS * MOST_BEGINNINGS
_CHUNK = 1 << 18


class _GivenUpError(CaptureError):
    """What is read would take longer than the size of the capture allows."""


@dataclass
class _Budget:
    """What may still be spent on a capture, so that the time for a hostile one grows with its size and no faster.

    A step is a block that is walked over. In a sound capture that happens once to each, and none has less than 3 bytes.
    """

    beginnings: int
    steps: int
    unpacked_bytes: int

    @classmethod
    def of(cls, packed_bytes: int) -> _Budget:
        return cls(MOST_BEGINNINGS, _FREE_STEPS + packed_bytes // _BLOCK_HEAD, FREE_BYTES + MOST_GROWTH * packed_bytes)

    def begin(self) -> None:
        if self.beginnings <= 0:
            raise _GivenUpError(f"behind {MOST_BEGINNINGS} beginnings of frames that are none, the rest was given up")
        self.walk(_FRAME_STEPS)

    def walk(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _GivenUpError("has more frames and blocks than any capture of its size; the rest was given up")

    def unpack(self, unpacked_bytes: int) -> None:
        self.unpacked_bytes -= unpacked_bytes
        if self.unpacked_bytes < 0:
            raise _GivenUpError(f"unpacks to more than {MOST_GROWTH} times its size; the rest was given up")


def pieces(packed: bytes) -> Iterator[tuple[int, bytes | CaptureError]]:
    """What the frames hold, each piece with its frame's place in ``packed``; or what is wrong with a frame.

    A frame of at most ``FRAME_BYTES`` with a checksum, as all of a sensor are, is one piece, given
    only where the checksum holds. A larger frame, or one without checksum, is given as it is unpacked.
    Behind a bad frame the next one is looked for; what is bad in a row is told once. What no sound
    capture needs is not spent on any: the rest is given up, and that is told as well.
    """
    budget = _Budget.of(len(packed))
    at, is_told = 0, False
    while 0 <= at < len(packed):
        try:
            budget.begin()
            end, is_checked = _end(packed, at, budget)
            yield from ((at, piece) for piece in _unpacked(packed, at, end, FRAME_BYTES if is_checked else 0, budget))
            at, is_told = end, False
        except _GivenUpError as error:
            yield at, error
            return
        except CaptureError as error:
            if not is_told:
                yield at, error
            is_told = True
            budget.beginnings -= 1
            at = packed.find(_MAGIC, at + 1)


def holds_nothing(packed: bytes) -> bool:
    """Whether this is a whole skippable frame, as is a segment without packets; one that was cut is none."""
    return packed[1:4] == _SKIPPABLE and _end(packed, 0, _Budget.of(len(packed)))[0] == len(packed)


def _end(packed: bytes, at: int, budget: _Budget) -> tuple[int, bool]:
    """Where the frame at ``at`` ends, which is behind the end of what was cut, and whether it has a checksum."""
    head = packed[at : at + 8]
    if head[1:4] == _SKIPPABLE and head[0] >> 4 == 5:
        return at + 8 + int.from_bytes(head[4:], "little"), False
    if head[:4] != _MAGIC or len(head) < 5:
        raise CaptureError("is no zstd frame; was it changed?")
    said = head[4]
    is_single, has_checksum = bool(said & 0x20), bool(said & 0x04)
    end = at + 5 + (not is_single) + (0, 1, 2, 4)[said & 3] + (is_single, 2, 4, 8)[said >> 6]
    is_last = False
    while not is_last and end + _BLOCK_HEAD <= len(packed):
        block = int.from_bytes(packed[end : end + _BLOCK_HEAD], "little")
        is_last = bool(block & 1)
        budget.walk(1)
        end += _BLOCK_HEAD + (1 if block >> 1 & 3 == _REPEATED else block >> 3)
    return (end + 4 * has_checksum if is_last else len(packed) + 1), has_checksum


def _unpacked(packed: bytes, at: int, end: int, most_held: int, budget: _Budget) -> Iterator[bytes]:
    """A frame in pieces; in one, and only when all of it was sound, where that is at most ``most_held`` bytes."""
    import pyarrow as pa

    frame = pa.py_buffer(packed).slice(at, min(end, len(packed)) - at)
    stream = pa.CompressedInputStream(pa.BufferReader(frame), "zstd")
    held = b""
    try:
        while chunk := stream.read(_CHUNK):
            budget.unpack(len(chunk))
            held += chunk
            if len(held) > most_held:
                yield held
                held, most_held = b"", 0
    except OSError as error:
        raise CaptureError(f"is no whole zstd frame ({error})") from error
    if held:
        yield held
