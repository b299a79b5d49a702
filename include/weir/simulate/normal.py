"""An ordinary day: what people and machines of an office do, one function for each habit.

A habit puts one session on the tape. Sizes and pauses are heavy-tailed, as measured traffic is
(Crovella and Bestavros 1997), so that what is normal is wide: large downloads, uploads of photos,
calls, long silent connections, failures. Much of it is as regular as a beacon and benign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from weir.simulate import messages
from weir.simulate.office import Host, Office, path
from weir.simulate.talk import Path, Turn, ask, filler, ping, tcp, tcp_refused, tcp_unanswered, udp
from weir.simulate.tape import Tape
from weir.simulate.wire import UDP, US_PER_S, Endpoint, Sender

_MS = 1_000
_MULTICAST = {
    "mdns": (b"\x01\x00\x5e\x00\x00\xfb", bytes((224, 0, 0, 251)), 5353),
    "ssdp": (b"\x01\x00\x5e\x7f\xff\xfa", bytes((239, 255, 255, 250)), 1900),
}
_BROADCAST = (b"\xff" * 6, bytes((10, 20, 255, 255)), 137)


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a habit takes place: the tape, the people, the dice, and how much is done."""

    tape: Tape
    office: Office
    rng: Random

    def size(self, median: float, spread: float, most: int) -> int:
        """Bytes, log-normal around a median, never above ``most``."""
        return min(int(self.rng.lognormvariate(0.0, spread) * median) + 1, most)

    def pause(self, mean_s: float) -> int:
        """Microseconds, exponential around a mean in seconds."""
        return int(self.rng.expovariate(1.0 / mean_s) * US_PER_S)


def look_up(scene: Scene, client: Host, at_us: int, name: str, address: str | None) -> int:
    """Ask the office's name server; returns when the answer came."""
    way, ident = path(client, scene.office.servers["dns"], 53, scene.rng), scene.rng.getrandbits(16)
    ask(scene.tape, way, at_us, messages.dns_question(name, ident), messages.dns_answer(name, ident, address))
    if scene.rng.random() < 0.5:
        six = path(client, scene.office.servers["dns"], 53, scene.rng)
        ask(
            scene.tape,
            six,
            at_us + 90,
            messages.dns_question(name, ident ^ 1, is_v6=True),
            messages.dns_answer(name, ident ^ 1, None, is_v6=True),
        )
    if scene.rng.random() < 0.3:  # not in the cache: the name server asks outside
        out = path(scene.office.servers["dns"], scene.office.outside[scene.rng.randrange(8)], 53, scene.rng)
        ask(scene.tape, out, at_us + 200, messages.dns_question(name, ident ^ 2), messages.dns_answer(name, ident ^ 2, address))
    return at_us + way.rtt_us


def tls_turns(scene: Scene, name: str, exchanges: int, median: int, most: int) -> list[Turn]:
    """What is said in a TLS connection: the handshake, then questions and answers of about ``median`` bytes."""
    rng = scene.rng
    turns = [
        Turn(True, 517, 200, messages.tls_hello(name, rng)),
        Turn(False, rng.randint(2_400, 5_200), 3_000, messages.TLS_SERVER_HELLO),
    ]
    turns.append(Turn(True, rng.randint(64, 126), 1_500, messages.TLS_DATA))
    for _ in range(exchanges):
        turns.append(Turn(True, scene.size(420, 0.7, 20_000), scene.pause(0.4), messages.TLS_DATA))
        turns.append(Turn(False, scene.size(median, 1.6, most), rng.randint(2, 120) * _MS, messages.TLS_DATA))
    return turns


def browse(scene: Scene, client: Host, at_us: int) -> None:
    """A page: a name, then one to four connections to it, TLS, plain HTTP or QUIC; rarely one is cut off."""
    rng, office = scene.rng, scene.office
    for _ in range(rng.randint(1, 3)):
        number = office.famous(rng)
        site, name = office.outside[number], office.names[number]
        start_us = look_up(scene, client, at_us, name, site.endpoint().address)
        if rng.random() < 0.18:
            _quic(scene, client, site, start_us)
            continue
        is_v6, is_plain = rng.random() < 0.2, rng.random() < 0.15
        for _ in range(rng.choice((1, 1, 2, 3))):
            way = path(client, site, 80 if is_plain else 443, rng, is_v6=is_v6)
            exchanges = rng.choice((1, 1, 1, 2, 3, 6))
            turns = _http_turns(scene, name, exchanges) if is_plain else tls_turns(scene, name, exchanges, 2_500, 1_500_000)
            ending = rng.choices(("fin", "rst", "open"), (80, 15, 5))[0]
            tcp(scene.tape, way, start_us + rng.randint(0, 20) * _MS, turns, rng, ending)  # type: ignore[arg-type]
        at_us += scene.pause(1.5)


