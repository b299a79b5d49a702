"""Attacks and failures, one function each. Each puts labelled packets on the tape and nothing else.

They follow what the tools do: nmap's SYN scan, hydra's logins, iodine's names, a beacon that calls
home with jitter (MITRE ATT&CK T1046, T1110, T1071, T1048, T1498, T1021, T1595).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from weir.simulate import messages
from weir.simulate.office import Host, Office, path, stranger
from weir.simulate.scene import Scene, tls_turns
from weir.simulate.talk import Path, Turn, ask, filler, ping, tcp, tcp_refused, tcp_unanswered, udp
from weir.simulate.tape import Tape
from weir.simulate.wire import SYN, TCP, US_PER_S, Sender

_MS = 1_000
_STRANGERS_FROM = 200  # outside addresses from here on belong to nobody the office uses
_COMMON_PORTS = (21, 22, 23, 25, 53, 80, 110, 111, 135, 139, 143, 443, 445, 993, 1433, 3306, 3389, 5432, 5900, 8080)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an attack is given: where, whose dice, which label, when, and its number among all."""

    tape: Tape
    office: Office
    rng: Random
    label: str
    at_us: int
    end_us: int
    number: int

    def intruder(self) -> Host:
        """A machine outside that the office does not know."""
        return stranger(_STRANGERS_FROM + 3 * self.number, Random(f"intruder/{self.number}"))

    def victim(self) -> Host:
        """A client of the office that is no longer its user's own."""
        return self.office.clients[(7 * self.number + 3) % len(self.office.clients)]

    def way(self, source: Host, target: Host, port: int) -> Path:
        """A labelled way from a fresh port of the source."""
        return path(source, target, port, self.rng, label=self.label)

    def times(self, mean_gap_s: float, most_s: float) -> list[int]:
        """Times from the start on, exponential gaps, for at most so many seconds."""
        at_us, times = self.at_us, []
        while at_us < min(self.at_us + int(most_s * US_PER_S), self.end_us):
            times.append(at_us)
            at_us += int(self.rng.expovariate(1.0 / mean_gap_s) * US_PER_S) + 1
        return times


Attack = Callable[[Plan], None]


def portscan(plan: Plan) -> None:
    """One client probes 1,000 ports of one server in half a minute; few are open."""
    ports = plan.rng.sample(range(1, 10_000), 980) + list(_COMMON_PORTS)
    plan.rng.shuffle(ports)
    source, target, at_us = plan.victim(), plan.office.servers["files"], plan.at_us
    for port in ports:
        if port in (445, 139):
            tcp(plan.tape, plan.way(source, target, port), at_us, (), plan.rng, "rst")
        else:
            tcp_refused(plan.tape, plan.way(source, target, port), at_us, plan.rng)
        at_us += int(plan.rng.expovariate(1 / 0.03) * US_PER_S)


def host_sweep(plan: Plan) -> None:
    """One client looks for port 445 on 250 addresses; most are not there."""
    source = plan.victim()
    for number, at_us in enumerate(plan.times(0.25, 90)):
        target = replace(plan.office.servers["files"], ip4=bytes((10, 20, 7, 1 + number % 254)))
        (tcp_unanswered if plan.rng.random() < 0.9 else tcp_refused)(plan.tape, plan.way(source, target, 445), at_us, plan.rng)


def slow_scan(plan: Plan) -> None:
    """One probe every 20 s or so, over ports and hosts, for an hour and a half at most."""
    source = plan.victim()
    for number, at_us in enumerate(plan.times(20, 5_400)):
        target = replace(plan.office.servers["web"], ip4=bytes((10, 20, 8, 1 + number * 7 % 254)))
        tcp_unanswered(plan.tape, plan.way(source, target, plan.rng.choice(_COMMON_PORTS)), at_us, plan.rng, tries=1)


def _flood_of_syns(plan: Plan, sources: list[Host], count: int) -> None:
    target, at_us = plan.office.servers["web"].endpoint(80), plan.at_us
    for _ in range(count):
        source = plan.rng.choice(sources).endpoint(plan.rng.randint(1_024, 65_535))
        flow = plan.tape.flow(source, target, TCP, plan.label)
        plan.tape.add(at_us, Sender(source, target, TCP).tcp(plan.rng.getrandbits(32), 0, SYN), flow)
        at_us += int(plan.rng.expovariate(1 / 0.008) * US_PER_S)


