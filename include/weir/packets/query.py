"""What somebody looks for in captured packets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from itertools import permutations

from weir.errors import SettingsError
from weir.packets.community_id import community_id
from weir.packets.headers import Header, ip_headers


@dataclass(frozen=True)
class Query:
    """Which packets are wanted: those for which everything that is given here holds.

    Parameters
    ----------
    hosts : each must be source or destination
    ports : each must be source or destination port
    ends : each (address, port) must be a side of its own; two of them are a flow, either way. The port is
        None of protocols that have none
    protocol : IP protocol number, or ``headers.ARP``
    community_id : version 1, seed 0
    start_us, end_us : us, UTC, both inclusive
    is_one_way : the first of ``ends`` must be the source

    All that concerns addresses must hold for one header, the outermost or one in a tunnel. Raises
    SettingsError where an address is none.
    """

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    ends: tuple[tuple[str, int | None], ...] = ()
    protocol: int | None = None
    community_id: str | None = None
    start_us: int | None = None
    end_us: int | None = None
    is_one_way: bool = False

    def takes_time(self, first_us: int, last_us: int) -> bool:
        """Whether anything from ``first_us`` to ``last_us`` may be wanted."""
        return (self.start_us is None or last_us >= self.start_us) and (self.end_us is None or first_us <= self.end_us)

    def takes_header(self, header: Header) -> bool:
        """Whether this header has all that is asked for."""
        sides = ((header.source, header.source_port), (header.destination, header.destination_port))
        return (
            (self.protocol is None or header.protocol == self.protocol)
            and all(host in (header.source, header.destination) for host in self._hosts)
            and all(port in (header.source_port, header.destination_port) for port in self.ports)
            and self._takes_ends(sides)
            and (self.community_id is None or community_id(header) == self.community_id)
        )

    def _takes_ends(self, sides: Sequence[tuple[bytes, int | None]]) -> bool:
        if self.is_one_way:
            return tuple(sides[: len(self._ends)]) == self._ends
        return not self._ends or self._ends in permutations(sides, len(self._ends))

    @cached_property
    def addresses(self) -> frozenset[bytes]:
        """Every address named, as 4 or 16 bytes."""
        return frozenset((*self._hosts, *(host for host, _ in self._ends)))

    @cached_property
    def needs_header(self) -> bool:
        """Whether the time alone does not decide."""
        return bool(self.hosts or self.ports or self.ends or self.community_id) or self.protocol is not None

    @cached_property
    def _hosts(self) -> tuple[bytes, ...]:
        return tuple(_packed(text) for text in self.hosts)

    @cached_property
    def _ends(self) -> tuple[tuple[bytes, int | None], ...]:
        return tuple((_packed(text), port) for text, port in self.ends)


def takes(queries: Iterable[Query], link_type: int, time_us: int, data: bytes, wire_bytes: int) -> bool:
    """Whether one of the queries wants this packet, of whose ``wire_bytes`` ``data`` was captured."""
    near = [q for q in queries if q.takes_time(time_us, time_us) and all(address in data for address in q.addresses)]
    if any(not query.needs_header for query in near):
        return True
    headers = list(ip_headers(link_type, data, wire_bytes)) if near else []
    return any(query.takes_header(header) for query in near for header in headers)


def _packed(text: str) -> bytes:
    try:
        return ip_address(text).packed
    except ValueError as error:
        raise SettingsError(f"{error}; give an IPv4 or IPv6 address") from error