def _http_turns(scene: Scene, name: str, exchanges: int) -> list[Turn]:
    turns = []
    for number in range(exchanges):
        size = scene.size(4_000, 1.5, 900_000)
        status = scene.rng.choices(("200 OK", "304 Not Modified", "404 Not Found"), (90, 7, 3))[0]
        turns.append(Turn(True, 0, scene.pause(0.3), messages.http_request(name, f"/page/{number}")))
        turns.append(Turn(False, size, scene.rng.randint(2, 90) * _MS, messages.http_answer(size, status)))
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


def mail(scene: Scene, client: Host, at_us: int) -> None:
    """Read the mailbox (IMAP in TLS), and sometimes send a mail (SMTP)."""
    rng, server = scene.rng, scene.office.servers["mail"]
    tcp(scene.tape, path(client, server, 993, rng), at_us, tls_turns(scene, "mail.office", rng.randint(2, 6), 900, 400_000), rng)
    if rng.random() < 0.35:
        turns = [
            Turn(False, 60, 500, b"220 mail.office ESMTP\r\n"),
            Turn(True, 22, 300, b"EHLO client.office\r\n"),
            Turn(False, 150, 300, b"250-mail.office\r\n"),
        ]
        turns += [
            Turn(True, 40, 900, b"MAIL FROM:<a@office>\r\n"),
            Turn(False, 8, 300, b"250 OK\r\n"),
            Turn(True, 6, 300, b"DATA\r\n"),
        ]
        turns += [
            Turn(True, scene.size(6_000, 1.6, 2_000_000), 900),
            Turn(False, 24, 4_000, b"250 queued\r\n"),
            Turn(True, 6, 300, b"QUIT\r\n"),
        ]
        tcp(scene.tape, path(client, server, 25, rng), at_us + scene.pause(20), turns, rng)


def share_files(scene: Scene, client: Host, at_us: int) -> None:
    """Open, read or write files on the file server (SMB), after a ticket from the domain server."""
    rng, servers = scene.rng, scene.office.servers
    ticket = [Turn(True, rng.randint(220, 1_600), 200, messages.KERBEROS), Turn(False, rng.randint(200, 1_600), 900)]
    tcp(scene.tape, path(client, servers["domain"], 88, rng), at_us, ticket, rng)
    tcp(
        scene.tape,
        path(client, servers["domain"], 389, rng),
        at_us + 9_000,
        [Turn(True, 300, 200, messages.LDAP), Turn(False, scene.size(900, 1, 40_000), 800)],
        rng,
    )
    turns = [
        Turn(True, 230, 300, messages.SMB2),
        Turn(False, 450, 600, messages.SMB2),
        Turn(True, 600, 400, messages.SMB2),
        Turn(False, 320, 500, messages.SMB2),
    ]
    for _ in range(rng.randint(2, 12)):
        is_write = rng.random() < 0.3
        turns.append(Turn(True, scene.size(6_000, 1.5, 800_000) if is_write else 180, scene.pause(2.0), messages.SMB2))
        turns.append(Turn(False, 180 if is_write else scene.size(3_000, 1.7, 900_000), 900, messages.SMB2))
    tcp(scene.tape, path(client, servers["files"], 445, rng), at_us + 30_000, turns, rng, rng.choice(("fin", "open", "rst")))


def shell(scene: Scene, client: Host, at_us: int) -> None:
    """Somebody types in an SSH session, or copies a file through one."""
    rng = scene.rng
    server = scene.office.servers["build"] if rng.random() < 0.6 else scene.office.outside[rng.randrange(30)]
    turns = [
        Turn(True, 21, 200, messages.SSH_BANNER),
        Turn(False, 21, 4_000, messages.SSH_BANNER),
        Turn(True, 1_500, 500),
        Turn(False, 1_100, 700),
    ]
    turns += [Turn(True, 48, 900), Turn(False, 440, 9_000), Turn(True, 96, 20_000), Turn(False, 52, 2_000)]
    if rng.random() < 0.3:
        turns.append(Turn(True, scene.size(120_000, 1.6, 3_000_000), 40_000))
    for _ in range(rng.randint(5, 60)):
        turns += [Turn(True, 36, scene.pause(1.2)), Turn(False, scene.size(80, 1.2, 20_000), 800)]
    tcp(scene.tape, path(client, server, 22, rng), at_us, turns, rng)


def mistype(scene: Scene, client: Host, at_us: int) -> None:
    """Somebody forgets a password: two or three short SSH logins that fail."""
    for attempt in range(scene.rng.randint(1, 3)):
        turns = [
            Turn(True, 21, 200, messages.SSH_BANNER),
            Turn(False, 21, 3_000, messages.SSH_BANNER),
            Turn(True, 1_500, 500),
            Turn(False, 1_100, 700),
        ]
        turns += [Turn(True, 48, 900), Turn(False, 440, 9_000), Turn(True, 130, scene.pause(4)), Turn(False, 52, 2_000_000)]
        tcp(
            scene.tape,
            path(client, scene.office.servers["build"], 22, scene.rng),
            at_us + attempt * 15 * US_PER_S,
            turns,
            scene.rng,
        )


