"""The shipped captures: small, of free licences named in NOTICE, and labelled as the packets are."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import struct
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "examples" / "captures"
HOURS = sorted(path.name.removesuffix(".pcap.gz") for path in CAPTURES.glob("*.pcap.gz"))
FREE = {"BSD-3-Clause", "MIT", "Apache-2.0", "Unlicense"}
MOST_BYTES = 6 * 1024 * 1024


def load_builder():
    spec = importlib.util.spec_from_file_location("captures_build", CAPTURES / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = load_builder()


def rows(name: str) -> list[dict[str, str]]:
    with (CAPTURES / name).open() as lines:
        return list(csv.DictReader(lines))


def packets(hour: str) -> list[tuple[str, bytes]]:
    """(time in words, frame) of each packet of an hour."""
    from weir.simulate.tape import words_of_time

    whole, at, found = gzip.decompress((CAPTURES / f"{hour}.pcap.gz").read_bytes()), 24, []
    while at < len(whole):
        seconds, micros, kept, long = struct.unpack_from("<IIII", whole, at)
        assert kept == long, "a packet was cut"
        found.append((words_of_time(seconds * 1_000_000 + micros), whole[at + 16 : at + 16 + kept]))
        at += 16 + kept
    return found


def test_an_ordinary_hour_and_an_attacked_one_are_shipped():
    labels = [{row["label"] for row in rows(f"{hour}.timeline.csv")} for hour in HOURS]
    assert labels[0] == {"benign"}
    assert len(labels[1] - {"benign"}) == 11


def test_the_captures_are_small():
    assert sum(path.stat().st_size for path in CAPTURES.iterdir() if path.is_file()) < MOST_BYTES


def test_every_source_has_a_free_licence_that_notice_names():
    notice = (ROOT / "NOTICE").read_text()
    for source in rows("sources.csv"):
        assert source["licence"] in FREE
        assert f"{source['repo']} ({source['licence']}; " in notice
        assert f"  {source['path']}\n" in notice


def test_the_time_lines_name_the_sources_and_nothing_else():
    shipped = {(row["source_repo"], row["source_path"]) for hour in HOURS for row in rows(f"{hour}.timeline.csv")}
    assert shipped == {(source["repo"], source["path"]) for source in rows("sources.csv")}


@pytest.mark.parametrize("hour", HOURS)
def test_packets_lie_in_their_hour_and_in_order(hour):
    times = [time for time, _ in packets(hour)]
    assert times == sorted(times)
    assert {time[:13] for time in times} == {hour}


@pytest.mark.parametrize("hour", HOURS)
def test_flow_labels_count_every_packet(hour):
    from ipaddress import ip_address

    on_wire: Counter = Counter()
    for _, frame in packets(hour):
        source, source_port, target, target_port, protocol = builder.key_of(frame)
        ends = frozenset(((str(ip_address(source)), source_port), (str(ip_address(target)), target_port)))
        on_wire[ends, protocol] += 1
    labelled: Counter = Counter()
    for row in rows(f"{hour}.flows.csv"):
        ends = frozenset(((row["src_ip"], int(row["src_port"])), (row["dst_ip"], int(row["dst_port"]))))
        labelled[ends, int(row["ip_proto"])] += int(row["fwd_packets"]) + int(row["bwd_packets"])
    assert labelled == on_wire


@pytest.mark.parametrize("hour", HOURS)
def test_the_time_line_adds_up_to_the_capture(hour):
    lines = rows(f"{hour}.timeline.csv")
    assert sum(int(line["packets"]) for line in lines) == len(packets(hour))
    by_label: Counter = Counter()
    for row in rows(f"{hour}.flows.csv"):
        by_label[row["label"]] += int(row["fwd_packets"]) + int(row["bwd_packets"])
    expected: Counter = Counter()
    for line in lines:
        expected[line["label"]] += int(line["packets"])
    assert by_label == expected


def test_nothing_is_attacked_in_the_first_25_minutes_of_the_attacked_hour():
    firsts = [line["start"] for line in rows(f"{HOURS[1]}.timeline.csv") if line["label"] != "benign"]
    assert min(firsts) >= f"{HOURS[1]}:25:00"


def test_the_builder_shifts_times_and_leaves_packets_alone(tmp_path):
    from weir.simulate.wire import pcap

    frame = packets(HOURS[0])[0][1]
    upstream = tmp_path / "owner" / "repository" / "a.pcap"
    upstream.parent.mkdir(parents=True)
    upstream.write_bytes(
        pcap([(1_000_000, frame), (1_250_000, b"\xff" * 12 + b"\x08\x06" + bytes(28)), (2_500_000, frame), (9_000_000, frame)])
    )
    source = {
        "start": "2024-03-05T09:00:10",
        "from_s": "1",
        "until_s": "5",
        "first_packets": "",
        "repo": "owner/repository",
        "path": "a.pcap",
    }
    taken = list(builder.taken(source, tmp_path))
    assert [data for _, data in taken] == [frame]
    assert taken[0][0] == 1_709_629_210_500_000


def test_the_page_on_detection_speaks_of_every_kind_that_is_shipped_or_simulated():
    from weir.simulate.attacks import ATTACKS

    page = (ROOT / "docs" / "detection.md").read_text()
    shipped = {line["label"] for line in rows(f"{HOURS[1]}.timeline.csv")} - {"benign"}
    assert {kind for kind in shipped | set(ATTACKS) if f"| {kind} |" not in page} == set()
