"""Lay real captures from public repositories on one time line: two hours, one of them attacked.

    python examples/captures/build.py FOLDER [--out OUT]

FOLDER holds the upstream files as ``FOLDER/<owner>/<repository>/<path>``, as ``sources.csv`` names
them (the ``.cap`` of OTRF comes out of the ``.zip`` of the same name beside it; ``.gz`` files are
unpacked). Of each file, only frames that carry IPv4 or IPv6 directly in Ethernet are taken, within
``from_s`` and ``until_s`` after its first packet, ``first_packets`` at most. Packets are untouched;
their times are shifted as a whole, so that the gaps inside a capture stay. The same files give the
same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import struct
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from weir.simulate.tape import TIMELINE_COLUMNS, LabelledFlow, Tape, flows_csv, words_of_time
from weir.simulate.wire import ETHERNET_BYTES, TCP, UDP, US_PER_S, Endpoint, pcap

HERE = Path(__file__).parent
HOUR_US = 3_600 * US_PER_S
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
IPV6_EXTENSIONS = (0, 43, 60)  # hop-by-hop options, routing, destination options; RFC 8200 section 4
IPV6_FRAGMENT, IPV6_FRAGMENT_BYTES = 44, 8
NO_MAC = bytes(6)

Key = tuple[bytes, int, bytes, int, int]


def sources() -> list[dict[str, str]]:
    """The rows of ``sources.csv``."""
    with (HERE / "sources.csv").open() as lines:
        return list(csv.DictReader(lines))


def frames(capture: Path) -> list[tuple[int, bytes]]:
    """(time in us, frame) of every IP packet of a capture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from scapy.utils import RawPcapReader

    with RawPcapReader(str(capture)) as reader:
        all_of_it = [(meta.sec * US_PER_S + meta.usec, frame) for frame, meta in reader]
    return [(time_us, frame) for time_us, frame in all_of_it if frame[12:14] in (IPV4, IPV6)]


def key_of(frame: bytes) -> Key:
    """Source address and port, destination address and port, protocol; ports are 0 where there are none."""
    if frame[12:14] == IPV4:
        protocol, source, target = frame[23], frame[26:30], frame[30:34]
        at = ETHERNET_BYTES + (frame[14] & 0x0F) * 4
        has_ports = struct.unpack_from("!H", frame, 20)[0] & 0x1FFF == 0
    else:
        protocol, source, target = frame[20], frame[22:38], frame[38:54]
        at, has_ports = ETHERNET_BYTES + 40, True
        while protocol in (*IPV6_EXTENSIONS, IPV6_FRAGMENT) and len(frame) >= at + 8:
            step = IPV6_FRAGMENT_BYTES if protocol == IPV6_FRAGMENT else 8 + frame[at + 1] * 8
            protocol, at = frame[at], at + step
    if protocol in (TCP, UDP) and has_ports and len(frame) >= at + 4:
        return source, *struct.unpack_from("!H", frame, at), target, *struct.unpack_from("!H", frame, at + 2), protocol
    return source, 0, target, 0, protocol


def taken(source: dict[str, str], folder: Path) -> Iterator[tuple[int, bytes]]:
    """The packets of a source that are used, at their new times."""
    packets = frames(folder / source["repo"] / source["path"])
    first_us, start_us = packets[0][0], int(datetime.fromisoformat(source["start"]).replace(tzinfo=UTC).timestamp()) * US_PER_S
    from_us = int(source["from_s"] or 0) * US_PER_S
    until_us = int(source["until_s"]) * US_PER_S if source["until_s"] else HOUR_US
    for time_us, frame in packets[: int(source["first_packets"] or len(packets))]:
        if from_us <= time_us - first_us < until_us:
            yield start_us + time_us - first_us - from_us, frame


def put_on(tape: Tape, source: dict[str, str], folder: Path) -> tuple[object, ...]:
    """Put one source on the tape; returns its line of the time line."""
    flows: dict[Key, LabelledFlow] = {}
    times = []
    for time_us, frame in taken(source, folder):
        key = key_of(frame)
        reverse = (key[2], key[3], key[0], key[1], key[4])
        if key not in flows and reverse not in flows:
            here, there = Endpoint(NO_MAC, key[0], key[1]), Endpoint(NO_MAC, key[2], key[3])
            flows[key] = tape.flow(here, there, key[4], source["label"])
            flows[key].purity, flows[key].origin = source["purity"], source["path"].split("/")[-1]
        tape.add(time_us, frame, flows.get(key) or flows[reverse], key in flows)
        times.append(time_us)
    span = words_of_time(min(times)), words_of_time(max(times))
    return (*span, source["label"], source["purity"], len(times), source["repo"], source["path"])


def build(folder: Path, out: Path) -> None:
    """Write a capture, its flow labels and its time line for each hour of ``sources.csv``."""
    hours: dict[str, list[dict[str, str]]] = {}
    for source in sources():
        hours.setdefault(source["start"][:13], []).append(source)
    for hour, here in hours.items():
        tape = Tape()
        lines = [put_on(tape, source, folder) for source in here]
        until_us = int(datetime.fromisoformat(f"{hour}:00").replace(tzinfo=UTC).timestamp()) * US_PER_S + HOUR_US
        (out / f"{hour}.pcap.gz").write_bytes(gzip.compress(pcap(tape.cut(until_us)), 9, mtime=0))
        (out / f"{hour}.flows.csv").write_text(flows_csv(tape.flows))
        with (out / f"{hour}.timeline.csv").open("w", newline="") as text:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(TIMELINE_COLUMNS)
            writer.writerows(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the upstream files lie")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    build(arguments.folder, arguments.out)
