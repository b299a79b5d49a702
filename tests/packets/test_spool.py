import hashlib
import json
import os
import signal
import stat
from pathlib import Path

import pytest

from weir import jobs
from weir.errors import CaptureError
from weir.packets import spool
from weir.packets.manifest import Manifest


@pytest.fixture
def folder(capture, write_pcap, pcaps) -> Path:
    """A spool with four segments."""
    return capture("-r", write_pcap(pcaps.steady(400)), "--rotate-bytes", 8000).spool


def test_sealed_segments_are_listed_in_the_order_of_sealing(folder):
    numbers = [json.loads(path.read_text())["seq"] for path in spool.sealed(folder)]
    assert numbers == [0, 1, 2, 3]


def test_numbers_beyond_six_digits_still_come_last(folder):
    first = spool.sealed(folder)[0]
    late = first.with_name(first.name.replace("-000000", "-1000000"))
    late.write_bytes(b"{}")
    assert spool.sealed(folder)[-1] == late


def test_files_under_construction_and_of_others_are_not_listed(folder):
    before = spool.sealed(folder)
    for name in (
        ".lab-0000000000000000-000009.json.part",
        "notes.json",
        "lab-xyz-000001.json",
        "lab-0000000000000000-000001.pcap.zst",
    ):
        (folder / name).write_bytes(b"?")
    assert spool.sealed(folder) == before


def test_files_that_no_sensor_makes_are_named(folder):
    (folder / "notes.json").write_bytes(b"?")
    (folder / "core").write_bytes(b"?")
    assert [path.name for path in spool.foreign(folder)] == ["core", "notes.json"]


def test_a_spool_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CaptureError, match="nowhere"):
        spool.sealed(tmp_path / "nowhere")


def test_the_bytes_of_a_segment_have_the_digest_of_its_manifest(folder):
    manifest, whole = spool.read(spool.sealed(folder)[2])
    assert manifest.seq == 2
    assert hashlib.sha256(whole).hexdigest() == manifest.sha256


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:50] + bytes([b[50] ^ 1]) + b[51:]])
def test_a_segment_that_changed_is_refused(folder, damage):
    path = spool.sealed(folder)[0]
    segment = path.with_name(path.name.replace(".json", ".pcap.zst"))
    segment.write_bytes(damage(segment.read_bytes()))
    with pytest.raises(CaptureError, match="promised were"):
        spool.read(path)


def test_a_segment_that_is_gone_is_refused(folder):
    path = spool.sealed(folder)[0]
    path.with_name(path.name.replace(".json", ".pcap.zst")).unlink()
    with pytest.raises(CaptureError, match="its manifest promises it"):
        spool.read(path)


def test_a_manifest_under_the_name_of_another_segment_is_refused(folder):
    first, second, *_ = spool.sealed(folder)
    first.write_bytes(second.read_bytes())
    with pytest.raises(CaptureError, match="speaks of"):
        spool.read(first)


def test_a_link_to_elsewhere_is_refused(folder, tmp_path):
    path = spool.sealed(folder)[0]
    segment = path.with_name(path.name.replace(".json", ".pcap.zst"))
    segment.rename(tmp_path / "elsewhere")
    segment.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CaptureError, match="is a link"):
        spool.read(path)


def test_an_acknowledged_segment_leaves_the_spool_and_its_acknowledgement_stays(folder):
    path = spool.sealed(folder)[0]
    manifest, _ = spool.read(path)
    spool.acknowledge(path, manifest.sha256)
    assert len(spool.sealed(folder)) == 3
    assert not path.exists()
    assert not (folder / manifest.file).exists()
    assert json.loads(path.with_suffix(".ack").read_text()) == {"sha256": manifest.sha256}


def test_a_segment_acknowledged_under_a_wrong_digest_stays(folder):
    path = spool.sealed(folder)[0]
    with pytest.raises(CaptureError, match="collect it again"):
        spool.acknowledge(path, "0" * 64)
    assert path in spool.sealed(folder)
    assert not path.with_suffix(".ack").exists()


def test_a_collector_killed_after_its_acknowledgement_collects_nothing_twice(folder):
    path = spool.sealed(folder)[0]
    manifest, whole = spool.read(path)
    paper = path.read_bytes()
    spool.acknowledge(path, manifest.sha256)
    path.write_bytes(paper)  # as if the removal had not happened
    (folder / manifest.file).write_bytes(whole)
    assert path not in spool.sealed(folder)
    spool.acknowledge(path, manifest.sha256)
    assert not path.exists()


