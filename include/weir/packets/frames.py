"""A packed capture, unpacked zstd frame by zstd frame (RFC 8878), so that a damaged frame costs none but its own packets."""

from __future__ import annotations

from collections.abc import Iterator

from weir.errors import CaptureError
from weir.packets.manifest import FRAME_BYTES

MOST_BEGINNINGS = 1024
"""Of frames that are none, in a row; behind them the rest is given up, as the sensor's salvage does."""

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # behind a byte from 0x50 to 0x5f
_BLOCK_HEAD = 3
_REPEATED = 1  # kind of a block that is one byte, many times
_CHUNK = 1 << 18


def pieces(packed: bytes) -> Iterator[tuple[int, bytes | CaptureError]]:
    """What the frames hold, each piece with its frame's place in ``packed``; or what is wrong with a frame.

    A frame of at most ``FRAME_BYTES`` with a checksum, as all of a sensor are, is one piece, given
    only where the checksum holds. A larger frame, or one without checksum, is given as it is unpacked.
    Behind a bad frame the next one is looked for; what is bad in a row is told once.
    """
    at, bad = 0, 0
    while 0 <= at < len(packed):
        try:
            end, is_checked = _end(packed, at)
            yield from ((at, piece) for piece in _unpacked(packed, at, end, FRAME_BYTES if is_checked else 0))
            at, bad = end, 0
        except CaptureError as error:
            if not bad:
                yield at, error
            bad += 1
            at = packed.find(_MAGIC, at + 1) if bad < MOST_BEGINNINGS else -1


def holds_nothing(packed: bytes) -> bool:
    """Whether this is a whole skippable frame, as is a segment without packets; one that was cut is none."""
    return packed[1:4] == _SKIPPABLE and _end(packed, 0)[0] == len(packed)


def _end(packed: bytes, at: int) -> tuple[int, bool]:
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
        end += _BLOCK_HEAD + (1 if block >> 1 & 3 == _REPEATED else block >> 3)
    return (end + 4 * has_checksum if is_last else len(packed) + 1), has_checksum


def _unpacked(packed: bytes, at: int, end: int, most_held: int) -> Iterator[bytes]:
    """A frame in pieces; in one, and only when all of it was sound, where that is at most ``most_held`` bytes."""
    import pyarrow as pa

    frame = pa.py_buffer(packed).slice(at, min(end, len(packed)) - at)
    stream = pa.CompressedInputStream(pa.BufferReader(frame), "zstd")
    held = b""
    try:
        while chunk := stream.read(_CHUNK):
            held += chunk
            if len(held) > most_held:
                yield held
                held, most_held = b"", 0
    except OSError as error:
        raise CaptureError(f"is no whole zstd frame ({error})") from error
    if held:
        yield held
