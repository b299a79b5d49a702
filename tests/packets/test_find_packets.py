"""weir packets: from the store or from folders, over several sensors, to one pcap that tcpdump would have made."""

import json
import os
import pty
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from two_sensors import COMMUNITY_ID, FLOW, HOURS, START_US, STEP_US, by_tcpdump, weir
from weir import jobs
from weir.alerts.alert import Alert, Evidence, Lineage, to_dict
from weir.errors import CaptureError, SettingsError, StoreError
from weir.jobs.keys import flows_key
from weir.packets.query import Query
from weir.store import FolderStore, S3Store, Store

ASKED = [
    (Query(hosts=("10.0.3.1",)), "host 10.0.3.1"),
    (Query(hosts=("10.0.3.1", "10.0.0.2"), ports=(53,)), "host 10.0.3.1 and host 10.0.0.2 and port 53"),
    (Query(ends=((FLOW[1], FLOW[2]), (FLOW[3], FLOW[4])), protocol=17), "udp port 20003 and host 10.0.3.1 and host 10.0.0.2"),
    (Query(community_id=COMMUNITY_ID), "udp port 20003 and host 10.0.3.1 and host 10.0.0.2"),
    (Query(hosts=("192.0.2.1",)), "host 192.0.2.1"),
    (Query(), ""),
]


@pytest.mark.parametrize(("query", "text"), ASKED)
def test_the_file_from_the_store_is_the_one_that_tcpdump_writes(site, store, query, text) -> None:
    found = jobs.find_packets(query, site.out)
    assert site.out.read_bytes() == by_tcpdump(site.whole, *([text] if text else []))
    assert found["damaged"] == found["read_whole"] == []
    assert found["out"] == str(site.out)


@pytest.mark.parametrize(("query", "text"), ASKED)
def test_the_file_from_a_spool_is_the_one_that_tcpdump_writes(site, query, text) -> None:
    jobs.find_packets(query, site.out, places=[site.spool])
    assert site.out.read_bytes() == by_tcpdump(site.whole, *([text] if text else []))


def test_only_what_the_index_names_is_read(site, store, monkeypatch) -> None:
    moved = []
    for kind in (FolderStore, S3Store):
        whole = kind.get_range
        monkeypatch.setattr(kind, "get_range", lambda *a, whole=whole: moved.append(whole(*a)) or moved[-1])
    found = jobs.find_packets(Query(hosts=("10.0.3.1",)), site.out)
    assert 0 < found["bytes_read"] < found["bytes_stored"] / 3
    assert found["bytes_read"] == sum(map(len, moved))
    assert found["fetches"] == len(moved)
    assert found["segments_read"] < found["segments"] == len(list(store.keys("1_packets/"))) // 2
    assert found["packets"] > 0


def test_of_a_span_of_time_only_its_hours_are_listed(site, store) -> None:
    start, end = START_US + 3_599_000_000, START_US + 3_605_000_000
    times = [(START_US + i * STEP_US) for i in range(3000)]
    everything = jobs.find_packets(Query(), site.out)
    found = jobs.find_packets(Query(start_us=start, end_us=end), site.out)
    assert found["packets"] == sum(start <= time <= end for time in times)
    assert found["segments"] == everything["segments"]  # it touches both hours
    east = jobs.find_packets(Query(start_us=start, end_us=START_US + 3_599_999_999), site.out, sensor="east")
    keys = [key for key in store.keys(f"1_packets/east/{HOURS[0]}/") if key.endswith(".zst")]
    assert east["segments"] == len(keys) < found["segments"]


def test_a_segment_given_twice_is_read_once_and_its_copy_is_named(site) -> None:
    copies = site.folder / "copies"
    shutil.copytree(site.spool, copies)
    once = jobs.find_packets(Query(), site.out, places=[site.spool])
    found = jobs.find_packets(Query(), site.out, places=[site.spool, copies])
    assert site.out.read_bytes() == by_tcpdump(site.whole)
    assert (found["packets"], once["twice"]) == (3000, [])
    names = [path.name for path in sorted(site.spool.glob("*.zst"))]
    assert found["twice"] == [
        f"{site.spool / name}: is the segment that is read as {copies / name}, by its manifest" for name in names
    ]


