"""What people do in the web: pages, uploads, long connections that wait, programs that ask one service again and again."""

from __future__ import annotations

from weir.simulate import messages
from weir.simulate.office import Host, path
from weir.simulate.scene import US_PER_MS, Scene, look_up, tls_turns
from weir.simulate.talk import Turn, filler, tcp, udp
from weir.simulate.wire import US_PER_S

_SITES_MOST = 24  # a page with advertisements asks two dozen servers


def browse(scene: Scene, client: Host, at_us: int) -> None:
    """A page: for each of its servers a name, then connections in TLS, plain HTTP or QUIC; rarely one is cut off."""
    rng, office = scene.rng, scene.office
    for _ in range(scene.many(1.0, _SITES_MOST)):
        number = office.famous(rng)
        site, name = office.outside[number], office.names[number]
        start_us = look_up(scene, client, at_us, name, site.endpoint().address)
        if rng.random() < 0.18:
            _quic(scene, client, site, start_us)
            continue
        is_v6, is_plain = rng.random() < 0.2, rng.random() < 0.15
        for _ in range(rng.choice((1, 1, 1, 2))):
            way = path(client, site, 80 if is_plain else 443, rng, is_v6=is_v6)
            exchanges = rng.choice((1, 1, 1, 2, 3, 6))
            turns = _http_turns(scene, name, exchanges) if is_plain else tls_turns(scene, name, exchanges, 1_800, 1_500_000)
            ending = rng.choices(("fin", "rst", "open"), (80, 15, 5))[0]
            tcp(scene.tape, way, start_us + rng.randint(0, 20) * US_PER_MS, turns, rng, ending)  # type: ignore[arg-type]
        at_us += scene.pause(0.5)


def _http_turns(scene: Scene, name: str, exchanges: int) -> list[Turn]:
    turns = []
    for number in range(exchanges):
        size = scene.size(4_000, 1.5, 900_000)
        status = scene.rng.choices(("200 OK", "304 Not Modified", "404 Not Found"), (90, 7, 3))[0]
        turns.append(Turn(True, 0, scene.pause(0.3), messages.http_request(name, f"/page/{number}")))
        turns.append(Turn(False, size, scene.rng.randint(2, 90) * US_PER_MS, messages.http_answer(size, status)))
    return turns


def _quic(scene: Scene, client: Host, site: Host, at_us: int) -> None:
    rng, way = scene.rng, path(client, site, 443, scene.rng)
    datagrams = [
        (at_us, True, messages.QUIC_INITIAL + filler(1_200, rng)),
        (at_us + way.rtt_us, False, messages.QUIC_INITIAL + filler(1_194, rng)),
    ]
    now_us = at_us + way.rtt_us
    for _ in range(rng.randint(1, 4)):
        now_us += scene.pause(0.5)
        datagrams.append((now_us, True, messages.QUIC_DATA + filler(scene.size(150, 0.8, 1_200), rng)))
        now_us += way.rtt_us
        for number in range(scene.size(6_000, 1.3, 250_000) // 1_250 + 1):
            now_us += way.us_per_segment
            datagrams.append((now_us, False, messages.QUIC_DATA + filler(rng.choice((1_250, 1_250, 1_250, 640)), rng)))
            if number % 3 == 2:
                datagrams.append((now_us + 100, True, messages.QUIC_DATA + filler(32, rng)))
    udp(scene.tape, way, datagrams)


def prefetch(scene: Scene, client: Host, at_us: int) -> None:
    """A browser looks up the names on a page before anybody clicks: up to twenty names in a second."""
    for _ in range(scene.many(0.9, 16) + 3):
        number = scene.rng.randrange(len(scene.office.names))
        look_up(scene, client, at_us, scene.office.names[number], scene.office.outside[number].endpoint().address)
        at_us += scene.pause(0.06)


def call_service(scene: Scene, client: Host, at_us: int) -> None:
    """A program asks one service again and again, with a new connection each time: up to twenty a minute."""
    rng, number = scene.rng, scene.rng.randrange(30)
    inside = rng.random() < 0.5
    server = scene.office.servers["web"] if inside else scene.office.outside[number]
    name = "web.office" if inside else scene.office.names[number]
    for _ in range(scene.many(0.8, 16) + 3):
        turns = _http_turns(scene, name, 1) if inside else tls_turns(scene, name, 1, 900, 60_000)
        tcp(scene.tape, path(client, server, 80 if inside else 443, rng), at_us, turns, rng)
        at_us += scene.pause(1.2)


def wait_for_news(scene: Scene, client: Host, at_us: int) -> None:
    """A long connection with a little in it every half minute: chat, push messages."""
    rng, number = scene.rng, scene.office.famous(scene.rng)
    every_s = rng.choice((15, 30, 30, 45, 60))
    turns = tls_turns(scene, scene.office.names[number], 1, 900, 20_000)
    for _ in range(rng.randint(5, 40)):
        turns.append(Turn(True, rng.randint(30, 60), every_s * US_PER_S + rng.randint(0, 400) * US_PER_MS, messages.TLS_DATA))
        turns.append(Turn(False, scene.size(60, 0.9, 6_000), 3_000, messages.TLS_DATA))
    tcp(scene.tape, path(client, scene.office.outside[number], 443, rng), at_us, turns, rng, "open")


def upload(scene: Scene, client: Host, at_us: int) -> None:
    """Photos or documents go to a service outside."""
    rng, number = scene.rng, scene.rng.randrange(10)
    turns = tls_turns(scene, scene.office.names[number], 1, 900, 20_000)
    turns += [
        Turn(True, scene.size(120_000, 1.3, 4_000_000), 20_000, messages.TLS_DATA),
        Turn(False, 320, 30_000, messages.TLS_DATA),
    ]
    tcp(scene.tape, path(client, scene.office.outside[number], 443, rng), at_us, turns, rng)
