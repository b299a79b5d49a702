"""weir packets over segments that were cut, changed, lost or made by somebody else: what is named, and what is delivered."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from two_sensors import START_US, by_tcpdump, weir
from weir import jobs
from weir.packets.query import Query

EMPTY_FRAME = b"\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00"  # zstd's; takes long to open for what it holds


def test_a_copy_is_read_where_the_other_has_lost_its_beginning(site) -> None:
    copies = site.folder / "zcopies"  # behind the spool by name
    shutil.copytree(site.spool, copies)
    victim = next(site.spool.glob("*.zst"))
    victim.write_bytes(b"")
    found = jobs.find_packets(Query(), site.out, places=[site.spool, copies])
    assert site.out.read_bytes() == by_tcpdump(site.whole)
    assert [one.split(":")[0] for one in found["damaged"]] == [str(victim)]
    assert len(found["twice"]) == len(list(copies.glob("*.zst"))) - 1


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_what_is_damaged_in_one_copy_is_read_from_the_other(site, many_frames, verify, damage) -> None:
    victim, _ = many_frames
    copies = site.folder / "zcopies"  # behind the other by name
    shutil.copytree(victim.parent, copies)
    packed = bytearray(victim.read_bytes())
    packed[len(packed) // 2] ^= 1
    victim.write_bytes(packed if damage == "changed" else packed[: len(packed) // 2])
    found = jobs.find_packets(Query(), site.out, places=[copies, victim.parent], verify=verify)
    assert site.out.read_bytes() == by_tcpdump(site.folder / "many.pcap")
    assert found["damaged"]
    assert all(one.startswith(f"{victim}:") for one in found["damaged"])


def test_a_manifest_of_another_segment_is_not_believed(site) -> None:
    one, other = sorted(site.spool.glob("east*.json"))[1:3]
    other.write_bytes(one.read_bytes())
    found = jobs.find_packets(Query(), site.out, places=[site.spool])
    assert site.out.read_bytes() == by_tcpdump(site.whole)
    assert (found["damaged"], found["twice"]) == ([], [])
    name = one.with_suffix(".pcap.zst").name
    assert found["read_whole"] == [
        f"{other.with_suffix('.pcap.zst')}: all of it is read, as the manifest beside it is that of {name}"
    ]


def test_a_damaged_frame_is_named_and_all_others_are_delivered(site, pcaps) -> None:
    victim = sorted(site.spool.glob("east*.zst"))[2]
    manifest = json.loads(victim.with_name(victim.name.replace(".pcap.zst", ".json")).read_text())
    (frame,) = manifest["frames"]
    whole = bytearray(victim.read_bytes())
    whole[frame["offset"] + frame["length"] // 2] ^= 1
    victim.write_bytes(whole)
    found = jobs.find_packets(Query(), site.out, places=[site.spool])
    assert found["damaged"] == [found["damaged"][0]]
    assert found["damaged"][0].startswith(f"{victim}:{frame['offset']}: is no whole zstd frame")
    assert found["packets"] == 3000 - frame["packets"] == len(pcaps.read_pcap(site.out.read_bytes())[1])


@pytest.mark.parametrize("change", ["packets", "first_us"])
def test_a_frame_that_is_not_as_its_manifest_says_is_named(site, change) -> None:
    path = sorted(site.spool.glob("east*.json"))[2]
    said = json.loads(path.read_text())
    if change == "packets":
        said["frames"][0]["packets"] -= 1
        said["packets"] -= 1
        said["counters"]["written"] -= 1
        said["counters"]["read"] -= 1
        said["counters"]["received"] -= 1
    else:
        said["frames"][0]["first_us"] += 1
        said["first_us"] += 1
    path.write_text(json.dumps(said))
    found = jobs.find_packets(Query(), site.out, places=[site.spool])
    assert len(found["damaged"]) == 1
    assert "its manifest says" in found["damaged"][0]


def test_a_manifest_that_claims_terabytes_costs_none(site) -> None:
    path = sorted(site.spool.glob("east*.json"))[2]
    said = json.loads(path.read_text())
    said["frames"][-1]["length"] += 10**13
    said["file_bytes"] += 10**13
    path.write_text(json.dumps(said))
    for verify in (False, True):
        found = jobs.find_packets(Query(), site.out, places=[site.spool], verify=verify)
        assert len(found["damaged"]) == 1
        assert path.stem in found["damaged"][0]
        assert found["packets"] == 3000 - said["packets"]


def test_a_segment_that_is_gone_is_named_and_the_others_are_delivered(site, store) -> None:
    gone = next(key for key in store.keys("1_packets/west/") if key.endswith(".zst"))
    held = json.loads(store.get(gone.replace(".pcap.zst", ".json")))["packets"]
    store.delete(gone)
    found = jobs.find_packets(Query(), site.out)
    assert found["damaged"] == [f"{store.url}/{gone}: no such segment, but its manifest is there; was it deleted?"]
    assert found["packets"] == 3000 - held


def test_a_segment_cut_short_is_named(site, store) -> None:
    key = next(key for key in store.keys("1_packets/west/") if key.endswith(".zst"))
    store.put(key, store.get(key)[:-5])
    found = jobs.find_packets(Query(), site.out)
    assert len(found["damaged"]) == 1
    assert key in found["damaged"][0]
    assert 0 < found["packets"] < 3000


@pytest.fixture(params=[False, True], ids=["by index", "verified"])
def verify(request) -> bool:
    return request.param


@pytest.fixture
def many_frames(site, capture, pcaps) -> tuple[Path, dict]:
    """A segment of several frames that lie side by side, and its manifest."""
    source, spool = site.folder / "many.pcap", site.folder / "many"
    source.write_bytes(pcaps.pcap_bytes(pcaps.steady(3500, start_s=START_US / 1e6, size=1400)))
    capture("-r", source, spool=spool)
    (said,) = pcaps.manifests_in(spool)
    assert len(said["frames"]) > 3
    return spool / said["file"], said


def test_of_a_segment_cut_short_all_frames_before_the_cut_are_delivered(site, many_frames, verify, pcaps) -> None:
    segment, said = many_frames
    os.truncate(segment, said["file_bytes"] - 100)
    found = jobs.find_packets(Query(), site.out, places=[segment.parent], verify=verify)
    last = said["frames"][-1]
    kept = said["packets"] - last["packets"]
    assert found["packets"] == kept
    assert pcaps.read_pcap(site.out.read_bytes())[1] == pcaps.read_pcap((site.folder / "many.pcap").read_bytes())[1][:kept]
    gave = f"gave {last['length'] - 100} of {last['length']} bytes; was it cut?"
    assert found["damaged"] == [f"{segment}:{last['offset']}: {gave}"]
    early = jobs.find_packets(Query(end_us=START_US), site.out, places=[segment.parent], verify=verify)
    assert (early["packets"], len(early["damaged"])) == (1, verify)  # the digest of all of it is not what was promised


@pytest.mark.parametrize("damage", ["its bytes", "its checksum", "its magic", "a block's head"])
def test_without_manifest_a_damaged_frame_is_named_and_all_others_are_delivered(site, many_frames, damage, pcaps) -> None:
    segment, said = many_frames
    _, bad, *_ = said["frames"]
    places = {"its bytes": bad["length"] // 2, "its checksum": bad["length"] - 1, "its magic": 0, "a block's head": 9}
    whole = bytearray(segment.read_bytes())
    whole[bad["offset"] + places[damage]] ^= 0x10
    lone = site.folder / "lone.pcap.zst"
    lone.write_bytes(whole)
    found = jobs.find_packets(Query(), site.out, places=[lone])
    assert [one.split(": ")[0] for one in found["damaged"]] == [f"{lone}:{bad['offset']}"]
    first, packets = said["frames"][0]["packets"], pcaps.read_pcap((site.folder / "many.pcap").read_bytes())[1]
    assert pcaps.read_pcap(site.out.read_bytes())[1] == packets[:first] + packets[first + bad["packets"] :]


def test_without_manifest_a_cut_frame_is_named_and_those_before_are_delivered(site, many_frames) -> None:
    segment, said = many_frames
    last, lone = said["frames"][-1], site.folder / "lone.pcap.zst"
    for kept in (last["length"] - 1, last["length"] // 2, 12, 5, 3):
        lone.write_bytes(segment.read_bytes()[: last["offset"] + kept])
        found = jobs.find_packets(Query(), site.out, places=[lone])
        assert [one.split(": ")[0] for one in found["damaged"]] == [f"{lone}:{last['offset']}"]
        assert found["packets"] == said["packets"] - last["packets"]


@pytest.mark.parametrize("kept", [0, 3, 4, 6, 9, 12, 20])
def test_a_lone_segment_cut_before_its_first_packet_is_named(site, kept) -> None:
    lone = site.folder / "lone.pcap.zst"
    lone.write_bytes(next(site.spool.glob("*.zst")).read_bytes()[:kept])
    done = weir(lone, "-o", site.out, "--json")
    assert done.returncode == 6
    assert [one.split(": ")[0] for one in json.loads(done.stdout)["damaged"]] == [f"{lone}:0"]


def test_a_lone_segment_without_packets_is_no_mistake_but_one_that_was_cut_is(site, capture) -> None:
    capture("-r", site.whole, "-f", "host 192.0.2.1", "--rotate-seconds", 10**6, spool=site.folder / "empty")
    segments = sorted((site.folder / "empty").glob("*.zst"))
    assert segments
    lone = site.folder / "lone.pcap.zst"
    whole = segments[0].read_bytes()
    lone.write_bytes(whole)
    found = jobs.find_packets(Query(), site.out, places=[lone])
    assert (found["packets"], found["damaged"]) == (0, [])
    lone.write_bytes(whole[:-1])
    assert len(jobs.find_packets(Query(), site.out, places=[lone])["damaged"]) == 1


def test_without_manifest_what_lies_before_a_hostile_end_is_delivered(site, many_frames, pcaps) -> None:
    segment, said = many_frames
    last, lone = said["frames"][-1], site.folder / "lone.pcap.zst"
    lone.write_bytes(segment.read_bytes()[: last["offset"]] + EMPTY_FRAME * 400_000)
    found = jobs.find_packets(Query(), site.out, places=[lone])
    words = "has more frames and blocks than any capture of its size; the rest was given up"
    assert [one.split(": ", 1)[1] for one in found["damaged"]] == [words]
    assert found["packets"] == said["packets"] - last["packets"]


@pytest.mark.parametrize("options", [["--check"], ["--no-check"]])
def test_a_foreign_capture_in_one_large_frame_is_read_as_far_as_it_goes(site, many_frames, options, pcaps) -> None:
    source, lone = site.folder / "many.pcap", site.folder / "lone.pcap.zst"
    packed = subprocess.run(["zstd", "-q", "-c", "-1", *options, source], check=True, capture_output=True).stdout
    lone.write_bytes(packed)
    found = jobs.find_packets(Query(), site.out, places=[lone])
    assert (found["packets"], found["damaged"]) == (3500, [])
    lone.write_bytes(packed[: len(packed) * 3 // 4])
    found = jobs.find_packets(Query(), site.out, places=[lone])
    assert 1500 < found["packets"] < 3500
    assert len(found["damaged"]) == 1
    assert pcaps.read_pcap(source.read_bytes())[1][: found["packets"]] == pcaps.read_pcap(site.out.read_bytes())[1]


def test_records_may_reach_from_frame_to_frame_of_a_foreign_capture(site, pcaps) -> None:
    plain, lone = (site.folder / "east.pcap").read_bytes(), site.folder / "lone.pcap.zst"
    parts = [
        subprocess.run(["zstd", "-q", "-c"], input=plain[i : i + 99_999], check=True, capture_output=True).stdout
        for i in range(0, len(plain), 99_999)
    ]
    lone.write_bytes(b"".join(parts))
    assert jobs.find_packets(Query(), site.out, places=[lone])["damaged"] == []
    assert site.out.read_bytes() == plain
    parts[2] = parts[2][:500] + bytes([parts[2][500] ^ 1]) + parts[2][501:]
    lone.write_bytes(b"".join(parts))
    found = jobs.find_packets(Query(), site.out, places=[lone])
    assert [one.split(": ")[0] for one in found["damaged"]] == [f"{lone}:{len(parts[0]) + len(parts[1])}"]
    assert plain[: 2 * 99_999].startswith(site.out.read_bytes())


def test_of_a_stored_segment_cut_short_all_frames_before_the_cut_are_delivered(site, many_frames, monkeypatch, verify) -> None:
    segment, said = many_frames
    monkeypatch.setenv("WEIR_STORE", str(site.folder / "cut"))
    monkeypatch.setenv("WEIR_SPOOL", str(segment.parent))
    jobs.collect(jobs.waiting())
    (stored,) = (site.folder / "cut").rglob("*.zst")
    os.truncate(stored, said["file_bytes"] - 100)
    found = jobs.find_packets(Query(), site.out, verify=verify)
    assert found["packets"] == said["packets"] - said["frames"][-1]["packets"]
    assert len(found["damaged"]) == 1
    assert f"from {said['frames'][-1]['offset']} on" in found["damaged"][0]


@pytest.mark.parametrize("how", ["gone", "unsound", "nested", "timeless", "without half its index"])
def test_without_an_index_the_whole_segment_is_read_and_that_is_said(site, store, how) -> None:
    key = next(key for key in store.keys("1_packets/west/") if key.endswith(".json"))
    said = json.loads(store.get(key))
    if how == "gone":
        store.delete(key)
    elif how == "timeless":
        store.put(key, json.dumps({**said, "first_us": None}).encode())
    elif how == "without half its index":
        store.put(key, json.dumps({**said, "frames": [{**frame, "hosts": "AAAA"} for frame in said["frames"]]}).encode())
    else:
        store.put(key, b"{}" if how == "unsound" else b"[" * 100_000)
    found = jobs.find_packets(Query(hosts=("10.0.3.1",)), site.out)
    assert site.out.read_bytes() == by_tcpdump(site.whole, "host 10.0.3.1")
    assert len(found["read_whole"]) == 1
    assert found["read_whole"][0].startswith(f"{store.url}/{key.removesuffix('.json')}.pcap.zst: ")
    assert found["damaged"] == []


def test_verifying_reads_whole_segments_and_finds_one_that_was_changed(site, pcaps) -> None:
    found = jobs.find_packets(Query(), site.out, places=[site.spool], verify=True)
    assert site.out.read_bytes() == by_tcpdump(site.whole)
    assert len(found["read_whole"]) == found["segments"]
    victim = sorted(site.spool.glob("west*.zst"))[0]
    manifest = victim.with_name(victim.name.replace(".pcap.zst", ".json"))
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**said, "sha256": "0" * 64}))
    found = jobs.find_packets(Query(), site.out, places=[site.spool], verify=True)
    assert [one.split(": ")[0] for one in found["damaged"]] == [f"{victim}:0"]
    assert f"with {'0' * 64}; it was changed" in found["damaged"][0]
    assert found["packets"] == 3000 - said["packets"]


@pytest.mark.parametrize("paper", [None, b"{}"])
def test_the_command_exits_with_0_where_only_a_manifest_is_missing_or_unsound(site, paper) -> None:
    victim = next(site.spool.glob("west*.json"))
    victim.unlink()
    if paper:
        victim.write_bytes(paper)
    done = weir(site.spool, "-o", site.out, "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["packets"], found["damaged"], len(found["read_whole"])) == (3000, [], 1)


def test_the_help_says_what_exits_with_6_and_what_does_not() -> None:
    words = " ".join(weir("--help", env={**os.environ, "COLUMNS": "1000"}).stdout.decode().split())
    assert "Exits with 6 when a segment, or a part of one, is damaged, or missing though its manifest is there" in words
    assert "A segment whose manifest is missing or cannot be believed is read whole and named under read_whole" in words
    assert "that alone exits with 0" in words


@pytest.fixture
def counts_only(site, capture) -> list[Path]:
    """Sealed segments among those of the spool that hold no packets, only counts in their manifests."""
    capture("--sensor", "north", "-r", site.whole, "-f", "host 192.0.2.1", "--rotate-seconds", 10**6, spool=site.spool)
    return sorted(site.spool.glob("north*.zst"))


@pytest.mark.parametrize("query", [Query(), Query(end_us=START_US), Query(hosts=("192.0.2.1",))])
@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:-1] + b"?", lambda b: b + b"?"])
def test_verifying_finds_a_segment_without_packets_that_was_changed(site, counts_only, query, damage) -> None:
    sound = jobs.find_packets(query, site.out, places=[site.spool], verify=True)
    assert sound["damaged"] == []
    assert {f"{path}: its digest was to be verified" for path in counts_only} <= set(sound["read_whole"])
    victim = counts_only[0]
    victim.write_bytes(damage(victim.read_bytes()))
    found = jobs.find_packets(query, site.out, places=[site.spool], verify=True)
    assert [one.split(": ")[0] for one in found["damaged"]] == [f"{victim}:0"]
    assert found["packets"] == sound["packets"]
    assert jobs.find_packets(query, site.out, places=[site.spool])["damaged"] == []


def test_a_sound_copy_of_a_changed_segment_without_packets_is_read(site, counts_only) -> None:
    copies = site.folder / "zcopies"  # behind the spool by name
    shutil.copytree(site.spool, copies)
    counts_only[0].write_bytes(b"?")
    found = jobs.find_packets(Query(), site.out, places=[site.spool, copies], verify=True)
    assert [one.split(":")[0] for one in found["damaged"]] == [str(counts_only[0])]
    assert f"{copies / counts_only[0].name}: its digest was to be verified" in found["read_whole"]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-1] + b"?", lambda b: b + b"?"])
def test_verifying_finds_what_was_changed_in_the_store(site, counts_only, monkeypatch, store, damage) -> None:
    monkeypatch.setenv("WEIR_SPOOL", str(site.spool))
    jobs.collect([str(path) for path in sorted(site.spool.glob("north*.json"))])
    assert jobs.find_packets(Query(), site.out, verify=True)["damaged"] == []
    victims = [next(key for key in store.keys(f"1_packets/{name}/") if key.endswith(".zst")) for name in ("east", "north")]
    for key in victims:
        store.put(key, damage(store.get(key)))
    found = jobs.find_packets(Query(), site.out, verify=True)
    assert len(found["damaged"]) == len(victims)
    assert all(any(key in one for one in found["damaged"]) for key in victims)


def test_a_lone_segment_cut_in_the_middle_gives_what_lies_before(site, pcaps) -> None:
    first = sorted(site.spool.glob("east*.zst"))[0]
    lone = site.folder / "lone.pcap.zst"
    plain = pcaps.unpack(first)
    packed = subprocess.run(["zstd", "-q", "-c", "--no-check"], input=plain[:-10], check=True, capture_output=True).stdout
    lone.write_bytes(packed)
    found = jobs.find_packets(Query(), site.out, places=[lone])
    assert found["damaged"] == [f"{lone}:0: ends inside a record; was it cut?"]
    assert found["bytes_read"] == found["bytes_stored"] == len(packed)  # its head is not read twice
    assert plain.startswith(site.out.read_bytes()[24:][:1000], 24)
    assert found["packets"] > 50


def test_the_command_exits_with_6_where_something_was_damaged(site) -> None:
    victim = sorted(site.spool.glob("east*.zst"))[2]
    victim.write_bytes(victim.read_bytes()[:-1])
    done = weir(site.spool, "-o", site.out)
    assert done.returncode == 6
    assert b"1 part could not be read" in done.stderr
    assert str(victim).encode() in done.stdout
    assert site.out.exists()