def test_a_sensor_is_found_alone(site, store) -> None:
    found = jobs.find_packets(Query(), site.out, sensor="east")
    assert site.out.read_bytes() == by_tcpdump(site.folder / "east.pcap")
    assert found["packets"] == 1500
    jobs.find_packets(Query(), site.out, places=[site.spool], sensor="west")
    assert site.out.read_bytes() == by_tcpdump(site.folder / "west.pcap")


def test_a_limit_takes_the_first_by_time(site, store) -> None:
    found = jobs.find_packets(Query(), site.out, limit=7)
    assert site.out.read_bytes() == by_tcpdump(site.whole, "-c", "7")
    assert (found["packets"], found["limit"]) == (7, 7)
    assert found["frames_read"] < found["frames"]


def test_the_stored_flows_turn_a_community_id_into_addresses(site, store) -> None:
    blind = jobs.find_packets(Query(community_id=COMMUNITY_ID), site.out)
    assert blind["addresses"].startswith("not known")
    assert blind["bytes_read"] == blind["bytes_stored"]
    for unit in jobs.units("1_packets/"):
        jobs.flows(unit)
    found = jobs.find_packets(Query(community_id=COMMUNITY_ID), site.out)
    assert found["addresses"].startswith("10.0.")
    assert found["packets"] == blind["packets"] > 0
    assert found["bytes_read"] < blind["bytes_read"] / 2
    assert site.out.read_bytes() == by_tcpdump(site.whole, "udp port 20003 and host 10.0.3.1 and host 10.0.0.2")


def an_alert(**parts) -> Alert:
    flow = {"table": "flows", "row_id": 1, "packets": 1, "bytes": 1, "is_anomalous": True, "segment": "", "offset": 24}
    shown = tuple(
        Evidence(**flow, start_us=START_US + since, duration_us=60_000_000, src_ip=host, src_port=port, dst_ip="10.0.0.2",
                 dst_port=53, protocol=17)
        for host, port, since in (("10.0.3.1", 20003, 1_500_000_000), ("10.0.4.1", 20004, 1_980_000_000))
    )  # fmt: skip
    whole = Alert(
        alert_id="83f2550c82ad4d1b", fingerprint="", sensor_id="east", host="10.0.3.1", hour=HOURS[0], peers=(),
        tables=("flows",),
        kind_hint=None, first_us=START_US, last_us=START_US + 3_599_999_999, severity="medium", rows_n=2, p_value=0.1, score=1.0,
        reasons=(), evidence=shown, lineage=Lineage(), words="10.0.3.1 did something",
    )  # fmt: skip
    return replace(whole, **parts)


def keep(store: Store, alert: Alert) -> None:
    store.put("6_alerts/state.json", b"{}")
    store.put(f"6_alerts/sent/{alert.alert_id}", b"")
    store.put(f"6_alerts/east/{alert.hour}.json", json.dumps([to_dict(alert)]).encode())


def test_an_alert_shows_the_packets_of_its_flows_in_their_time(site, store, pcaps) -> None:
    keep(store, an_alert())
    found = jobs.find_packets(Query(), site.out, alert_id="83f2550c82ad4d1b")
    spans = [(20003, START_US + 1_500_000_000), (20004, START_US + 1_980_000_000)]
    east = pcaps.read_pcap((site.folder / "east.pcap").read_bytes())[1]
    wanted = [
        one
        for one in east
        if any(
            port.to_bytes(2) in (one.data[34:36], one.data[36:38]) and start <= one.time_ns // 1000 <= start + 60_000_000
            for port, start in spans
        )
    ]
    assert pcaps.read_pcap(site.out.read_bytes())[1] == wanted
    assert found["packets"] == len(wanted) > 5
    assert (found["alert"], found["flows"]) == ("10.0.3.1 did something", 2)
    later = jobs.find_packets(Query(start_us=START_US + 1_900_000_000), site.out, alert_id="83f2550c82ad4d1b")
    assert 0 < later["packets"] < found["packets"]


