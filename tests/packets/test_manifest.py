import base64
import json
from collections.abc import Callable

import pytest

from weir.errors import CaptureError
from weir.packets.manifest import Manifest

GAP = {
    "interface": "eth0",
    "reason": "link_down",
    "start_wall_us": 1_709_542_800_000_000,
    "start_mono_us": 3_000_000,
    "end_wall_us": 1_709_542_802_500_000,
    "end_mono_us": 5_500_000,
}


@pytest.fixture
def said(capture, write_pcap, pcaps) -> dict:
    """A true manifest, as the sensor wrote it."""
    run = capture("-r", write_pcap(pcaps.steady(4000, size=600)))
    (manifest,) = pcaps.manifests_in(run.spool)
    return manifest


def test_a_manifest_says_where_its_segment_goes_in_the_store(said):
    manifest = Manifest.read(json.dumps(said).encode())
    assert manifest.unit == "lab/2024-03-04T09"
    assert manifest.key == f"1_packets/lab/2024-03-04T09/{said['sha256']}.pcap.zst"
    assert manifest.manifest_key == f"1_packets/lab/2024-03-04T09/{said['sha256']}.json"


def test_a_manifest_holds_what_the_sensor_said(said):
    manifest = Manifest.read(json.dumps(said).encode())
    assert manifest.packets == 4000 == sum(frame.packets for frame in manifest.frames)
    assert manifest.first_us == 1_709_542_800_000_000
    assert manifest.last_us == manifest.first_us + 3_999_000
    assert manifest.packet_bytes == 4000 * 600
    assert len(manifest.frames) == 3


def test_a_gap_says_how_long_it_was(said):
    (gap,) = Manifest.read(json.dumps(said | {"gaps": [GAP]}).encode()).gaps
    assert (gap.interface, gap.reason, gap.seconds) == ("eth0", "link_down", 2.5)
    (gap,) = Manifest.read(json.dumps(said | {"gaps": [GAP | {"end_wall_us": None, "end_mono_us": None}]}).encode()).gaps
    assert gap.seconds is None


def test_a_manifest_of_a_sensor_that_knew_no_gaps_has_none(said):
    assert said.pop("gaps") == []
    assert Manifest.read(json.dumps(said).encode()).gaps == ()


def _shift_frame(said: dict) -> None:
    said["frames"][1]["offset"] += 1


def _shift_unpacked(bytes_: int, frame: int = 1) -> Callable[[dict], None]:
    def damage(said: dict) -> None:
        said["frames"][frame]["raw_offset"] += bytes_

    return damage


def _hosts(filter_bytes: int) -> Callable[[dict], None]:
    def damage(said: dict) -> None:
        said["frames"][0]["hosts"] = base64.b64encode(bytes(filter_bytes)).decode()

    return damage


