"""Who is there: the hosts of an office, its servers, and the servers it uses outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from random import Random

from weir.simulate.talk import MSS, Path
from weir.simulate.tape import BENIGN
from weir.simulate.wire import Endpoint

_ROUTER_MAC = bytes.fromhex("020000000001")
_EPHEMERAL = (32_768, 60_999)
_OUTSIDE_NETS = ("192.0.2.", "198.51.100.", "203.0.113.")  # kept for documentation by RFC 5737
_OUTSIDE_PER_NET = 120
_SERVERS = ("dns", "mail", "files", "web", "domain", "monitor", "backup", "log", "time", "printer", "phone", "build", "router")


@dataclass(slots=True)
class Host:
    """A machine: its addresses, its habits, and the next port it will use."""

    name: str
    mac: bytes
    ip4: bytes
    ip6: bytes
    ttl: int
    window: int
    has_timestamps: bool
    busy: float = 1.0
    rtt_us: int = 300
    us_per_segment: int = 60
    joins_packets: bool = False
    next_port: int = field(default=_EPHEMERAL[0])

    def endpoint(self, port: int = 0, *, is_v6: bool = False) -> Endpoint:
        """This machine on one port."""
        return Endpoint(self.mac, self.ip6 if is_v6 else self.ip4, port, self.ttl, self.window, self.has_timestamps)

    def fresh_port(self) -> int:
        """A client port that was not used for a long time."""
        self.next_port = self.next_port + 1 if self.next_port < _EPHEMERAL[1] else _EPHEMERAL[0]
        return self.next_port


@dataclass(frozen=True, slots=True)
class Office:
    """Clients and servers inside, servers outside in order of fame, and names for them."""

    clients: list[Host]
    servers: dict[str, Host]
    outside: list[Host]
    names: list[str]

    def famous(self, rng: Random) -> int:
        """Index of a server outside; the first are asked far more often (about as 1 / rank)."""
        return min(int(len(self.outside) ** rng.random()) - 1 + rng.randrange(2), len(self.outside) - 1)


def path(client: Host, server: Host, port: int, rng: Random, *, label: str = BENIGN, is_v6: bool = False) -> Path:
    """The way from a fresh client port to a server port; delays vary a little each time."""
    return Path(
        client.endpoint(client.fresh_port(), is_v6=is_v6),
        server.endpoint(port, is_v6=is_v6),
        rtt_us=max(int(server.rtt_us * rng.lognormvariate(0.0, 0.25)), 60),
        us_per_segment=max(int(server.us_per_segment * rng.lognormvariate(0.0, 0.4)), 12),
        loss=0.004 if server.rtt_us > 5_000 else 0.0005,
        label=label,
        segment=MSS * rng.choice((1, 2, 4, 12)) if client.joins_packets else MSS,
    )


def _host(name: str, number: int, ip4: str, ip6: str, rng: Random) -> Host:
    ttl, window, has_timestamps = rng.choice(
        ((64, 64_240, True), (64, 29_200, True), (128, 64_240, False), (128, 8_192, False), (64, 65_535, True))
    )
    mac = bytes((2, 0, 0x5E, 0, number >> 8 & 0xFF, number & 0xFF))
    host = Host(name, mac, ip_address(ip4).packed, ip_address(ip6).packed, ttl, window, has_timestamps)
    host.next_port = rng.randint(*_EPHEMERAL)
    return host


def _client(number: int, rng: Random) -> Host:
    host = _host(f"client{number}", 100 + number, f"10.20.{number // 200}.{10 + number % 200}", f"fd00:20::{number + 10:x}", rng)
    host.joins_packets = number % 10 == 7
    host.busy = min(rng.lognormvariate(0.0, 0.8), 6.0)
    return host


def stranger(number: int, rng: Random) -> Host:
    """A machine outside; far ones are slower. Numbers from 0 name the same address again."""
    net, last = divmod(number, 254)
    host = _host(f"outside{number}", 0, f"{_OUTSIDE_NETS[net % 3]}{last + 1}", f"2001:db8::{number + 1:x}", rng)
    host.mac = _ROUTER_MAC
    host.ttl = rng.randint(44, 60) if rng.random() < 0.8 else rng.randint(108, 120)
    host.rtt_us = int(rng.lognormvariate(9.9, 0.8))
    host.us_per_segment = int(rng.lognormvariate(5.6, 0.7))
    return host


def build(hosts: int, rng: Random) -> Office:
    """An office of ``hosts`` clients and a dozen servers; the same generator state gives the same office."""
    clients = [_client(number, rng) for number in range(hosts)]
    servers = {
        name: _host(name, 1 + index, f"10.20.100.{index + 2}", f"fd00:20:100::{index + 2:x}", rng)
        for index, name in enumerate(_SERVERS)
    }
    count = _OUTSIDE_PER_NET * len(_OUTSIDE_NETS)
    outside = [stranger(254 * (i % len(_OUTSIDE_NETS)) + i // len(_OUTSIDE_NETS), rng) for i in range(count)]
    syllables = ("ka", "lo", "mir", "ten", "ora", "shop", "news", "cdn", "api", "mail", "go", "ve", "data", "pix")
    names = ["".join(rng.choices(syllables, k=rng.randint(2, 3))) + rng.choice((".com", ".net", ".org", ".io")) for _ in outside]
    return Office(clients, servers, outside, names)