FOREIGN = ["", "?", "[]", "[" * 100_000, '{"sha256": 5}', '{"sha256": ""}', json.dumps({"sha256": "0" * 64})]


def put_ack(ack: Path, kind: str) -> None:
    """An acknowledgement with this text, or what is none: a pipe, a folder, a link."""
    makers = {"pipe": os.mkfifo, "folder": Path.mkdir, "link": lambda path: path.symlink_to("nowhere")}
    makers.get(kind, lambda path: path.write_text(kind))(ack)


@pytest.mark.parametrize("kind", [*FOREIGN, "pipe", "folder", "link"])
def test_a_segment_beside_a_foreign_acknowledgement_is_collected_and_acknowledged_anew(
    folder, tmp_path, monkeypatch, patience, kind
):
    monkeypatch.setenv("WEIR_SPOOL", str(folder))
    monkeypatch.setenv("WEIR_STORE", str(tmp_path / "store"))
    path = spool.sealed(folder)[2]
    manifest, _ = spool.read(path)
    put_ack(path.with_suffix(".ack"), kind)
    assert path in spool.sealed(folder)
    counts = jobs.collect(jobs.waiting())
    assert (counts["packets"], counts["refused"]) == (400, [])
    assert json.loads(path.with_suffix(".ack").read_text()) == {"sha256": manifest.sha256}
    assert not list(folder.glob("*.zst"))


@pytest.mark.parametrize("kind", [*FOREIGN, "pipe", "folder", "link"])
@pytest.mark.parametrize("has_manifest", [True, False])
def test_the_next_sensor_keeps_what_lies_beside_a_foreign_acknowledgement_and_says_so(
    folder, capture, pcaps, tmp_path, kind, has_manifest
):
    before = pcaps.packets_in(folder)
    path = spool.sealed(folder)[2]
    put_ack(path.with_suffix(".ack"), kind)
    if not has_manifest:  # its sensor was killed between the two renames
        path.unlink()
    run = capture("-r", tmp_path / "in.pcap", "-f", "tcp", "-c", 1, spool=folder)
    assert [event["ack"] for event in run.named("foreign_ack")] == [path.with_suffix(".ack").name]
    assert len(run.named("segment_salvaged")) == (0 if has_manifest else 1)
    assert pcaps.packets_in(folder) == before


def test_the_oldest_segment_that_is_dropped_beside_a_foreign_acknowledgement_keeps_its_counts(folder, capture, write_pcap, pcaps):
    first = spool.sealed(folder)[0]
    first.with_suffix(".ack").write_text("")
    packets = [pcaps.Packet(one.time_ns, os.urandom(1000)) for one in pcaps.steady(1500)]
    options = ["--spool-mb", 1, "--when-full", "drop-oldest", "--rotate-bytes", 200_000]
    capture("-r", write_pcap(packets, "more.pcap"), *options, spool=folder)
    assert not first.exists()
    counters = [spool.read(path)[0].counters for path in spool.sealed(folder)]
    assert sum(one["read"] for one in counters) == 400 + 1500


def test_an_acknowledgement_may_be_written_by_other_programs(folder, capture, write_pcap):
    path = spool.sealed(folder)[0]
    sha256 = json.loads(path.read_text())["sha256"]
    path.with_suffix(".ack").write_text('{"by":"rsync","sha256":\n"' + sha256 + '"}')
    assert path not in spool.sealed(folder)
    capture("-r", write_pcap([], "none.pcap"), spool=folder)
    assert not path.exists()


def test_the_next_sensor_removes_what_acknowledged_segments_left_behind(folder, capture, tmp_path):
    path = spool.sealed(folder)[0]
    manifest, whole = spool.read(path)
    spool.acknowledge(path, manifest.sha256)
    (folder / manifest.file).write_bytes(whole)
    capture("-r", tmp_path / "in.pcap", "-c", 1, spool=folder)
    assert not (folder / manifest.file).exists()


def test_what_is_set_aside_keeps_its_bytes_and_gets_its_reason(folder):
    path = spool.sealed(folder)[0]
    manifest, whole = spool.read(path)
    now = spool.set_aside(path, "bad\nluck ")
    assert now == folder / "refused" / path.name
    assert (folder / "refused" / manifest.file).read_bytes() == whole
    assert now.with_name(path.name + ".reason").read_text() == "bad luck\n"
    assert len(spool.sealed(folder)) == 3


