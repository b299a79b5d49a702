"""What goes wrong, and what machines ask their neighbours."""

from __future__ import annotations

from weir.simulate import messages
from weir.simulate.office import Host, path
from weir.simulate.scene import Scene, look_up
from weir.simulate.talk import Path, filler, ping, tcp_refused, tcp_unanswered
from weir.simulate.wire import UDP, US_PER_S, Endpoint, Sender

_MULTICAST = {
    "mdns": (b"\x01\x00\x5e\x00\x00\xfb", bytes((224, 0, 0, 251)), 5353),
    "ssdp": (b"\x01\x00\x5e\x7f\xff\xfa", bytes((239, 255, 255, 250)), 1900),
}
_BROADCAST = (b"\xff" * 6, bytes((10, 20, 255, 255)), 137)


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
    mac, ip, port = rng.choice((*_MULTICAST.values(), _BROADCAST))
    name = rng.choice(("_ipp._tcp.local", "_googlecast._tcp.local", "_airplay._tcp.local"))
    payload = messages.mdns(name) if port == 5353 else filler(rng.choice((50, 130, 300)), rng)
    here, there = client.endpoint(port if port != 1900 else client.fresh_port()), Endpoint(mac, ip, port, ttl=1)
    sender, flow = Sender(here, there, UDP), scene.tape.flow(here, there, UDP)
    for number in range(rng.randint(1, 4)):
        scene.tape.add(at_us + number * US_PER_S + rng.randint(0, 9_000), sender.udp(payload), flow)
    wanted = scene.office.servers[rng.choice(("files", "printer", "dns"))].endpoint().address
    scene.tape.add(at_us, messages.arp(client.mac, client.endpoint().address, wanted), None)


def reach(scene: Scene, client: Host, at_us: int) -> None:
    """Somebody pings something."""
    site = scene.office.outside[scene.rng.randrange(20)]
    is_v6 = scene.rng.random() < 0.3
    way = Path(client.endpoint(is_v6=is_v6), site.endpoint(is_v6=is_v6), site.rtt_us)
    ping(scene.tape, way, at_us, scene.rng.choice((1, 4, 4, 10)), size=scene.rng.choice((32, 56)))