def _turn_frame(said: dict) -> None:
    first = said["frames"][1]
    first["first_us"], first["last_us"] = first["last_us"], first["first_us"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda said: said.update(format=2), "has format 2, this Weir reads 1"),
        (lambda said: said.pop("packets"), "packets is None"),
        (lambda said: said.update(packets=True), "packets is True"),
        (lambda said: said.update(packets=3999), "packets is not the number written"),
        (lambda said: said.update(seq=-1), "seq is -1"),
        (lambda said: said.update(seq=1), "file, sensor_id, boot_id and seq do not agree"),
        (lambda said: said.update(file="../../etc/passwd.pcap.zst"), "file, sensor_id, boot_id and seq do not agree"),
        (lambda said: said.update(sensor_id="../lab"), "do not agree"),
        (lambda said: said.update(sha256="abc"), "sha256 is not a SHA-256 digest"),
        (lambda said: said.update(hour="2024-03-04T10"), "hour is not that of the packets"),
        (lambda said: said.update(hour="../../x"), "hour is not a capture hour"),
        (lambda said: said["counters"].update(received=4001), "counters do not balance"),
        (lambda said: said["counters"].update(read=4001, received=4001), "counters do not balance"),
        (lambda said: said["counters"].update(drop_disk="0"), "counters.drop_disk is '0'"),
        (lambda said: said["frames"].pop(), "packets is not the sum of the frames"),
        (_shift_frame, "frames do not follow one another"),
        (lambda said: said.update(file_bytes=said["file_bytes"] + 1), "frames do not follow one another"),
        (lambda said: said.update(frames={}), "frames is not a list"),
        (lambda said: said.update(gaps={}), "gaps is not a list"),
        (lambda said: said.update(gaps=[GAP | {"reason": "tired"}]), "gaps[0] does not name an interface and one of"),
        (lambda said: said.update(gaps=[GAP, GAP | {"interface": None}]), "gaps[1] does not name an interface"),
        (lambda said: said.update(gaps=[GAP | {"start_mono_us": "0"}]), "gaps[0].start_mono_us is '0'"),
        (lambda said: said.update(gaps=[GAP | {"end_wall_us": None}]), "gaps[0].end_wall_us is None"),
        (lambda said: said.update(gaps=[GAP | {"end_mono_us": 2}]), "gaps[0] ends before it begins"),
        (_shift_unpacked(1, frame=0), "raw_offset of the frames does not follow from the packets before"),
        (_shift_unpacked(-1_000_000), "raw_offset of the frames does not follow"),
        (_shift_unpacked(1_000_000), "raw_offset of the frames does not follow"),
        (_shift_unpacked(10**15, frame=2), "raw_offset of the frames does not follow"),
        (lambda said: said.update(packet_bytes=0), "raw_offset of the frames does not follow"),
        (_hosts(3), "frames[0].hosts has 24 bits, not a power of two from 64 to 1048576"),
        (_hosts(4), "frames[0].hosts has 32 bits"),
        (_hosts(24), "frames[0].hosts has 192 bits"),
        (_hosts(1 << 18), "frames[0].hosts has 2097152 bits"),
        (lambda said: said.update(first_us=None), "first_us and last_us are not those of the frames"),
        (lambda said: said.update(last_us=None), "first_us and last_us are not those of the frames"),
        (lambda said: said.update(first_us=said["first_us"] + 1), "first_us and last_us are not those of the frames"),
        (lambda said: said.update(last_us=said["last_us"] - 1), "first_us and last_us are not those of the frames"),
        (_turn_frame, "a frame ends before it begins"),
        (lambda said: said["frames"][0].update(first_us=10**30), "hour is not that of the packets"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_not_believed(said, damage, words):
    damage(said)
    with pytest.raises(CaptureError) as caught:
        Manifest.read(json.dumps(said).encode())
    assert words in str(caught.value)


@pytest.mark.parametrize("filter_bytes", [0, 8, 1 << 17])
def test_a_filter_may_have_as_many_bits_as_its_page_says_or_none(said, filter_bytes):
    _hosts(filter_bytes)(said)
    assert Manifest.read(json.dumps(said).encode()).frames[0].hosts == bytes(filter_bytes)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": 1}', b"nul"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "some.json").write_bytes(text)
    with pytest.raises(CaptureError, match=r"some\.json"):
        Manifest.read(tmp_path / "some.json")


def test_what_is_nested_deeply_is_refused(said):
    for depth in (*range(800, 1001), 100_000):  # Python's limit of 1,000 may be met in parsing, or in naming what is wrong
        text = json.dumps(said | {"filter": 0}).replace('"filter": 0', f'"filter": {"[" * depth}{"]" * depth}')
        with pytest.raises(CaptureError, match=r"nested more deeply|not a text"):
            Manifest.read(text.encode())


def test_every_field_of_a_manifest_is_needed(said):
    for field in set(said) - {"first_us", "last_us", "gaps"}:
        rest = {name: value for name, value in said.items() if name != field}
        with pytest.raises(CaptureError, match=field):
            Manifest.read(json.dumps(rest).encode())