def test_nothing_that_was_set_aside_is_overwritten(folder):
    for text in (b"one", b"two", b"three"):
        (folder / "odd").write_bytes(text)
        spool.set_aside(folder / "odd", text.decode())
    kept = {path.name: path.read_bytes() for path in (folder / "refused").iterdir() if not path.name.endswith(".reason")}
    assert kept == {"odd": b"one", "odd.1": b"two", "odd.2": b"three"}


def dropped(path: Path) -> None:
    """What a sensor does with its oldest segment when the spool is full."""
    path.unlink(missing_ok=True)
    path.with_name(path.name.replace(".json", ".pcap.zst")).unlink(missing_ok=True)


@pytest.mark.parametrize("moment", ["read", "_refuse_irregular", "set_aside", "acknowledge"])
def test_a_segment_that_its_sensor_drops_while_it_is_collected_is_no_mistake(folder, tmp_path, monkeypatch, moment):
    monkeypatch.setenv("WEIR_SPOOL", str(folder))
    monkeypatch.setenv("WEIR_STORE", str(tmp_path / "store"))
    first, *others = spool.sealed(folder)
    segment = first.with_name(first.name.replace(".json", ".pcap.zst"))
    if moment == "set_aside":
        segment.write_bytes(b"damaged")
    then = getattr(spool, moment)

    def drop_before(path: Path, *arguments):
        if path == (segment if moment == "_refuse_irregular" else first):
            dropped(first)
        return then(path, *arguments)

    monkeypatch.setattr(spool, moment, drop_before)
    counts = jobs.collect(jobs.waiting())
    assert counts["refused"] == []
    assert not list(folder.glob("refused/*"))
    assert spool.sealed(folder) == []
    assert len(list(tmp_path.glob("store/1_packets/*/*/*.zst"))) == len(others) + (moment == "acknowledge")
    assert jobs.collect(jobs.waiting())["packets"] == 0
    assert len(list(folder.glob("*.ack"))) == len(others)


