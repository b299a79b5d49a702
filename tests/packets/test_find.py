import base64
import re
import struct
import subprocess
from ipaddress import ip_address
from random import Random

import pytest

from weir.errors import CaptureError, SettingsError
from weir.packets import find, spool
from weir.packets.find import Query

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
    run = capture("-r", source, "--rotate-bytes", 200_000)
    return source, [spool.read(path) for path in spool.sealed(run.spool)]


def search(segments, query):
    """Packets found, and the share of the bytes that had to be read."""
    _, sealed = segments
    packets = []
    bytes_read = 0
    for manifest, whole in sealed:
        found = find.find(manifest, query, lambda offset, length, whole=whole: whole[offset : offset + length])
        packets.append(found)
        bytes_read += found.bytes_read
    return packets, bytes_read / sum(manifest.file_bytes for manifest, _ in sealed)


def printed(capture_file, *arguments):
    command = ["tcpdump", "-n", "-S", "-tt", "-xx", "-r", "-", *arguments]
    return subprocess.run(command, input=capture_file, check=True, capture_output=True).stdout


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
    found, _ = search(segments, query)
    expected = printed(segments[0].read_bytes(), *([text] if text else []))
    assert b"".join(printed(one.capture) for one in found if one.packets) == expected
    assert sum(one.packets for one in found) == len(re.findall(rb"^\d", expected, re.MULTILINE))


def test_a_host_that_spoke_for_a_while_costs_a_share_of_the_bytes(segments):
    found, share = search(segments, Query(hosts=("10.1.77.78",)))
    assert sum(one.packets for one in found) > 8
    assert share < 0.5


def test_a_host_that_never_spoke_costs_next_to_nothing(segments):
    shares = [search(segments, Query(hosts=(f"198.51.100.{i}",)))[1] for i in range(60)]
    assert sum(share == 0 for share in shares) > 50


def test_a_span_of_time_is_found_to_the_microsecond(segments):
    first, last = START_US + 1000 * 20_000, START_US + 1100 * 20_000
    found, share = search(segments, Query(start_us=first, end_us=last))
    assert sum(one.packets for one in found) == 101
    assert share < 0.5
    found, _ = search(segments, Query(start_us=first + 1, end_us=last - 1))
    assert sum(one.packets for one in found) == 99


def test_every_address_of_a_frame_is_in_its_index(segments, pcaps):
    for manifest, whole in segments[1]:
        for frame in manifest.frames:
            raw = find._unpack(whole[frame.offset : frame.offset + frame.length], manifest, frame.offset)
            _, packets = pcaps.read_pcap(pcaps.pcap_bytes([]) + raw)
            for one in packets:
                for header in find.ip_headers(1, one.data):
                    assert find.may_hold(frame.hosts, header.source)
                    assert find.may_hold(frame.hosts, header.destination)


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


def test_a_packet_inside_a_tunnel_is_found_by_its_own_addresses(capture, write_pcap, pcaps):
    frames = tunnelled(pcaps)
    run = capture("-r", write_pcap([pcaps.Packet(START_US * 1000 + i, frame) for i, frame in enumerate(frames.values())]))
    (path,) = spool.sealed(run.spool)
    manifest, whole = spool.read(path)

    def packets(query: Query) -> set[str]:
        found = find.find(manifest, query, lambda offset, length: whole[offset : offset + length])
        times = {p.data for p in pcaps.read_pcap(found.capture)[1]} if found.packets else set()
        return {name for name, frame in frames.items() if frame in times}

    assert packets(Query(ends=(("10.0.0.1", 40000), ("10.0.0.2", 53)), protocol=UDP)) == set(frames)
    assert packets(Query(hosts=("172.16.0.1",))) == set(frames) - {"vlan", "qinq", "mpls", "pppoe"}


def test_a_packet_cut_anywhere_is_no_mistake(pcaps):
    for frame in [*tunnelled(pcaps).values(), pcaps.ethernet()]:
        for size in range(len(frame)):
            list(find.ip_headers(1, frame[:size]))


def test_random_bytes_are_no_mistake():
    random = Random(5)
    for link_type in (0, 1, 12, 101, 108, 113, 228, 229, 276, 999):
        for _ in range(300):
            list(find.ip_headers(link_type, random.randbytes(random.randrange(120))))


def test_frames_that_were_changed_are_refused(segments):
    manifest, whole = segments[1][0]
    with pytest.raises(CaptureError, match=r"pcap\.zst:\d+: "):
        find.find(manifest, Query(), lambda offset, length: whole[offset : offset + length - 1])
    with pytest.raises(CaptureError, match=r"pcap\.zst:0: "):
        find.find(manifest, Query(), lambda offset, length: whole[offset + 1 : offset + length])


def test_what_is_no_address_is_refused(segments):
    with pytest.raises(SettingsError, match=r"'10\.0\.0' does not appear to be an IPv4 or IPv6 address"):
        find.frames(segments[1][0][0], Query(hosts=("10.0.0",)))


def test_a_frame_without_index_may_hold_everything():
    assert find.may_hold(b"", b"\x0a\x00\x00\x01")


def test_the_index_of_the_manifest_page_is_as_described():
    filter_of_one = bytearray(8)
    for i in range(4):
        value = find.hash_address(bytes([10, 0, 0, 1]))
        place = ((value & 0xFFFFFFFF) + i * (value >> 32 | 1)) % 64
        filter_of_one[place // 8] |= 1 << place % 8
    assert find.may_hold(bytes(filter_of_one), bytes([10, 0, 0, 1]))
    assert not find.may_hold(bytes(8), bytes([10, 0, 0, 1]))
    assert base64.b64encode(bytes(8)) == b"AAAAAAAAAAA="
