import base64
import struct
import subprocess
from ipaddress import ip_address
from random import Random

import pytest

from weir.errors import SettingsError
from weir.packets import find, folder, spool
from weir.packets.find import Cost
from weir.packets.headers import ARP, ip_headers
from weir.packets.index import hash_address, may_hold
from weir.packets.query import Query
from weir.packets.records import unpack

START_US = 1_709_542_800_000_000
TCP, UDP = 6, 17


def packet(random: Random, pcaps, host: int, time_us: int):
    """A TCP, UDP or ICMP packet between one of 250 clients and one of 3 servers, either way, IPv4 or IPv6."""
    client, server = f"10.1.{host}.{host + 1}", f"192.0.2.{host % 3 + 1}"
    if host % 5 == 0:
        client, server = f"2001:db8::{host:x}", f"2001:db8:1::{host % 3 + 1:x}"
    ports = [20000 + host, (53, 80, 443)[host % 3]]
    sides = [ip_address(client).packed, ip_address(server).packed]
    if random.random() < 0.5:
        sides.reverse()
        ports.reverse()
    protocol = (TCP, UDP, 1)[random.randrange(3)]
    body = struct.pack(">HH", *ports) + random.randbytes(random.randrange(16, 900))
    if len(sides[0]) == 4:
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0) + b"".join(sides)
        frame = bytes(12) + b"\x08\x00" + ip + body
    else:
        frame = bytes(12) + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + b"".join(sides) + body
    return pcaps.Packet(time_us * 1000, frame)


