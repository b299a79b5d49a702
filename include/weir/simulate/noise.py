"""What goes wrong, and what machines ask their neighbours."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from weir.simulate import messages
from weir.simulate.office import Host, path
from weir.simulate.scene import Scene, look_up
from weir.simulate.talk import Path, ask, filler, ping, tcp_refused, tcp_unanswered
from weir.simulate.wire import ETHERNET_BYTES, ICMP, ICMP6, IGMP, UDP, US_PER_S, Endpoint, Sender

_GROUPS = (
    ("01005e0000fb", "224.0.0.251", 5353),  # mDNS
    ("3333000000fb", "ff02::fb", 5353),
    ("01005e7ffffa", "239.255.255.250", 1900),  # SSDP
    ("01005e0000fc", "224.0.0.252", 5355),  # LLMNR
    ("333300010003", "ff02::1:3", 5355),
    ("ffffffffffff", "10.20.255.255", 137),  # NetBIOS names
)
_UNREACHABLE, _TIME_EXCEEDED = 3, 11  # ICMP types; RFC 792
_ROUTERS, _ROUTER, _NEIGHBOUR, _NEIGHBOUR_ANSWER, _LISTENER_REPORT = 133, 134, 135, 136, 143  # ICMPv6 types; RFC 4861, RFC 3810
_TRACEROUTE_PORT = 33_434
_QUOTED_BYTES = 28  # an ICMP error returns the IP header and 8 bytes of what caused it


def fail(scene: Scene, client: Host, at_us: int) -> None:
    """What does not work: a closed port, a dead server, a name that is not there."""
    rng, kind = scene.rng, scene.rng.randrange(4)
    site = scene.office.outside[rng.randrange(len(scene.office.outside))]
    way: Path = path(client, site, rng.choice((80, 443, 8080, 8443)), rng)
    if kind == 0:
        for again in range(scene.many(0.9, 12)):  # a program that does not give up
            way = path(client, site, way.server.port, rng)
            tcp_refused(scene.tape, way, at_us + again * US_PER_S, rng)
    elif kind == 1:
        tcp_unanswered(scene.tape, way, at_us, rng)
    elif kind == 2:
        tcp_unanswered(
            scene.tape,
            path(client, scene.office.clients[rng.randrange(len(scene.office.clients))], 445, rng),
            at_us,
            rng,
            tries=2,
        )
    else:
        look_up(scene, client, at_us, f"wpad{rng.randrange(30)}.office", None)


def call_neighbours(scene: Scene, client: Host, at_us: int) -> None:
    """Multicast and broadcast: who is there, what can you do."""
    rng = scene.rng
    mac, group, port = rng.choice(_GROUPS)
    is_v6 = ":" in group
    name = rng.choice(("_ipp._tcp.local", "_googlecast._tcp.local", "_airplay._tcp.local"))
    payload = messages.mdns(name) if port == 5353 else filler(rng.choice((50, 130, 300)), rng)
    here = client.endpoint(port if port == 5353 else client.fresh_port(), is_v6=is_v6)
    there = Endpoint(bytes.fromhex(mac), ip_address(group).packed, port, ttl=1)
    sender, flow = Sender(here, there, UDP), scene.tape.flow(here, there, UDP)
    gap_us = rng.choice((2, 30, 400, US_PER_S))  # some programs send all their copies at once
    for number in range(rng.randint(1, 4)):
        scene.tape.add(at_us + number * gap_us + rng.randint(0, 3) * (gap_us // 10), sender.udp(payload), flow)
    wanted = scene.office.servers[rng.choice(("files", "printer", "dns"))].endpoint().address
    scene.tape.add(at_us, messages.arp(client.mac, client.endpoint().address, wanted), None)


def join_group(scene: Scene, client: Host, at_us: int) -> None:
    """A host tells the router which multicast group it listens to."""
    group = scene.rng.choice(("224.0.0.251", "224.0.0.252", "239.255.255.250"))
    here = client.endpoint()
    flow = scene.tape.flow(here, Endpoint(b"", ip_address(group).packed), IGMP)
    for number in range(scene.rng.choice((1, 1, 2))):
        scene.tape.add(at_us + number * US_PER_S, messages.igmp(here.mac, here.address, group, False), flow)


def find_neighbours(scene: Scene, client: Host, at_us: int) -> None:
    """IPv6: whose address is this, and which groups do I listen to."""
    server = scene.office.servers[scene.rng.choice(("files", "dns", "domain", "printer"))]
    here, asked = replace(client.endpoint(is_v6=True), ttl=255), replace(server.endpoint(is_v6=True), ttl=255)
    group = Endpoint(b"\x33\x33\xff" + asked.ip[-3:], ip_address("ff02::1:ff00:0").packed[:13] + asked.ip[-3:])
    question = scene.tape.flow(here, group, ICMP6)
    for number in range(scene.rng.choice((1, 1, 1, 3))):
        frame = Sender(here, group, ICMP6).icmp(_NEIGHBOUR, 0, 0, asked.ip + b"\x01\x01" + here.mac)
        scene.tape.add(at_us + number * US_PER_S, frame, question)
    answer = scene.tape.flow(asked, here, ICMP6)
    frame = Sender(asked, here, ICMP6).icmp(_NEIGHBOUR_ANSWER, 0, 0x6000_0000, asked.ip + b"\x02\x01" + asked.mac)
    scene.tape.add(at_us + server.rtt_us, frame, answer)
    if scene.rng.random() < 0.5:
        report = b"\x04\x00\x00\x00" + group.ip
        _tell_group(scene, here, "ff02::16", _LISTENER_REPORT, 1, report, at_us + 900)
    if scene.rng.random() < 0.2:
        _tell_group(scene, here, "ff02::2", _ROUTERS, 0, b"\x01\x01" + here.mac, at_us + 1_500)


def advertise_router(scene: Scene, at_us: int) -> None:
    """The router says over IPv6 that it is there."""
    router = replace(scene.office.servers["router"].endpoint(is_v6=True), ttl=255)
    _tell_group(scene, router, "ff02::1", _ROUTER, 0x4000_0708, bytes(8) + b"\x01\x01" + router.mac, at_us)


def _tell_group(scene: Scene, here: Endpoint, group: str, kind: int, rest: int, payload: bytes, at_us: int) -> None:
    packed = ip_address(group).packed
    there = Endpoint(b"\x33\x33" + packed[-4:], packed)
    frame = Sender(here, there, ICMP6).icmp(kind, 0, rest, payload)
    scene.tape.add(at_us, frame, scene.tape.flow(here, there, ICMP6))


def knock_in_vain(scene: Scene, client: Host, at_us: int) -> None:
    """A UDP question to a closed port or along a route; the other side or a router says so by ICMP."""
    rng = scene.rng
    is_route = rng.random() < 0.3
    server = scene.office.servers["printer"] if rng.random() < 0.4 else scene.office.outside[rng.randrange(60)]
    kind, code = (_TIME_EXCEEDED, 0) if is_route else (_UNREACHABLE, rng.choice((3, 3, 3, 1, 10, 13)))
    teller = scene.office.outside[rng.randrange(60)] if is_route or code == 1 else server
    errors = scene.tape.flow(teller.endpoint(), client.endpoint(), ICMP)
    sender = Sender(teller.endpoint(), client.endpoint(), ICMP)
    for number in range(scene.many(1.0, 20)):
        port = _TRACEROUTE_PORT + number if is_route else rng.choice((137, 161, 443, 1900, 5351))
        way = path(client, server, port, rng)
        question = filler(rng.choice((32, 50, 120)), rng)
        ask(scene.tape, way, at_us, question, None)
        quoted = Sender(way.client, way.server, UDP).udp(question)[ETHERNET_BYTES:][:_QUOTED_BYTES]
        scene.tape.add(at_us + way.rtt_us, sender.icmp(kind, code, 0, quoted), errors)
        at_us += scene.pause(0.8)


def reach(scene: Scene, client: Host, at_us: int) -> None:
    """Somebody pings something."""
    site = scene.office.outside[scene.rng.randrange(20)]
    is_v6 = scene.rng.random() < 0.3
    way = Path(client.endpoint(is_v6=is_v6), site.endpoint(is_v6=is_v6), site.rtt_us)
    ping(scene.tape, way, at_us, scene.rng.choice((1, 4, 4, 10)), size=scene.rng.choice((32, 56)))
