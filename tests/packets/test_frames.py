"""Packed captures that somebody made to cost more than they weigh."""

import re
from pathlib import Path

import pytest

from weir.errors import CaptureError
from weir.packets import frames
from weir.packets.frames import pieces

MAGIC = b"\x28\xb5\x2f\xfd"
CHECKED, UNCHECKED = b"\x04\x58", b"\x00\x58"  # header: with checksum or without, and a window of 2 MiB
MOST_BLOCK = 128 << 10


def block(size: int, *, is_repeated: bool = False, is_last: bool = False) -> bytes:
    """The head of a block of ``size`` bytes, or of one byte that is repeated ``size`` times."""
    return (size << 3 | is_repeated << 1 | is_last).to_bytes(3, "little")


WORDS = b"sound" * 20
SOUND = MAGIC + UNCHECKED + block(len(WORDS), is_last=True) + WORDS


class Counted(bytes):
    """A capture that knows how often somebody looked at a part of it, and has a limit to that."""

    looks = 0

    def __getitem__(self, part):
        self.looks += 1
        assert self.looks < len(self), "each byte was looked at more than once"
        return super().__getitem__(part)


def told(packed: bytes) -> tuple[bytes, list[str]]:
    """What the pieces hold, and what was wrong."""
    found = [piece for _, piece in pieces(packed)]
    wrong = [str(piece) for piece in found if isinstance(piece, CaptureError)]
    return b"".join(piece for piece in found if isinstance(piece, bytes)), wrong


def chained(beginnings: int, blocks: int) -> bytes:
    """Beginnings of frames, each with a sound frame behind it, that all lead into one chain of ``blocks`` empty blocks."""
    head = len(MAGIC + CHECKED + block(0))
    chain_at = beginnings * (head + len(SOUND))
    places = range(0, chain_at, head + len(SOUND))
    return b"".join(MAGIC + CHECKED + block(chain_at - at - head) + SOUND for at in places) + block(0) * blocks


def test_a_chain_of_blocks_that_many_frames_lead_into_is_not_walked_by_all_of_them() -> None:
    packed = Counted(chained(2_000, 1_000_000))
    raw, wrong = told(packed)
    assert raw == WORDS  # the chain that is walked for the second time is one too many
    assert len(wrong) == 2
    assert wrong[1] == "has more frames and blocks than any capture of its size; the rest was given up"


def test_frames_that_hold_nothing_are_not_all_opened() -> None:
    empty = MAGIC + UNCHECKED + block(0, is_last=True)
    raw, wrong = told(Counted(SOUND + empty * 200_000 + SOUND))
    assert raw == WORDS
    assert wrong == ["has more frames and blocks than any capture of its size; the rest was given up"]


def test_bad_frames_between_sound_ones_are_given_up_as_those_in_a_row_are() -> None:
    bad = MAGIC + b"\x08"  # a reserved bit
    for packed, sound in ((SOUND + (bad + SOUND) * 2_000, 1024), (SOUND + bad * 2_000 + SOUND, 1)):
        raw, wrong = told(packed)
        assert raw == WORDS * sound
        assert wrong[-1] == "behind 1024 beginnings of frames that are none, the rest was given up"
        assert len(wrong) == sound + 1


def bomb(header: bytes, blocks: int) -> bytes:
    """A frame that unpacks to ``blocks`` times 128 KiB; where it has a checksum, it is wrong."""
    repeated = (block(MOST_BLOCK, is_repeated=True) + b"A") * blocks
    return MAGIC + header + repeated + block(0, is_last=True) + (b"fake" if header == CHECKED else b"")


@pytest.mark.parametrize("header", [CHECKED, UNCHECKED])
@pytest.mark.parametrize(("blocks", "count"), [(1_000, 1), (20, 200)])
def test_what_is_unpacked_has_a_limit(monkeypatch, header: bytes, blocks: int, count: int) -> None:
    monkeypatch.setattr(frames, "FREE_BYTES", 1 << 20)
    packed = SOUND + (bomb(header, blocks) + SOUND) * count
    raw, wrong = told(packed)
    assert raw.startswith(WORDS)
    assert len(raw) <= (1 << 20) + frames.MOST_GROWTH * len(packed) < blocks * MOST_BLOCK * count
    assert wrong[-1] == "unpacks to more than 1000 times its size; the rest was given up"


def test_every_frame_of_a_sound_capture_is_read_however_small_it_is() -> None:
    packet = bytes(range(16)) + b"data"
    frame = MAGIC + UNCHECKED + block(len(packet), is_last=True) + packet
    assert told(frame * 20_000) == (packet * 20_000, [])
    blocks = MAGIC + UNCHECKED + (block(1) + b"A") * 100_000 + block(0, is_last=True)
    assert told(blocks) == (b"A" * 100_000, [])


def test_the_limits_are_those_of_the_reader_of_captures() -> None:
    options = (Path(__file__).parents[2] / "capture_cpp" / "src" / "options.h").read_text()
    assert int(re.search(r"kInflateRatio = ([\d']+);", options)[1].replace("'", "")) == frames.MOST_GROWTH
    assert int(re.search(r"kInflateFree = std::uint64_t\{(\d+)\} << 20;", options)[1]) << 20 == frames.FREE_BYTES