@pytest.fixture
def segments(capture, write_pcap, pcaps):
    """Segments of mixed traffic in which each host speaks for a while, and the file they came from."""
    random = Random(11)
    packets = [packet(random, pcaps, (i // 12 + random.randrange(6)) % 250, START_US + i * 20_000) for i in range(3000)]
    source = write_pcap(packets)
    return source, capture("-r", source, "--rotate-bytes", 200_000).spool


def search(where, *queries):
    """The packets found, as records of a pcap, and what it took."""
    cost = Cost()
    found, cost.damaged = folder.segments([where])
    opened = find.open_segments(found, queries, cost)
    return b"".join(opened[0].form.record(one) for one in find.merged(opened, queries, cost)), cost


def by_tcpdump(source, *arguments):
    """The records that tcpdump takes, without the capture's header."""
    command = ["tcpdump", "-r", source, "-w", "-", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout[24:]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query(hosts=("10.1.77.78",)), "host 10.1.77.78"),
        (Query(hosts=("10.1.77.78", "192.0.2.3")), "host 10.1.77.78 and host 192.0.2.3"),
        (Query(hosts=("2001:db8::5f",)), "host 2001:db8::5f"),
        (Query(ports=(20077,)), "port 20077"),
        (Query(ports=(53,), protocol=UDP), "udp port 53"),
        (Query(protocol=TCP), "ip proto 6 or ip6 proto 6"),
        (Query(hosts=("10.1.77.78",), ports=(443,), protocol=TCP), "tcp port 443 and host 10.1.77.78"),
        (
            Query(ends=(("10.1.77.78", 20077), ("192.0.2.3", 443)), protocol=TCP),
            "tcp and ((src host 10.1.77.78 and src port 20077 and dst host 192.0.2.3 and dst port 443) or "
            "(dst host 10.1.77.78 and dst port 20077 and src host 192.0.2.3 and src port 443))",
        ),
        (Query(hosts=("203.0.113.9",)), "host 203.0.113.9"),
        (Query(), ""),
    ],
)
def test_what_is_found_is_what_tcpdump_finds(segments, query, text):
    source, where = segments
    found, cost = search(where, query)
    expected = by_tcpdump(source, *([text] if text else []))
    assert found == expected
    assert cost.packets == expected.count(bytes(12) + b"\x08\x00") + expected.count(bytes(12) + b"\x86\xdd")
    assert not cost.damaged


def test_several_queries_find_what_any_of_them_wants(segments):
    source, where = segments
    found, _ = search(where, Query(hosts=("10.1.77.78",)), Query(ports=(20012,), protocol=TCP), Query(hosts=("10.1.77.78",)))
    assert found == by_tcpdump(source, "host 10.1.77.78 or tcp port 20012")


def test_a_flow_one_way_is_half_of_it(segments):
    source, where = segments
    ends = (("10.1.77.78", 20077), ("192.0.2.3", 443))
    found, cost = search(where, Query(ends=ends, is_one_way=True))
    assert found == by_tcpdump(source, "src host 10.1.77.78 and src port 20077 and dst host 192.0.2.3 and dst port 443")
    back, _ = search(where, Query(ends=ends[::-1], is_one_way=True))
    both, _ = search(where, Query(ends=ends))
    assert cost.packets > 0
    assert len(found) + len(back) == len(both)


def test_a_host_that_spoke_for_a_while_costs_a_share_of_the_bytes(segments):
    _, cost = search(segments[1], Query(hosts=("10.1.77.78",)))
    assert cost.packets > 8
    assert cost.bytes_read < cost.bytes_stored / 2
    assert 0 < cost.frames_read < cost.frames
    assert cost.segments_read < cost.segments
    assert cost.bytes_stored == sum(path.stat().st_size for path in segments[1].glob("*.zst"))


def test_a_host_that_never_spoke_costs_next_to_nothing(segments):
    read = [search_cost(segments[1], Query(hosts=(f"198.51.100.{i}",))).bytes_read for i in range(60)]
    assert sum(share == 0 for share in read) > 50


def search_cost(where, query):
    cost = Cost()
    for _ in find.merged(find.open_segments(folder.segments([where])[0], [query], cost), [query], cost):
        pass
    return cost


def test_a_span_of_time_is_found_to_the_microsecond(segments):
    first, last = START_US + 1000 * 20_000, START_US + 1100 * 20_000
    _, cost = search(segments[1], Query(start_us=first, end_us=last))
    assert cost.packets == 101
    assert cost.bytes_read < cost.bytes_stored / 2
    _, cost = search(segments[1], Query(start_us=first + 1, end_us=last - 1))
    assert cost.packets == 99


def test_every_address_of_a_frame_is_in_its_index(segments, pcaps):
    for manifest, whole in map(spool.read, spool.sealed(segments[1])):
        for frame in manifest.frames:
            raw = unpack(whole[frame.offset : frame.offset + frame.length])
            _, packets = pcaps.read_pcap(pcaps.pcap_bytes([]) + raw)
            for one in packets:
                for header in ip_headers(1, one.data, len(one.data)):
                    assert may_hold(frame.hosts, header.source)
                    assert may_hold(frame.hosts, header.destination)


def test_frames_side_by_side_are_fetched_at_once(segments, monkeypatch):
    _, together = search(segments[1], Query())
    monkeypatch.setattr(find, "RUN_BYTES", 1)
    _, alone = search(segments[1], Query())
    assert together.fetches == 2 * together.segments
    assert alone.fetches == alone.frames + alone.segments
    assert together.bytes_read == alone.bytes_read == together.bytes_stored


def tunnelled(pcaps) -> dict[str, bytes]:
    """One UDP packet of 10.0.0.1 inside each kind of tunnel between 172.16.0.1 and 172.16.0.2."""
    inner = pcaps.ethernet(7)

    def outer(protocol: int, body: bytes, tag: bytes = b"") -> bytes:
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
        return bytes(12) + tag + b"\x08\x00" + ip + bytes([172, 16, 0, 1, 172, 16, 0, 2]) + body

    def udp(port: int, body: bytes) -> bytes:
        return struct.pack(">HHHH", 5000, port, 8 + len(body), 0) + body

    return {
        "vlan": bytes(12) + b"\x81\x00\x00\x05" + inner[12:],
        "qinq": bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x06" + inner[12:],
        "mpls": bytes(12) + b"\x88\x47\x00\x00\x10\xff\x00\x00\x21\xff"[:6] + b"\x00\x00\x11\xff" + inner[14:],
        "pppoe": bytes(12) + b"\x88\x64\x11\x00\x00\x01" + struct.pack(">H", len(inner) - 12) + b"\x00\x21" + inner[14:],
        "ipip": outer(4, inner[14:]),
        "gre": outer(47, b"\x00\x00\x08\x00" + inner[14:]),
        "gre with key": outer(47, b"\x20\x00\x08\x00\x00\x00\x00\x07" + inner[14:]),
        "bridged gre": outer(47, b"\x00\x00\x65\x58" + inner),
        "vxlan": outer(17, udp(4789, b"\x08\x00\x00\x00\x00\x00\x07\x00" + inner)),
        "geneve": outer(17, udp(6081, b"\x00\x00\x65\x58\x00\x00\x07\x00" + inner)),
        "gtp": outer(17, udp(2152, b"\x30\xff" + struct.pack(">HI", len(inner) - 14, 9) + inner[14:])),
    }


OUTER = bytes([172, 16, 0, 1])


def test_a_packet_inside_a_tunnel_is_found_by_its_own_addresses(capture, write_pcap, pcaps):
    frames = tunnelled(pcaps)
    source = write_pcap([pcaps.Packet(START_US * 1000 + i * 1000, frame) for i, frame in enumerate(frames.values())])
    where = capture("-r", source).spool

    def names(query: Query) -> set[str]:
        found, _ = search(where, query)
        return {name for name, frame in frames.items() if frame in found}

    assert names(Query(ends=(("10.0.0.1", 40000), ("10.0.0.2", 53)), protocol=UDP)) == set(frames)
    outermost = {name for name, frame in frames.items() if OUTER in frame}
    assert names(Query(hosts=("172.16.0.1",))) == outermost == set(frames) - {"vlan", "qinq", "mpls", "pppoe"}
    assert not names(Query(hosts=("172.16.0.1", "10.0.0.1")))  # of two headers


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vlan", "vlan and host 10.0.0.1"),
        ("qinq", "vlan and vlan and host 10.0.0.1"),
        ("mpls", "mpls and mpls and host 10.0.0.1"),
        ("pppoe", "pppoes and host 10.0.0.1"),
        ("ipip", "ip proto 4 and ip[32:4] = 0x0a000001"),
        ("gre", "ip proto 47 and ip[36:4] = 0x0a000001"),
        ("vxlan", "udp port 4789 and udp[42:4] = 0x0a000001"),
        ("geneve", "geneve and host 10.0.0.1"),
        ("gtp", "udp port 2152 and udp[28:4] = 0x0a000001"),
    ],
)
def test_inside_a_tunnel_what_is_found_is_what_tcpdump_finds_there(capture, write_pcap, pcaps, name, text):
    others = [pcaps.ethernet(i, source=f"10.0.1.{i}", to="10.0.0.9") for i in range(9)]
    frames = [*others, tunnelled(pcaps)[name], *others]
    source = write_pcap([pcaps.Packet(START_US * 1000 + i * 1000, frame) for i, frame in enumerate(frames)])
    found, cost = search(capture("-r", source).spool, Query(hosts=("10.0.0.1",)))
    assert found == by_tcpdump(source, text)
    assert cost.packets == 1