def syn_flood(plan: Plan) -> None:
    """5,000 SYNs from one address to the web server, never completed."""
    _flood_of_syns(plan, [plan.intruder()], 5_000)


def ddos(plan: Plan) -> None:
    """5,000 SYNs from 200 addresses to the web server, never completed."""
    _flood_of_syns(plan, [stranger(_STRANGERS_FROM + 100 + n, plan.rng) for n in range(200)], 5_000)


def udp_flood(plan: Plan) -> None:
    """4,000 datagrams to random ports of one server in 20 s."""
    source, target = plan.intruder(), plan.office.servers["mail"]
    for _ in range(40):
        way = plan.way(source, target, plan.rng.randint(1, 65_535))
        start_us = plan.at_us + plan.rng.randint(0, 18 * US_PER_S)
        udp(plan.tape, way, [(start_us + tick * 5 * _MS, True, filler(512, plan.rng)) for tick in range(100)])


def icmp_flood(plan: Plan) -> None:
    """3,000 pings in 30 s: each is ordinary, together they are not."""
    source, target = plan.intruder(), plan.office.servers["web"]
    way = Path(source.endpoint(), target.endpoint(), 400, label=plan.label)
    ping(plan.tape, way, plan.at_us, 3_000, every_us=10 * _MS, size=56)


def brute_force_ssh(plan: Plan) -> None:
    """A hundred and fifty SSH logins, four at a time, all refused after the password."""
    source, target = plan.intruder(), plan.office.servers["build"]
    for at_us in plan.times(1.2, 180):
        turns = [Turn(True, 24, 200, b"SSH-2.0-libssh2_1.10.0\r\n"), Turn(False, 21, 3_000, messages.SSH_BANNER)]
        turns += [Turn(True, 1_000, 500), Turn(False, 1_100, 700), Turn(True, 48, 900), Turn(False, 440, 9_000)]
        turns += [Turn(True, 116, 30_000), Turn(False, 52, 1_900 * _MS)]
        tcp(plan.tape, plan.way(source, target, 22), at_us, turns, plan.rng)


def brute_force_ftp(plan: Plan) -> None:
    """Six passwords in each of 60 FTP connections."""
    source, target = plan.intruder(), plan.office.servers["files"]
    for at_us in plan.times(2.0, 120):
        turns = [Turn(False, 0, 500, b"220 ready\r\n")]
        for _ in range(6):
            turns += [Turn(True, 0, 2_000, b"USER admin\r\n"), Turn(False, 0, 900, b"331 password\r\n")]
            turns += [
                Turn(True, 0, 2_000, b"PASS %06d\r\n" % plan.rng.randrange(10**6)),
                Turn(False, 0, 500 * _MS, b"530 wrong\r\n"),
            ]
        tcp(plan.tape, plan.way(source, target, 21), at_us, turns, plan.rng)


def beacon(plan: Plan) -> None:
    """A client calls a server nobody else uses, every minute with 5 % jitter, for up to three hours."""
    source, target = plan.victim(), plan.intruder()
    at_us, until_us = plan.at_us, min(plan.at_us + 3 * 3_600 * US_PER_S, plan.end_us)
    scene = Scene(plan.tape, plan.office, plan.rng)
    while at_us < until_us:
        turns = [
            *tls_turns(scene, "c2.example", 0, 300, 400),
            Turn(True, 260, 900, messages.TLS_DATA),
            Turn(False, 180, 9_000, messages.TLS_DATA),
        ]
        tcp(plan.tape, plan.way(source, target, 443), at_us, turns, plan.rng)
        at_us += int(60 * US_PER_S * plan.rng.uniform(0.95, 1.05))