def test_an_alert_without_flows_shows_its_host_in_its_time(site, store) -> None:
    keep(store, an_alert(evidence=()))
    jobs.find_packets(Query(), site.out, alert_id="83f2550c82ad4d1b")
    (site.folder / "hour.pcap").write_bytes(by_tcpdump(site.folder / "east.pcap", "-c", "750"))
    assert site.out.read_bytes() == by_tcpdump(site.folder / "hour.pcap", "host 10.0.3.1")


def test_an_alert_that_is_not_there_and_one_that_is_asked_twice_are_refused(site, store) -> None:
    with pytest.raises(StoreError, match="no alert 'ffff'"):
        jobs.find_packets(Query(), site.out, alert_id="ffff")
    keep(store, an_alert())
    with pytest.raises(SettingsError, match="--alert names its flows itself"):
        jobs.find_packets(Query(protocol=6), site.out, alert_id="83f2550c82ad4d1b")


def test_times_of_nanoseconds_and_microseconds_are_put_together_exactly(site, capture, pcaps) -> None:
    fine = [pcaps.Packet((START_US + i * STEP_US) * 1000 + 1_234_567, pcaps.ethernet(i, source="10.9.9.9")) for i in range(20)]
    source = site.folder / "fine.pcap"
    source.write_bytes(pcaps.pcap_bytes(fine, magic=pcaps.NANO))
    capture("--sensor", "fine", "-r", source, spool=site.spool)
    jobs.find_packets(Query(end_us=START_US + 20 * STEP_US), site.out, places=[site.spool])
    coarse = pcaps.read_pcap(site.whole.read_bytes())[1][:21]
    assert pcaps.read_pcap(site.out.read_bytes())[1] == sorted([*coarse, *fine])


def test_packets_of_one_moment_keep_the_order_of_sensor_and_capture(site, capture, pcaps) -> None:
    spool = site.folder / "moment"
    for sensor in ("b", "a"):
        packets = [pcaps.Packet(START_US * 1000, pcaps.ethernet(i, source=f"10.0.0.{ord(sensor)}")) for i in range(300)]
        source = site.folder / f"{sensor}.pcap"
        source.write_bytes(pcaps.pcap_bytes(packets))
        capture("--sensor", sensor, "-r", source, "--rotate-bytes", 5_000, spool=spool)
    jobs.find_packets(Query(), site.out, places=[spool])
    wanted = [p for sensor in ("a", "b") for p in pcaps.read_pcap((site.folder / f"{sensor}.pcap").read_bytes())[1]]
    assert pcaps.read_pcap(site.out.read_bytes())[1] == wanted


def test_packets_that_came_late_are_put_in_order(site, capture, pcaps) -> None:
    random = Random(1)
    packets = [pcaps.Packet((START_US + random.randrange(10**9)) * 1000, pcaps.ethernet(i, size=300)) for i in range(2000)]
    source, spool = site.folder / "late.pcap", site.folder / "late"
    source.write_bytes(pcaps.pcap_bytes(packets))
    capture("-r", source, "--rotate-bytes", 50_000, "--rotate-seconds", 10**6, spool=spool)
    jobs.find_packets(Query(), site.out, places=[spool])
    assert pcaps.read_pcap(site.out.read_bytes())[1] == sorted(packets, key=lambda one: one.time_ns)


def test_segments_of_several_link_types_are_not_mixed(site, capture, pcaps) -> None:
    raw = [pcaps.Packet(START_US * 1000, pcaps.ethernet(1)[14:])]
    source = site.folder / "raw.pcap"
    source.write_bytes(pcaps.pcap_bytes(raw, link_type=101))
    capture("--sensor", "raw", "-r", source, spool=site.spool)
    with pytest.raises(SettingsError, match=r"have 1 \(.*\), 101 \(.*\); choose one with --link-type or --sensor"):
        jobs.find_packets(Query(), site.out, places=[site.spool])
    jobs.find_packets(Query(), site.out, places=[site.spool], link_type=101)
    assert pcaps.read_pcap(site.out.read_bytes()) == (101, raw)
    assert jobs.find_packets(Query(), site.out, places=[site.spool], link_type=1)["packets"] == 3000


