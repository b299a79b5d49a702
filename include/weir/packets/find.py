"""Finding the packets of a host, a flow or a time again, without reading whole segments.

The manifest says for each zstd frame which times it spans and, as a Bloom filter, which addresses
occur in it. Only frames that may hold what is wanted are fetched; a packet outside them cannot match.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import permutations
from typing import NamedTuple

from weir.errors import CaptureError, SettingsError
from weir.packets.headers import Header, ip_headers
from weir.packets.manifest import FRAME_BYTES, Frame, Manifest

INDEX_HASHES = 4
"""Bits of a frame's filter that each address sets."""

_PCAP_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_NANOSECONDS = 0xA1B23C4D
_64 = (1 << 64) - 1


@dataclass(frozen=True)
class Query:
    """Which packets are wanted: those for which everything that is given here holds.

    Parameters
    ----------
    hosts : each must be source or destination
    ports : each must be source or destination port
    ends : each (address, port) must be a side of its own; two of them are a flow, either way
    protocol : IP protocol number
    start_us, end_us : us, UTC, both inclusive

    All that concerns addresses must hold for one IP header, the outermost or one in a tunnel.
    """

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    ends: tuple[tuple[str, int], ...] = ()
    protocol: int | None = None
    start_us: int | None = None
    end_us: int | None = None

    def addresses(self) -> set[bytes]:
        """Every address named, as 4 or 16 bytes; SettingsError where one is none."""
        try:
            return {ip_address(text).packed for text in (*self.hosts, *(host for host, _ in self.ends))}
        except ValueError as error:
            raise SettingsError(f"{error}; give an IPv4 or IPv6 address") from error

    def takes_time(self, first_us: int, last_us: int) -> bool:
        """Whether anything from ``first_us`` to ``last_us`` may be wanted."""
        return (self.start_us is None or last_us >= self.start_us) and (self.end_us is None or first_us <= self.end_us)

    def takes_header(self, header: Header) -> bool:
        """Whether this IP header has all that is asked for."""
        sides = ((header.source, header.source_port), (header.destination, header.destination_port))
        ends = [(ip_address(host).packed, port) for host, port in self.ends]
        return (
            (self.protocol is None or header.protocol == self.protocol)
            and all(ip_address(host).packed in (header.source, header.destination) for host in self.hosts)
            and all(port in (header.source_port, header.destination_port) for port in self.ports)
            and (not ends or any(list(chosen) == ends for chosen in permutations(sides, len(ends))))
        )

    @property
    def needs_header(self) -> bool:
        """Whether the time alone does not decide."""
        return bool(self.hosts or self.ports or self.ends) or self.protocol is not None


class Found(NamedTuple):
    """What was found in one segment: a whole pcap file, and what it cost to find it."""

    capture: bytes
    packets: int
    frames_read: int
    bytes_read: int


def frames(manifest: Manifest, query: Query) -> list[Frame]:
    """The frames of a segment that may hold what is wanted."""
    wanted = query.addresses()
    return [
        frame
        for frame in manifest.frames
        if query.takes_time(frame.first_us, frame.last_us) and all(may_hold(frame.hosts, address) for address in wanted)
    ]


def find(manifest: Manifest, query: Query, fetch: Callable[[int, int], bytes]) -> Found:
    """The wanted packets of one segment, in the order they were captured.

    ``fetch(offset, length)`` gives bytes of the segment file; it is asked for the header and for
    the frames of :func:`frames` only. Raises CaptureError where they are not what the manifest says.
    """
    chosen = frames(manifest, query)
    if not chosen:
        return Found(b"", 0, 0, 0)
    header = _unpack(fetch(0, manifest.frames[0].offset), manifest, 0)
    if len(header) != _PCAP_HEADER.size:
        raise CaptureError(f"{manifest.file}:0: does not begin with a capture header; was it changed?")
    records: list[bytes] = []
    for frame in chosen:
        raw = _unpack(fetch(frame.offset, frame.length), manifest, frame.offset)
        records.extend(_matching(raw, manifest, frame, query, _PCAP_HEADER.unpack(header)[0]))
    read = manifest.frames[0].offset + sum(frame.length for frame in chosen)
    return Found(header + b"".join(records), len(records), len(chosen), read)


def may_hold(hosts: bytes, address: bytes) -> bool:
    """Whether a frame's Bloom filter may contain an address of 4 or 16 bytes; an empty filter may."""
    bits = len(hosts) * 8
    value = hash_address(address)
    low, step = value & 0xFFFFFFFF, (value >> 32) | 1
    places = [((low + i * step) & _64) % bits for i in range(INDEX_HASHES)] if bits else []
    return all(hosts[place // 8] >> place % 8 & 1 for place in places)


def hash_address(address: bytes) -> int:
    """FNV-1a, then the finaliser of MurmurHash3, as the sensor does it; 64 bits."""
    value = 0xCBF29CE484222325
    for byte in address:
        value = (value ^ byte) * 0x100000001B3 & _64
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _64
    return max(value ^ value >> 33, 1)


def _unpack(packed: bytes, manifest: Manifest, offset: int) -> bytes:
    import pyarrow as pa

    try:
        raw: bytes = pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read(FRAME_BYTES + 1)
    except OSError as error:
        raise CaptureError(f"{manifest.file}:{offset}: is no whole zstd frame ({error}); fetch it again") from error
    if len(raw) > FRAME_BYTES:
        raise CaptureError(f"{manifest.file}:{offset}: unpacks to more than {FRAME_BYTES} bytes; no sensor made it")
    return raw


def _matching(raw: bytes, manifest: Manifest, frame: Frame, query: Query, magic: int) -> Iterator[bytes]:
    tick = 1000 if magic == _NANOSECONDS else 1
    needles = query.addresses()
    at = 0
    while at < len(raw):
        if at + _RECORD.size > len(raw) or at + _RECORD.size + _RECORD.unpack_from(raw, at)[2] > len(raw):
            raise CaptureError(f"{manifest.file}:{frame.offset}: a record runs past the end of its frame; was it changed?")
        seconds, fraction, captured, _ = _RECORD.unpack_from(raw, at)
        data = raw[at + _RECORD.size : at + _RECORD.size + captured]
        time_us = seconds * 1_000_000 + fraction // tick
        if query.takes_time(time_us, time_us) and all(needle in data for needle in needles):
            headers = ip_headers(manifest.link_type, data) if query.needs_header else ()
            if not query.needs_header or any(map(query.takes_header, headers)):
                yield raw[at : at + _RECORD.size + captured]
        at += _RECORD.size + captured