def dns_tunnel(plan: Plan) -> None:
    """Data in the names of 1,500 questions for one domain, through the office's name server."""
    source, alphabet = plan.victim(), "abcdefghijklmnopqrstuvwxyz0123456789"
    template, marker = messages.dns_question(f"{'x' * 50}.{'x' * 50}.t.example.org", 0), b"x" * 50
    for at_us in plan.times(0.12, 180):
        name = "".join(plan.rng.choices(alphabet, k=50)).encode()
        question = plan.rng.randbytes(2) + template[2:].replace(marker, name)
        answer = question[:2] + b"\x81\x80" + question[4:] + filler(plan.rng.randint(60, 180), plan.rng)
        ask(plan.tape, plan.way(source, plan.office.servers["dns"], 53), at_us, question, answer)


def icmp_tunnel(plan: Plan) -> None:
    """Data in the payload of pings to a stranger, both ways, for five minutes."""
    source, target = plan.victim().endpoint(), plan.intruder().endpoint()
    way = Path(source, target, 30 * _MS, label=plan.label)
    for part in range(12):
        ping(plan.tape, way, plan.at_us + part * 25 * US_PER_S, 60, every_us=200 * _MS, size=plan.rng.choice((900, 1_200, 1_024)))


def exfiltration(plan: Plan) -> None:
    """Twenty-four megabytes leave for a stranger, in eight uploads."""
    source, target, at_us = plan.victim(), plan.intruder(), plan.at_us
    scene = Scene(plan.tape, plan.office, plan.rng)
    for _ in range(8):
        turns = [
            *tls_turns(scene, "files.example", 0, 300, 400),
            Turn(True, 3_000_000, 900, messages.TLS_DATA),
            Turn(False, 200, 9_000),
        ]
        at_us = tcp(plan.tape, plan.way(source, target, 443), at_us, turns, plan.rng) + 4 * US_PER_S


def web_scan(plan: Plan) -> None:
    """Six hundred requests for pages that are not there, one connection each."""
    source, target = plan.intruder(), plan.office.servers["web"]
    for number, at_us in enumerate(plan.times(0.15, 90)):
        request = messages.http_request(
            "web.office", f"/cgi-bin/{number}.php?id=1%27%20or%201=1", plan.rng.choice(("GET", "POST"))
        )
        turns = [Turn(True, 0, 200, request), Turn(False, 400, 900, messages.http_answer(180, "404 Not Found"))]
        tcp(plan.tape, plan.way(source, target, 80), at_us, turns, plan.rng)


def worm(plan: Plan) -> None:
    """An infected client tries port 445 of everybody, and sends itself to those who answer."""
    source, clients = plan.victim(), plan.office.clients
    for number, at_us in enumerate(plan.times(0.4, 150)):
        if plan.rng.random() < 0.06:
            turns = [
                Turn(True, 140, 300, messages.SMB2),
                Turn(False, 200, 600, messages.SMB2),
                Turn(True, 90_000, 900, messages.SMB2),
                Turn(False, 90, 900),
            ]
            tcp(plan.tape, plan.way(source, clients[number % len(clients)], 445), at_us, turns, plan.rng, "rst")
        else:
            target = replace(clients[0], ip4=plan.rng.randbytes(4) if number % 2 else bytes((10, 20, 9, 1 + number % 254)))
            tcp_unanswered(plan.tape, plan.way(source, target, 445), at_us, plan.rng, tries=2)


def outage(plan: Plan) -> None:
    """Not an attack: the file server dies, and everybody knocks in vain for ten minutes."""
    for client in plan.office.clients:
        for _ in range(6):
            at_us = plan.at_us + plan.rng.randint(0, 600 * US_PER_S)
            tcp_unanswered(plan.tape, plan.way(client, plan.office.servers["files"], 445), at_us, plan.rng)


ATTACKS: dict[str, Attack] = {
    "portscan": portscan, "host-sweep": host_sweep, "slow-scan": slow_scan,
    "dos-syn-flood": syn_flood, "ddos": ddos, "dos-udp-flood": udp_flood, "dos-icmp-flood": icmp_flood,
    "bruteforce-ssh": brute_force_ssh, "bruteforce-ftp": brute_force_ftp,
    "c2-beacon": beacon, "dns-tunnel": dns_tunnel, "icmp-tunnel": icmp_tunnel, "exfiltration": exfiltration,
    "web-scan": web_scan, "worm-smb": worm, "outage": outage,
}  # fmt: skip
"""What can be simulated, by label."""