def test_a_link_type_that_no_segment_has_is_refused(site, store, capture, pcaps) -> None:
    source = site.folder / "raw.pcap"
    source.write_bytes(pcaps.pcap_bytes([pcaps.Packet(START_US * 1000, pcaps.ethernet(1)[14:])], link_type=101))
    capture("--sensor", "raw", "-r", source, spool=site.spool)
    with pytest.raises(SettingsError, match="--link-type 7: no segment here has it; they have 1, 101"):
        jobs.find_packets(Query(), site.out, places=[site.spool], link_type=7)
    with pytest.raises(SettingsError, match="--link-type 101: no segment here has it; they have 1"):
        jobs.find_packets(Query(), site.out, link_type=101)
    nowhere = Query(hosts=("192.0.2.1",))  # by the index in no segment, of whatever link type
    assert jobs.find_packets(nowhere, site.out, places=[site.spool], link_type=101)["packets"] == 0
    for path in site.spool.glob("raw-*"):
        path.write_bytes(b"?")
    assert jobs.find_packets(Query(), site.out, places=[site.spool], link_type=101)["damaged"]


def test_what_was_set_aside_and_what_is_unfinished_is_left_out(site) -> None:
    everything = jobs.find_packets(Query(), site.out, places=[site.spool])
    (site.spool / "refused").mkdir()
    for path in list(site.spool.glob("east*-000002.*")):
        path.rename(site.spool / "refused" / path.name)
    (site.spool / ".west-part.pcap.zst.part").write_bytes(b"x")
    (site.spool / ".hidden.pcap.zst").write_bytes(b"x")
    found = jobs.find_packets(Query(), site.out, places=[site.spool])
    assert found["segments"] == everything["segments"] - 1
    assert found["damaged"] == []


def test_pipes_and_folders_with_names_of_segments_are_left_out(site) -> None:
    everything = jobs.find_packets(Query(), site.out, places=[site.spool])
    segment = next(site.spool.glob("east*-000002.pcap.zst"))
    os.mkfifo(site.spool / "pipe.pcap.zst")
    os.mkfifo(site.spool / segment.name.replace("000002.pcap.zst", "999999.json"))
    (site.spool / "folder.pcap.zst").mkdir()
    paper = segment.with_name(segment.name.replace(".pcap.zst", ".json"))
    paper.unlink()
    os.mkfifo(paper)
    found = jobs.find_packets(Query(), site.out, places=[site.spool])
    assert (found["packets"], found["segments"], found["damaged"]) == (3000, everything["segments"], [])
    assert found["read_whole"] == [f"{segment}: there is no manifest beside it, so all of it is read"]
    with pytest.raises(CaptureError, match=r"pipe\.pcap\.zst: is no regular file"):
        jobs.find_packets(Query(), site.out, places=[site.spool / "pipe.pcap.zst"])


def test_places_without_segments_are_refused(site) -> None:
    (site.folder / "none").mkdir()
    for place in (site.folder / "none", site.folder / "absent", site.whole):
        with pytest.raises(CaptureError, match=str(place)):
            jobs.find_packets(Query(), site.out, places=[place])
    with pytest.raises(StoreError, match=r"1_packets/north: no segments of that time"):
        jobs.find_packets(Query(), site.out, sensor="north")
    with pytest.raises(SettingsError, match="--sensor north: no segment here is of it; they are of east, west"):
        jobs.find_packets(Query(), site.out, places=[site.spool], sensor="north")
    assert not site.out.exists()


def test_a_file_in_a_folder_that_is_not_there_is_refused(site) -> None:
    with pytest.raises(SettingsError, match="nowhere is no folder; make it first"):
        jobs.find_packets(Query(), site.folder / "nowhere" / "found.pcap", places=[site.spool])


def test_a_file_that_cannot_be_written_leaves_nothing(site) -> None:
    before = set(site.folder.iterdir())
    command = f"ulimit -f 4; exec {sys.executable} -m weir.cli packets {site.spool} -o {site.out}"  # KiB
    done = subprocess.run(["bash", "-c", command], capture_output=True)
    assert done.returncode == 4
    assert b"found.pcap: cannot be written: File too large" in done.stderr
    assert set(site.folder.iterdir()) == before