def arp(sender: int, target: int) -> bytes:
    who = bytes([0, 1, 8, 0, 6, 4, 0, 1]) + bytes(6) + bytes([10, 0, 0, sender]) + bytes(6) + bytes([10, 0, 0, target])
    return b"\xff" * 6 + bytes(6) + b"\x08\x06" + who + bytes(18)


def test_arp_is_found_by_the_addresses_it_speaks_of(capture, write_pcap, pcaps):
    frames = [arp(1, 2), arp(2, 1), arp(3, 2), pcaps.ethernet(0, source="10.0.0.1")]
    source = write_pcap([pcaps.Packet(START_US * 1000 + i * 1000, frame) for i, frame in enumerate(frames)])
    where = capture("-r", source).spool
    for query, text in (
        (Query(hosts=("10.0.0.1",)), "host 10.0.0.1"),
        (Query(hosts=("10.0.0.3",)), "host 10.0.0.3"),
        (Query(hosts=("10.0.0.1",), protocol=ARP), "arp host 10.0.0.1"),
        (Query(protocol=ARP), "arp"),
    ):
        assert search(where, query)[0] == by_tcpdump(source, text), text
    assert search(where, Query(hosts=("10.0.0.4",)))[1].bytes_read == 0


def test_a_packet_cut_anywhere_is_no_mistake(pcaps):
    for frame in [*tunnelled(pcaps).values(), pcaps.ethernet(), arp(1, 2)]:
        for size in range(len(frame)):
            list(ip_headers(1, frame[:size], len(frame)))


def test_random_bytes_are_no_mistake():
    random = Random(5)
    for link_type in (0, 1, 12, 101, 108, 113, 228, 229, 276, 999):
        for _ in range(300):
            list(ip_headers(link_type, random.randbytes(random.randrange(120)), random.randrange(2000)))


def test_what_is_no_address_is_refused(segments):
    with pytest.raises(SettingsError, match=r"'10\.0\.0' does not appear to be an IPv4 or IPv6 address"):
        search(segments[1], Query(hosts=("10.0.0",)))


def test_a_frame_without_index_may_hold_everything():
    assert may_hold(b"", b"\x0a\x00\x00\x01")


def test_the_index_of_the_manifest_page_is_as_described():
    filter_of_one = bytearray(8)
    for i in range(4):
        value = hash_address(bytes([10, 0, 0, 1]))
        place = ((value & 0xFFFFFFFF) + i * (value >> 32 | 1)) % 64
        filter_of_one[place // 8] |= 1 << place % 8
    assert may_hold(bytes(filter_of_one), bytes([10, 0, 0, 1]))
    assert not may_hold(bytes(8), bytes([10, 0, 0, 1]))
    assert base64.b64encode(bytes(8)) == b"AAAAAAAAAAA="
