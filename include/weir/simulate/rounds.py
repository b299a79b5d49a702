"""What machines do by the clock: time, names, monitoring, updates, telemetry, backups.

All of it is as regular as a beacon and benign, so that regularity alone does not look like an attack.
"""

from __future__ import annotations

from collections.abc import Iterator

from weir.simulate import messages
from weir.simulate.noise import advertise_router
from weir.simulate.office import Host, path
from weir.simulate.scene import Scene, look_up, tls_turns
from weir.simulate.talk import Path, Turn, ask, filler, ping, tcp, udp
from weir.simulate.wire import IGMP, US_PER_S, Endpoint

HOUR_S = 3_600
_NIGHT = range(1, 5)  # hours in which the large backup runs
_BROADCAST = Endpoint(b"\xff" * 6, bytes((255, 255, 255, 255)), 67)


def _every(scene: Scene, start_us: int, period_s: float, jitter: float) -> Iterator[int]:
    """Times within one hour, a period apart, each moved by a share of the period."""
    at_s = scene.rng.uniform(0, period_s)
    while at_s < HOUR_S:
        moved_s = abs(at_s + scene.rng.uniform(-jitter, jitter) * period_s / 2)
        yield start_us + int(min(moved_s, 2 * HOUR_S - moved_s) * US_PER_S)
        at_s += period_s


def client_rounds(scene: Scene, client: Host, number: int, start_us: int) -> None:
    """What one client's machine does by itself in an hour; which of it depends on its number."""
    rng, office = scene.rng, scene.office
    for at_us in _every(scene, start_us, 1_024, 0.02):
        ask(scene.tape, path(client, office.servers["time"], 123, rng), at_us, messages.ntp(True), messages.ntp(False))
    for at_us in _every(scene, start_us, 600 + 60 * (number % 5), 0.1):
        tcp(
            scene.tape, path(client, office.servers["mail"], 993, rng), at_us, tls_turns(scene, "mail.office", 2, 600, 8_000), rng
        )
    if number % 3 == 0:
        _telemetry(scene, client, number, start_us)
    if number % 2 == 0:
        for at_us in _every(scene, start_us, 1_800, 0.05):
            _renew_address(scene, client, at_us)
    for at_us in _every(scene, start_us, HOUR_S, 0.5):
        site = 10 + number % 3
        look_up(scene, client, at_us, office.names[site], office.outside[site].endpoint().address)
        turns = tls_turns(scene, office.names[site], 2, 6_000, 900_000)
        tcp(scene.tape, path(client, office.outside[site], 443, rng), at_us + 50_000, turns, rng)


def _telemetry(scene: Scene, client: Host, number: int, start_us: int) -> None:
    """The same few bytes to a well known service, every one to five minutes."""
    site = number % 4
    for at_us in _every(scene, start_us, (60, 120, 300, 300)[number % 4], 0.1):
        turns = tls_turns(scene, scene.office.names[site], 1, 300, 900)
        tcp(scene.tape, path(client, scene.office.outside[site], 443, scene.rng), at_us, turns, scene.rng)


def _renew_address(scene: Scene, client: Host, at_us: int) -> None:
    mac, here = client.mac, client.endpoint(68)
    way = Path(here, scene.office.servers["domain"].endpoint(67), 900)
    if scene.rng.random() < 0.2:
        udp(scene.tape, Path(here, _BROADCAST, 900), [(at_us, True, messages.dhcp(mac, here.address, True))])
    else:
        ask(scene.tape, way, at_us, messages.dhcp(mac, here.address, True), messages.dhcp(mac, here.address, False))


def site_rounds(scene: Scene, hour_of_day: int, start_us: int) -> None:
    """What the servers do in an hour."""
    servers, rng = scene.office.servers, scene.rng
    for at_us in _every(scene, start_us, 300, 0.01):
        for name, server in servers.items():
            if name != "monitor":
                _watch(scene, server, at_us + rng.randint(0, 9 * US_PER_S))
    router = servers["router"].endpoint()
    listeners = scene.tape.flow(router, Endpoint(b"", bytes((224, 0, 0, 1))), IGMP)
    for at_us in _every(scene, start_us, 125, 0.01):
        scene.tape.add(at_us, messages.igmp(router.mac, router.address, messages.ALL_HOSTS, True), listeners)
    for at_us in _every(scene, start_us, 450, 0.3):
        advertise_router(scene, at_us)
    for at_us in _every(scene, start_us, 60, 0.01):
        health = [
            Turn(True, 0, 200, messages.http_request("web.office", "/health")),
            Turn(False, 180, 900, messages.http_answer(2)),
        ]
        tcp(scene.tape, path(servers["monitor"], servers["web"], 80, rng), at_us, health, rng)
    for name in ("dns", "mail", "files", "web", "build"):
        lines = [
            (at_us, True, b"<30>" + filler(rng.randint(80, 300), rng))
            for at_us in _every(scene, start_us, rng.uniform(20, 120), 1.0)
        ]
        udp(scene.tape, path(servers[name], servers["log"], 514, rng), sorted(lines))
    _back_up(scene, hour_of_day in _NIGHT, start_us + 600 * US_PER_S)


def _watch(scene: Scene, server: Host, at_us: int) -> None:
    monitor = scene.office.servers["monitor"]
    ping(scene.tape, Path(monitor.endpoint(), server.endpoint(), 300), at_us, 2)
    ask(
        scene.tape,
        path(monitor, server, 161, scene.rng),
        at_us + 40_000,
        messages.SNMP_GET,
        messages.SNMP_GET + filler(30, scene.rng),
    )


def _back_up(scene: Scene, is_night: bool, at_us: int) -> None:
    servers, rng = scene.office.servers, scene.rng
    for name in ("files", "mail", "build"):
        size = scene.size(2_000_000 if is_night else 100_000, 0.5, 8_000_000)
        turns = [Turn(True, 300, 200), Turn(False, 900, 900), Turn(True, size, 4_000), Turn(False, 60, 90_000)]
        tcp(scene.tape, path(servers[name], servers["backup"], 873, rng), at_us, turns, rng)
        at_us += 240 * US_PER_S