def test_a_manifest_that_is_a_link_to_nowhere_is_set_aside(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WEIR_SPOOL", str(folder))
    monkeypatch.setenv("WEIR_STORE", str(tmp_path / "store"))
    first = spool.sealed(folder)[0]
    first.unlink()
    first.symlink_to("nowhere")
    (words,) = jobs.collect(jobs.waiting())["refused"]
    assert words.startswith(f"{first}: is a link")
    assert (folder / "refused" / first.name).is_symlink()


def add_nameless(folder: Path, lost: int) -> None:
    """Add a segment as sensors made them once, where the disk had room for none of its packets: the capture header alone."""
    last = json.loads(spool.sealed(folder)[-1].read_text())
    whole = (folder / last["file"]).read_bytes()
    header = whole[: last["frames"][0]["offset"]] if last["frames"] else whole
    facts = last | {
        "seq": last["seq"] + 1,
        "file": last["file"].replace(f"-{last['seq']:06d}.", f"-{last['seq'] + 1:06d}."),
        "sha256": hashlib.sha256(header).hexdigest(),
        "previous_sha256": last["sha256"],
        "file_bytes": len(header),
        "counters": dict.fromkeys(last["counters"], 0) | dict.fromkeys(("received", "read", "drop_disk"), lost),
        **{"packets": 0, "packet_bytes": 0, "first_us": None, "last_us": None, "frames": []},
    }
    (folder / facts["file"]).write_bytes(header)
    (folder / facts["file"].replace(".pcap.zst", ".json")).write_text(json.dumps(facts))


def test_segments_without_packets_and_of_one_digest_all_tell_their_counts(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WEIR_SPOOL", str(folder))
    monkeypatch.setenv("WEIR_STORE", str(tmp_path / "store"))
    for lost in (100, 20, 3):
        add_nameless(folder, lost)
    assert len({Manifest.read(path).sha256 for path in spool.sealed(folder)[-3:]}) == 1
    kept = {path: (path.read_bytes(), spool.read(path)[1]) for path in spool.sealed(folder)}
    counts = jobs.collect(jobs.waiting())
    assert (counts["segments"], counts["refused"]) == (7, [])
    assert spool.sealed(folder) == []
    (unit,) = counts["units"]
    jobs.flows(unit)
    store = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.*")}
    for path, (manifest, whole) in kept.items():  # the same once more, as when the acknowledgements were lost
        path.write_bytes(manifest)
        path.with_name(path.name.replace(".json", ".pcap.zst")).write_bytes(whole)
        path.with_suffix(".ack").unlink()
    assert jobs.collect(jobs.waiting())["refused"] == []
    jobs.flows(unit)
    assert {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.*")} == store
    verdict = jobs.verify_ledger()
    (disk,) = (law for law in verdict.laws if law.hop == "L1")
    assert disk.dropped["lost to the disk"] == 123
    assert not [problem for law in verdict.laws for problem in law.problems if law.hop in ("L0", "L1", "L2", "L3", "L4")]
    found = jobs.find_packets(jobs.packet_query(), tmp_path / "all.pcap", verify=True)
    assert (found["packets"], found["damaged"]) == (400, [])


def test_packets_that_are_stored_already_under_another_manifest_are_set_aside_and_the_rest_goes_on(
    folder, tmp_path, capture, write_pcap, pcaps, monkeypatch
):
    monkeypatch.setenv("WEIR_SPOOL", str(folder))
    monkeypatch.setenv("WEIR_STORE", str(tmp_path / "store"))
    jobs.collect(jobs.waiting())
    before = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.*")}
    again = capture("-r", tmp_path / "in.pcap", "--rotate-bytes", 8000, spool=folder)
    capture("-r", write_pcap(pcaps.steady(10, step_ns=7), "other.pcap"), spool=folder)
    counts = jobs.collect(jobs.waiting())
    assert (counts["segments"], counts["packets"], len(counts["refused"])) == (1, 10, 4)
    assert "was a capture imported twice?" in counts["refused"][0]
    assert len(list((folder / "refused").glob("*.zst"))) == again.named("done")[0]["segments"]
    assert {path: path.read_bytes() for path in before} == before
    assert spool.sealed(folder) == []


@pytest.fixture
def patience():
    """Ends a test that waits for a pipe that nobody writes to."""

    def give_up(*_):
        raise AssertionError("waited for a pipe")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_in_place_of_a_segment_is_set_aside(folder, tmp_path, monkeypatch, patience, make):
    monkeypatch.setenv("WEIR_SPOOL", str(folder))
    monkeypatch.setenv("WEIR_STORE", str(tmp_path / "store"))
    first, *others = spool.sealed(folder)
    segment = first.with_name(first.name.replace(".json", ".pcap.zst"))
    segment.unlink()
    make(segment)
    kind = stat.S_IFMT(segment.lstat().st_mode)
    counts = jobs.collect(jobs.waiting())
    assert counts["segments"] == len(others)
    (words,) = counts["refused"]
    assert words.startswith(f"{segment}: is ")
    assert words.endswith(", which no sensor makes; set it aside")
    assert (folder / "refused" / f"{first.name}.reason").read_text() == words + "\n"
    assert stat.S_IFMT((folder / "refused" / segment.name).lstat().st_mode) == kind
    assert not list(folder.glob("*.zst"))


def test_a_pipe_in_place_of_a_manifest_is_refused(folder, patience):
    first = spool.sealed(folder)[0]
    first.unlink()
    os.mkfifo(first)
    with pytest.raises(CaptureError, match=r"\.json: is no regular file"):
        spool.read(first)
    assert spool.set_aside(first, "a pipe").is_fifo()
    assert first not in spool.sealed(folder)


def test_a_pipe_in_place_of_a_manifest_is_collected_into_refused(folder, tmp_path, monkeypatch, patience):
    monkeypatch.setenv("WEIR_SPOOL", str(folder))
    monkeypatch.setenv("WEIR_STORE", str(tmp_path / "store"))
    first, *others = spool.sealed(folder)
    first.unlink()
    os.mkfifo(first)
    os.mkfifo(folder / "other")
    assert [path.name for path in spool.foreign(folder)] == ["other"]
    counts = jobs.collect(jobs.waiting())
    assert (counts["segments"], len(counts["refused"])) == (len(others), 1)
    assert (folder / "refused" / first.name).is_fifo()


def test_a_link_to_a_pipe_is_no_manifest(tmp_path, patience):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.json").symlink_to("pipe")
    with pytest.raises(CaptureError, match=r"link\.json: is no regular file"):
        Manifest.read(tmp_path / "link.json")