@pytest.mark.parametrize("limit", [1, 3000])  # of which one is seen to fail only when all is flushed
def test_a_standard_output_that_cannot_be_written_is_told(site, limit) -> None:
    command = [sys.executable, "-m", "weir.cli", "packets", site.spool, "--limit", str(limit)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 4
    words = "packets: cannot be written: No space left on device; free space or name a file with --out"
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


@pytest.mark.parametrize(("make", "words"), [(Path.mkdir, "a folder"), (os.mkfifo, "a pipe")])
def test_what_is_no_regular_file_is_refused_before_anything_is_read(site, make, words) -> None:
    make(site.out)
    before = site.out.stat()
    done = weir(site.folder / "nowhere", "-o", site.out)
    assert done.returncode == 2
    instead = "name another file with --out, or - for standard output"
    assert f"packets: {site.out} is {words}, not a regular file; {instead}" in done.stderr.decode()
    assert site.out.stat().st_ino == before.st_ino


def test_a_link_is_followed_and_stays(site) -> None:
    (site.folder / "elsewhere").mkdir()
    site.out.symlink_to("elsewhere/found.pcap")
    for _ in range(2):  # there is no such file yet, then there is
        found = jobs.find_packets(Query(), site.out, places=[site.spool])
        assert found["out"] == str(site.out)
        assert site.out.readlink() == Path("elsewhere/found.pcap")
        assert (site.folder / "elsewhere" / "found.pcap").read_bytes() == by_tcpdump(site.whole)
        (site.folder / "elsewhere" / "found.pcap").write_bytes(b"old")


def test_a_link_into_a_folder_that_is_not_there_is_refused(site) -> None:
    site.out.symlink_to("nowhere/found.pcap")
    with pytest.raises(SettingsError, match="nowhere is no folder; make it first"):
        jobs.find_packets(Query(), site.out, places=[site.spool])


def test_the_command_pipes_into_tcpdump_and_accounts_on_stderr(site) -> None:
    start, end = "2024-03-04T09:30", "2024-03-04T09:40:00Z"
    done = weir(site.spool, "--flow", *FLOW, "--start", start, "--end", end, "--json")
    assert done.returncode == 0, done.stderr
    asked = {"protocol": "udp", "flow": FLOW, "start": start, "end": end}
    jobs.find_packets(jobs.packet_query(**asked), site.out, places=[site.spool])
    assert done.stdout == site.out.read_bytes()
    facts = json.loads(done.stderr)
    assert facts["out"] == "-"
    assert facts["bytes_read"] < facts["bytes_stored"]
    assert facts["packets"] == subprocess.run(
        ["tcpdump", "-n", "-r", "-"], input=done.stdout, capture_output=True, check=True
    ).stdout.count(b"\n")


def test_the_command_writes_a_file_and_accounts_on_stdout(site) -> None:
    done = weir(site.spool, "--host", "10.0.3.1", "-o", site.out)
    assert done.returncode == 0, done.stderr
    assert site.out.read_bytes() == by_tcpdump(site.whole, "host 10.0.3.1")
    assert f"bytes_stored: {sum(path.stat().st_size for path in site.spool.glob('*.zst'))}\n" in done.stdout.decode()
    assert f"out: {site.out}\n" in done.stdout.decode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "10.0.0"], "does not appear to be an IPv4 or IPv6 address"),
        (["--protocol", "tpc"], "'tpc': not a protocol; give one of icmp, tcp, udp"),
        (["--protocol", "256"], "'256': not a protocol"),
        (["--start", "yesterday"], "--start 'yesterday': not a time; write it as"),
        (["--start", "2024-03-04T10", "--end", "2024-03-04T09"], "--end 2024-03-04T09 lies before --start 2024-03-04T10"),
        (["--community-id", "1:x"], "'1:x': not a Community ID"),
        (["--limit", "9" * 21], "is not in the range"),
        (["--one-way"], "--one-way says which way of --flow"),
        (["--port", "-1"], "--port -1: not a port; give a number from 0 to 65535"),
        (["--port", "53", "--port", "65536"], "--port 65536: not a port"),
        (["--flow", "tcp", "10.0.0.1", "99999", "10.0.0.2", "1"], "--flow 99999: not a port; give a number from 0 to 65535"),
        (["--flow", "tcp", "10.0.0.1", "1", "10.0.0.2", "-1"], "--flow -1: not a port"),
        (["--flow", "tcp", "10.0.0.1", "80", "::1", "90"], "10.0.0.1 and ::1: one header has IPv4 or IPv6 addresses, never both"),
        (["--host", "10.0.0.1", "--host", "::1"], "10.0.0.1 and ::1: one header has IPv4 or IPv6 addresses, never both"),
        (["--flow", "icmp", "10.0.0.1", "8", "10.0.0.2", "0"], "--flow icmp: it has no ports, unlike tcp, udp and sctp; give 0"),
        (["--flow", *map(str, FLOW), "--protocol", "tcp"], "--protocol tcp contradicts --flow, which says udp"),
    ],
)
def test_a_question_that_is_not_understood_exits_with_2_and_says_what_is_wrong(tmp_path, arguments, words) -> None:
    done = weir(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr.decode()
    assert done.stdout == b""


def test_no_pcap_is_poured_onto_a_terminal(site) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "weir.cli", "packets", site.spool]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert b"a pcap is nothing for a terminal" in done.stderr


