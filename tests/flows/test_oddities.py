"""Header oddities and link layers, in packets that scapy makes: the counts are what is wrong by construction.

Scapy sums up every packet again, and so says by itself which checksums are wrong; link layers that it knows it takes apart again.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from scapy.config import conf
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from weir.flows.build import Flows

START_US = 1_772_442_000_000_000
MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
V4 = {"src": "10.0.0.1", "dst": "10.0.0.2"}
V6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}
DATA = Raw(b"some words of payload, more than any padding")
PORTS = {"sport": 40_000, "dport": 9_999}


def tcp(flags: str, payload: bytes = b"", **fields: int) -> Packet:
    """A TCP packet in Ethernet."""
    return Ether(**MACS) / IP(**V4) / TCP(**PORTS, flags=flags, **fields) / Raw(payload)


def udp(ip: Packet, **fields: int) -> Packet:
    """A UDP packet in Ethernet."""
    return Ether(**MACS) / ip / UDP(**PORTS, **fields) / DATA


ODD: dict[str, tuple[Packet, set[str]]] = {
    "a sound TCP packet": (tcp("PA", b"data"), set()),
    "a sound UDP packet": (udp(IP(**V4)), set()),
    "a sound UDP packet over IPv6": (udp(IPv6(**V6)), set()),
    "UDP without a checksum": (udp(IP(**V4), chksum=0), set()),
    "a sound ping": (Ether(**MACS) / IP(**V4) / ICMP() / DATA, set()),
    "a sound ping over IPv6": (Ether(**MACS) / IPv6(**V6) / ICMPv6EchoRequest(data=b"12345678"), set()),
    "a sound packet in a VLAN": (Ether(**MACS) / Dot1Q(vlan=7) / IP(**V4) / UDP(**PORTS) / DATA, set()),
    "a frame from a group": (Ether(src="01:00:5e:00:00:01", dst=MACS["dst"]) / IP(**V4) / UDP(**PORTS) / DATA, {"link_source"}),
    "a long trailer": (
        Ether(**MACS) / IP(**V4, len=20 + 8 + 8) / UDP(**PORTS, len=16) / DATA,
        {"link_trailer", "transport_checksum"},
    ),
    "a wrong IPv4 checksum": (udp(IP(**V4, chksum=0x1234)), {"network_checksum"}),
    "the reserved flag": (udp(IP(**V4, flags="evil")), {"network_reserved_flag"}),
    "no time to live": (udp(IP(**V4, ttl=0)), {"network_ttl"}),
    "no hop limit": (udp(IPv6(**V6, hlim=0)), {"network_ttl"}),
    "a group as source": (udp(IP(src="224.0.0.9", dst=V4["dst"])), {"network_address"}),
    "to its own source": (udp(IP(src=V4["src"], dst=V4["src"])), {"network_land"}),
    "a source route": (udp(IP(**V4, options=[IPOption_LSRR(routers=["10.0.0.9"])])), {"network_options"}),
    "a wrong TCP checksum": (tcp("A", chksum=0x4321), {"transport_checksum"}),
    "a wrong UDP checksum": (udp(IP(**V4), chksum=0x4321), {"transport_checksum"}),
    "a wrong UDP checksum over IPv6": (udp(IPv6(**V6), chksum=0x4321), {"transport_checksum"}),
    "a wrong ICMP checksum": (Ether(**MACS) / IP(**V4) / ICMP(chksum=0x4321) / DATA, {"transport_checksum"}),
    "TCP port 0": (Ether(**MACS) / IP(**V4) / TCP(sport=0, dport=80, flags="A"), {"transport_port"}),
    "reserved TCP bits": (tcp("A", reserved=4), {"transport_reserved"}),
    "no TCP flag": (tcp(""), {"transport_null"}),
    "FIN, PSH and URG": (tcp("FPU"), {"transport_xmas", "transport_fin_alone"}),
    "SYN and FIN": (tcp("SF"), {"transport_syn_fin", "transport_fin_alone"}),
    "SYN and RST": (tcp("SR"), {"transport_syn_rst"}),
    "FIN without ACK": (tcp("F"), {"transport_fin_alone"}),
    "data in a SYN": (tcp("S", b"early"), {"transport_syn_payload"}),
}


def odd_names(flows: Flows) -> set[str]:
    """Names of the oddities that were counted."""
    return {name.removeprefix("odd_") for name, number in flows.counts.items() if name.startswith("odd_") and number}


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_counted_by_name_and_nothing_else_is(
    what: str, tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows]
) -> None:
    packet, wanted = ODD[what]
    flows = flows_of(write_pcap(tmp_path / "odd.pcap", [(START_US, bytes(packet))]))
    assert flows.counts["accepted"] == 1
    assert odd_names(flows) == wanted
    row = flows.table.to_pylist()[0]
    for layer in ("link", "network", "transport"):
        assert row[f"odd_{layer}"] == int(any(name.startswith(layer) for name in wanted))


def summed_up_again(frame: bytes) -> bytes:
    """The same frame with the checksums that scapy computes."""
    packet = Ether(frame)
    for layer in (IP, TCP, UDP, ICMP):
        if layer in packet:
            del packet[layer].chksum
    return bytes(packet)


def test_a_checksum_is_odd_where_scapy_computes_another(
    tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows]
) -> None:
    random = Random(7)
    frames = []
    for number in range(400):
        kind = random.choice([TCP(**PORTS, flags="A"), UDP(**PORTS), ICMP()])
        frame = bytearray(bytes(Ether(**MACS) / IP(**V4, id=number) / kind / DATA))
        if random.random() < 0.5:
            frame[random.randrange(len(frame) - 20, len(frame))] ^= 1 << random.randrange(8)
        if random.random() < 0.5:
            frame[18] ^= 1 << random.randrange(8)  # the identification, which only the header's checksum covers
        frames.append(bytes(frame))
    again = [summed_up_again(frame) for frame in frames]
    network = sum(frame[24:26] != other[24:26] for frame, other in zip(frames, again, strict=True))
    transport = sum(frame[34:] != other[34:] for frame, other in zip(frames, again, strict=True))
    counts = flows_of(write_pcap(tmp_path / "sums.pcap", [(START_US + n, frame) for n, frame in enumerate(frames)])).counts
    assert 100 < network < 300
    assert 100 < transport < 300
    assert (counts["odd_network_checksum"], counts["odd_transport_checksum"]) == (network, transport)


INNER4 = IP(**V4) / UDP(**PORTS) / DATA
INNER6 = IPv6(**V6) / UDP(**PORTS) / DATA
ETHER_TYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
PPP_TYPE = {4: b"\x00\x21", 6: b"\x00\x57"}
AF_INET6_BSD = 30


def header(link: str, version: int) -> bytes:
    """What stands before IP, byte by byte as https://www.tcpdump.org/linktypes.html describes it."""
    ether, ppp, family = ETHER_TYPE[version], PPP_TYPE[version], 2 if version == 4 else AF_INET6_BSD
    linux_family = 2 if version == 4 else 10
    size = 28 + len(DATA) + (0 if version == 4 else 20)
    return {
        "null, little-endian": family.to_bytes(4, "little"),
        "null, big-endian": family.to_bytes(4, "big"),
        "ethernet": bytes(12) + ether,
        "ppp": b"\xff\x03" + ppp,
        "atm": b"\xaa\xaa\x03\x00\x00\x00" + ether,
        "raw of BSD": b"",
        "raw of OpenBSD": b"",
        "ppp in hdlc": b"\xff\x03" + ppp,
        "pppoe": b"\x11\x00\x00\x01" + (size + 2).to_bytes(2, "big") + ppp,
        "raw": b"",
        "cisco hdlc": b"\x0f\x00" + ether,
        "loop": family.to_bytes(4, "big"),
        "enc": family.to_bytes(4, "little") + bytes(8),
        "linux sll": b"\x00\x00\x00\x01\x00\x06" + bytes(8) + ether,
        "ppp with direction": b"\x01\x03" + ppp,
        "nflog": bytes([linux_family, 0, 0, 0]) + (4 + size).to_bytes(2, "little") + b"\x09\x00",
        "linux sll2": ether + bytes(18),
    }[link]