def transfer(scene: Scene, client: Host, at_us: int) -> None:
    """FTP: talk on one connection, a file on another."""
    rng, server = scene.rng, scene.office.outside[scene.rng.randrange(40)]
    words = (
        b"220 ready\r\n",
        b"USER web\r\n",
        b"331 password\r\n",
        b"PASS secret\r\n",
        b"230 in\r\n",
        b"PASV\r\n",
        b"227 passive\r\n",
        b"RETR file\r\n",
        b"150 opening\r\n",
    )
    talk = [Turn(index % 2 == 1, 0, rng.randint(20, 900) * _MS, word) for index, word in enumerate(words)]
    end_us = tcp(scene.tape, path(client, server, 21, rng), at_us, talk, rng)
    tcp(
        scene.tape,
        path(client, server, rng.randint(30_000, 60_000), rng),
        end_us - 40_000,
        [Turn(rng.random() < 0.4, scene.size(40_000, 1.6, 2_000_000))],
        rng,
    )


def call(scene: Scene, client: Host, at_us: int) -> None:
    """A call: voice in both directions, 20 packets a second, through the phone server or outside."""
    rng = scene.rng
    server = scene.office.servers["phone"] if rng.random() < 0.5 else scene.office.outside[rng.randrange(12)]
    sip = path(client, scene.office.servers["phone"], 5060, rng)
    ask(scene.tape, sip, at_us, b"INVITE sip:office SIP/2.0\r\n" + filler(700, rng), b"SIP/2.0 200 OK\r\n" + filler(500, rng))
    voice = path(client, server, rng.randrange(10_000, 20_000, 2), rng)
    size, start_us = rng.choice((60, 160, 160, 320)), at_us + 2 * US_PER_S
    ticks = range(rng.randint(60, 600))
    both = [
        (start_us + tick * 50_000 + rng.randint(0, 4_000), is_client, messages.RTP + filler(size, rng))
        for tick in ticks
        for is_client in (True, False)
    ]
    udp(scene.tape, voice, sorted(both, key=lambda datagram: datagram[0]))


def wait_for_news(scene: Scene, client: Host, at_us: int) -> None:
    """A long connection with a little in it every half minute: chat, push messages."""
    rng, number = scene.rng, scene.office.famous(scene.rng)
    every_s = rng.choice((15, 30, 30, 45, 60))
    turns = tls_turns(scene, scene.office.names[number], 1, 900, 20_000)
    for _ in range(rng.randint(5, 40)):
        turns.append(Turn(True, rng.randint(30, 60), every_s * US_PER_S + rng.randint(0, 400) * _MS, messages.TLS_DATA))
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


def desktop(scene: Scene, client: Host, at_us: int) -> None:
    """A remote desktop: small strokes one way, pictures the other."""
    turns = [
        Turn(True, 47, 200, messages.RDP),
        Turn(False, 19, 900, messages.RDP),
        Turn(True, 1_400, 9_000),
        Turn(False, 2_600, 9_000),
    ]
    for _ in range(scene.rng.randint(20, 120)):
        turns += [Turn(True, scene.rng.randint(40, 120), scene.pause(0.8)), Turn(False, scene.size(1_800, 1.4, 120_000), 2_000)]
    tcp(scene.tape, path(client, scene.office.servers["build"], 3389, scene.rng), at_us, turns, scene.rng, "rst")


def print_out(scene: Scene, client: Host, at_us: int) -> None:
    """A document to the printer."""
    tcp(
        scene.tape,
        path(client, scene.office.servers["printer"], 9100, scene.rng),
        at_us,
        [Turn(True, scene.size(60_000, 1.1, 1_500_000), 900)],
        scene.rng,
    )


def fail(scene: Scene, client: Host, at_us: int) -> None:
    """What does not work: a closed port, a dead server, a name that is not there."""
    rng, kind = scene.rng, scene.rng.randrange(4)
    site = scene.office.outside[rng.randrange(len(scene.office.outside))]
    way: Path = path(client, site, rng.choice((80, 443, 8080, 8443)), rng)
    if kind == 0:
        tcp_refused(scene.tape, way, at_us, rng)
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


Habit = Callable[[Scene, Host, int], None]

HABITS: tuple[tuple[float, Habit], ...] = (
    (30, browse), (6, mail), (5, share_files), (4, call_neighbours), (3, wait_for_news), (3, fail), (1.5, shell), (1.5, reach),
    (1, upload), (1, transfer), (0.8, print_out), (0.7, desktop), (0.6, call), (0.4, mistype),
)  # fmt: skip
"""How often each habit is followed, relative to the others."""
