"""Makes tests/golden/flows.pcap and flows.csv: `.venv/bin/python tests/golden/flows.py`; read the diff.

The capture holds one small conversation of each kind, so that every number in flows.csv can be
checked by hand. Times are microseconds after START_US.
"""

import csv
import io
import struct
from pathlib import Path
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

HERE = Path(__file__).parent
START_US = 1_772_442_000_000_000  # 2026-03-02 09:00 UTC
CLIENT, SERVER, OTHER = "192.0.2.10", "198.51.100.20", "203.0.113.30"
CLIENT6, SERVER6 = "2001:db8::10", "2001:db8::20"
WEB = {"sport": 40_000, "dport": 443}
ANSWER = {"sport": 443, "dport": 40_000}


def ethernet(packet: Packet) -> Packet:
    """In a frame between two fixed cards."""
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet


def web(time: int, flags: str, size: int, sequence: int, is_answer: bool = False, window: int = 1000) -> tuple[int, Packet]:
    """One packet of the web conversation, with ``size`` bytes of payload."""
    ends = IP(src=SERVER, dst=CLIENT) if is_answer else IP(src=CLIENT, dst=SERVER)
    ports = ANSWER if is_answer else WEB
    return time, ethernet(ends / TCP(flags=flags, seq=sequence, window=window, **ports) / Raw(b"x" * size))


def packets() -> list[tuple[int, Packet]]:
    """All packets in order of time."""
    inner = ethernet(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5000, dport=5001) / Raw(b"v" * 20))
    first, second = fragment(IP(src=CLIENT, dst=OTHER, id=7) / UDP(sport=6000, dport=6001) / Raw(b"f" * 1_200), fragsize=800)
    listed = [
        # a web conversation: handshake, request, four data packets in a row (a bulk; the third before the second),
        # the request once more, a full buffer, a pause of 6 s, both FINs
        web(0, "S", 0, 100, window=64_240),
        web(10_000, "SA", 0, 500, is_answer=True, window=65_160),
        web(20_000, "A", 0, 101),
        web(30_000, "PA", 100, 101),
        *(web(40_000 + 1_000 * i, "A", 1_000, 501 + 1_000 * nth, is_answer=True) for i, nth in enumerate((0, 2, 1, 3))),
        web(45_000, "PA", 100, 101),
        web(50_000, "A", 0, 201, window=0),
        web(6_050_000, "FA", 0, 201),
        web(6_060_000, "FA", 0, 4_501, is_answer=True, window=512),
        web(6_070_000, "A", 0, 202),
        # the same ports again: a new connection, refused
        web(7_000_000, "S", 0, 900),
        web(7_000_500, "RA", 0, 0, is_answer=True, window=0),
        # one packet of each other kind
        (8_000_000, ethernet(IP(src=CLIENT, dst=SERVER) / UDP(sport=5353, dport=53) / Raw(b"q" * 30))),
        (8_020_000, ethernet(IP(src=SERVER, dst=CLIENT) / UDP(sport=53, dport=5353) / Raw(b"a" * 90))),
        (8_100_000, ethernet(IP(src=CLIENT, dst=SERVER) / ICMP(type=8, code=0) / Raw(b"p" * 56))),
        (8_110_000, ethernet(IP(src=SERVER, dst=CLIENT) / ICMP(type=0, code=0) / Raw(b"p" * 56))),
        (8_200_000, ethernet(ARP(psrc=CLIENT, pdst=SERVER))),
        (8_300_000, Ether() / Dot1Q(vlan=7) / IP(src=CLIENT, dst=OTHER) / UDP(sport=1, dport=2) / Raw(b"v" * 10)),
        (8_400_000, ethernet(IP(src=CLIENT, dst=SERVER) / UDP(sport=50_000, dport=4789) / VXLAN(vni=9, flags=8) / inner)),
        (8_500_000, ethernet(IP(src=CLIENT, dst=SERVER) / GRE() / IP(src="10.1.0.1", dst="10.1.0.2") / TCP(sport=7, dport=8))),
        (8_600_000, ethernet(first)),
        (8_601_000, ethernet(second)),
        (8_700_000, ethernet(IPv6(src=CLIENT6, dst=SERVER6) / IPv6ExtHdrHopByHop() / UDP(sport=9, dport=10) / Raw(b"h" * 5))),
        (8_800_000, ethernet(IP(src=CLIENT, dst=OTHER) / SCTP(sport=11, dport=12) / Raw(b"s" * 16))),
        (8_900_000, ethernet(IP(src=CLIENT, dst=OTHER, proto=89) / Raw(b"o" * 24))),
    ]
    for _, packet in listed:
        packet.src, packet.dst = "02:00:00:00:00:01", "02:00:00:00:00:02"
    return listed


def capture() -> bytes:
    """The capture as a classic pcap in microseconds."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)]
    for time, packet in packets():
        seconds, micros = divmod(START_US + time, 1_000_000)
        data = bytes(packet)
        out.append(struct.pack("<IIII", seconds, micros, len(data), len(data)) + data)
    return b"".join(out)


def table(rows: list[dict[str, Any]]) -> str:
    """One line per column, one field per flow."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for name in rows[0]:
        writer.writerow([name, *(row[name] for row in rows)])
    return out.getvalue()


def main() -> None:
    """Write both files."""
    from weir.flows.build import build
    from weir.settings import FlowSettings

    pcap = HERE / "flows.pcap"
    pcap.write_bytes(capture())
    rows = build([pcap], FlowSettings()).table.to_pylist()
    (HERE / "flows.csv").write_text("# made by: .venv/bin/python tests/golden/flows.py\n" + table(rows))


if __name__ == "__main__":
    main()