LINKS = {
    **{
        "null, little-endian": 0,
        "null, big-endian": 0,
        "ethernet": 1,
        "ppp": 9,
        "atm": 11,
        "raw of BSD": 12,
        "raw of OpenBSD": 14,
    },
    **{"ppp in hdlc": 50, "pppoe": 51, "raw": 101, "cisco hdlc": 104, "loop": 108, "enc": 109, "linux sll": 113},
    **{"ppp with direction": 166, "nflog": 239, "linux sll2": 276},
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("link", LINKS)
def test_the_packet_is_the_same_behind_every_link_layer(
    link: str, version: int, tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows]
) -> None:
    inner = INNER4 if version == 4 else INNER6
    frame = header(link, version) + bytes(inner)
    flows = flows_of(write_pcap(tmp_path / "link.pcap", [(START_US, frame)], LINKS[link]))
    assert flows.counts["accepted"] == 1
    assert odd_names(flows) == set()
    row = flows.table.to_pylist()[0]
    assert (row["src_ip"], row["dst_ip"]) == (inner.src, inner.dst)
    assert (row["src_port"], row["dst_port"], row["protocol"]) == (PORTS["sport"], PORTS["dport"], 17)
    assert (row["bytes_fwd"], row["payload_fwd"]) == (len(inner), len(DATA))


@pytest.mark.parametrize("link", ["ethernet", "raw", "linux sll", "linux sll2"])
def test_scapy_reads_these_link_headers_as_they_were_meant(link: str) -> None:
    again = conf.l2types.num2layer[LINKS[link]](header(link, 4) + bytes(INNER4))
    assert bytes(again[IP]) == bytes(INNER4)


@pytest.mark.parametrize("link", LINKS)
def test_a_link_header_cut_anywhere_is_set_aside_by_name(
    link: str, tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows]
) -> None:
    frame = header(link, 4) + bytes(INNER4)
    cuts = [(START_US + size, frame[:size]) for size in range(len(frame))]
    counts = flows_of(write_pcap(tmp_path / "cut.pcap", cuts, LINKS[link])).counts
    outcomes = {name: number for name, number in counts.items() if name != "read" and not name.startswith("odd_")}
    assert counts["read"] == len(cuts) == sum(outcomes.values())
    assert counts["zero_length"] == 1
    assert counts["accepted"] <= len(DATA)
