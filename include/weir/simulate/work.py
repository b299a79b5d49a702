"""What people do at work besides the web: mail, files, shells, desktops, calls, printing."""

from __future__ import annotations

from dataclasses import replace

from weir.simulate import messages
from weir.simulate.office import Host, path
from weir.simulate.scene import US_PER_MS, Scene, tls_turns
from weir.simulate.talk import Turn, ask, filler, tcp, udp
from weir.simulate.wire import US_PER_S

_PEERS_MOST = 60  # addresses that a program which talks without a server in between tries in a minute


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
    talk = [Turn(index % 2 == 1, 0, rng.randint(20, 900) * US_PER_MS, word) for index, word in enumerate(words)]
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


def find_peers(scene: Scene, client: Host, at_us: int) -> None:
    """A call or game without a server in between: dozens of addresses are asked, most do not answer."""
    rng = scene.rng
    for number in range(scene.many(0.9, _PEERS_MOST) + 5):
        peer = replace(scene.office.outside[number % 40], ip4=bytes((198, 18, rng.randrange(4), rng.randrange(256))))
        way = path(client, peer, rng.randint(1_025, 65_000), rng)
        answer = filler(rng.randint(20, 300), rng) if rng.random() < 0.4 else None
        ask(scene.tape, way, at_us, filler(rng.randint(20, 120), rng), answer)
        at_us += scene.pause(0.4)


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