def test_a_reader_that_has_enough_is_no_mistake(site) -> None:
    command = f"{sys.executable} -m weir.cli packets {site.spool} | tcpdump -n -r - -c 3"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout.count(b"\n") == 3


def test_flows_are_looked_up_in_the_hours_asked_for_only(site, store) -> None:
    jobs.flows(f"east/{HOURS[0]}")
    store.put(flows_key(f"east/{HOURS[1]}"), b"no table")
    query = Query(community_id=COMMUNITY_ID, end_us=START_US + 3_599_000_000)
    assert HOURS[0] in jobs.find_packets(query, site.out)["addresses"]


def test_a_flow_of_a_protocol_without_ports_is_found_as_its_row_writes_it(binary, site, write_pcap, pcaps) -> None:
    def echo(kind: int, source: int, destination: int, n: int):
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 28, n, 0, 64, 1, 0) + bytes([10, 0, 0, source, 10, 0, 0, destination])
        return pcaps.Packet((START_US + n) * 1000, bytes(12) + b"\x08\x00" + ip + struct.pack(">BBHHH", kind, 0, 0, 7, n))

    packets = [echo(8, 1, 2, 0), echo(0, 2, 1, 1), echo(8, 1, 3, 2), echo(8, 1, 2, 3)]
    subprocess.run([binary, "-r", write_pcap(packets), "--spool", site.folder / "pings"], check=True, capture_output=True)
    flow = ("icmp", "10.0.0.2", 0, "10.0.0.1", 0)
    for is_one_way, count in ((False, 3), (True, 1)):
        found = jobs.find_packets(jobs.packet_query(flow=flow, is_one_way=is_one_way), site.out, places=[site.folder / "pings"])
        assert found["packets"] == count


def test_what_is_read_is_never_written_over(site) -> None:
    segment = next(site.spool.glob("*.zst"))
    before = segment.read_bytes()
    (site.spool / "below").mkdir()
    new = site.spool / "new.zst", site.spool / "below" / "new.zst"
    for place, out in ((site.spool, segment), (segment, segment), *((site.spool, name) for name in new)):
        with pytest.raises(SettingsError, match="name another file"):
            jobs.find_packets(Query(), out, places=[place])
    assert not any(name.exists() for name in new)
    site.out.symlink_to(segment)
    with pytest.raises(SettingsError, match="name another file"):
        jobs.find_packets(Query(), site.out, places=[site.spool])
    assert segment.read_bytes() == before


def test_the_least_and_the_greatest_port_may_be_asked_for() -> None:
    assert jobs.packet_query(ports=[0, 65535]).ports == (0, 65535)


def test_more_sides_than_a_packet_has_are_refused() -> None:
    with pytest.raises(SettingsError, match="--host is given 3 times"):
        jobs.packet_query(hosts=["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    with pytest.raises(SettingsError, match="--port is given 3 times"):
        jobs.packet_query(ports=[1, 2, 3])
