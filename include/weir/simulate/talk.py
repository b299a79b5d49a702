"""Conversations: a whole TCP connection, UDP questions and answers, pings, as packets on a tape."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from weir.simulate.tape import BENIGN, Tape
from weir.simulate.wire import ACK, FIN, ICMP, ICMP6, PSH, RST, SYN, TCP, UDP, US_PER_S, Endpoint, Sender

MSS = 1_460
_SYN_OPTIONS = struct.pack("!BBH", 2, 4, MSS) + b"\x01\x03\x03\x07" + b"\x01\x01\x04\x02"  # MSS, window scale, SACK allowed
_TIMESTAMP_BYTES = 12
_FIRST_BURST, _LONGEST_BURST = 10, 64  # segments sent before waiting for an answer (RFC 6928: 10 at first)
_RETRANSMIT_US = 220_000
_SYN_RETRIES_US = (0, 1_000_000, 3_000_000)  # Linux and Windows ask again after 1 s and 2 s more
_FILLER = bytes(Random("weir filler").choices(b"etaoin shrdlu,0123456789<>/=\n", k=1 << 16))  # compressible, as text is

Ending = Literal["fin", "rst", "open"]


@dataclass(frozen=True, slots=True)
class Path:
    """Two endpoints and the way between them, seen from a sensor close to the client.

    ``segment`` is the largest TCP payload of a packet; where a network card joins packets before
    they are captured, it is several times what fits on the wire.
    """

    client: Endpoint
    server: Endpoint
    rtt_us: int = 20_000
    us_per_segment: int = 300
    loss: float = 0.002
    label: str = BENIGN
    segment: int = MSS


@dataclass(frozen=True, slots=True)
class Turn:
    """One side speaks: after ``pause_us`` it sends ``size`` bytes that begin with ``head``."""

    is_client: bool
    size: int
    pause_us: int = 0
    head: bytes = b""


def filler(size: int, rng: Random) -> bytes:
    """``size`` bytes that mean nothing."""
    start = rng.randrange(len(_FILLER) - 2_000)
    piece = _FILLER[start:]
    return (piece * (size // len(piece) + 1))[:size]


class Connection:
    """One TCP connection while it is being put on the tape; ``now_us`` is when it got to."""

    def __init__(self, tape: Tape, path: Path, at_us: int, rng: Random) -> None:
        self._tape, self._path, self._rng = tape, path, rng
        self._flow = tape.flow(path.client, path.server, TCP, path.label)
        self._senders = (Sender(path.server, path.client, TCP), Sender(path.client, path.server, TCP))
        self._next = [rng.getrandbits(32), rng.getrandbits(32)]  # sequence numbers: server, client
        self._has_timestamps = path.client.has_timestamps and path.server.has_timestamps
        self._clock = rng.getrandbits(31)
        self._burst = _FIRST_BURST
        self.now_us = at_us

    def _send(self, is_client: bool, flags: int, at_us: int, payload: bytes = b"", options: bytes | None = None) -> None:
        if options is None:
            options = self._timestamps(at_us) if self._has_timestamps else b""
        ack = self._next[not is_client] if flags & ACK else 0
        frame = self._senders[is_client].tcp(self._next[is_client], ack, flags, payload, options)
        self._tape.add(at_us, frame, self._flow, is_client)

    def _timestamps(self, at_us: int) -> bytes:
        value = (self._clock + at_us // 1_000) & 0xFFFF_FFFF
        return struct.pack("!BBBBII", 1, 1, 8, 10, value, (value - 7) & 0xFFFF_FFFF)

    def _advance(self, is_client: bool, count: int) -> None:
        self._next[is_client] = (self._next[is_client] + count) & 0xFFFF_FFFF

    def open(self) -> None:
        """Three packets: SYN, SYN and ACK, ACK."""
        self._send(True, SYN, self.now_us, options=_SYN_OPTIONS)
        self._advance(True, 1)
        self.now_us += self._path.rtt_us
        self._send(False, SYN | ACK, self.now_us, options=_SYN_OPTIONS)
        self._advance(False, 1)
        self.now_us += self._near_us()
        self._send(True, ACK, self.now_us)

    def _near_us(self) -> int:
        return self._rng.randint(40, 400)

    def say(self, turn: Turn) -> None:
        """Send the bytes of a turn in full segments, in bursts, acknowledged every second one."""
        self.now_us += turn.pause_us
        payload = turn.head + filler(max(turn.size - len(turn.head), 0), self._rng)
        mss = self._path.segment - _TIMESTAMP_BYTES * self._has_timestamps
        answer_us = self._path.rtt_us if turn.is_client else self._near_us()
        for number, start in enumerate(range(0, len(payload), mss), start=1):
            piece = payload[start : start + mss]
            is_last = start + mss >= len(payload)
            self._segment(turn.is_client, piece, is_last or number % self._burst == 0)
            if number % 2 == 0 or is_last:
                self._send(not turn.is_client, ACK, self.now_us + answer_us)
            if number % self._burst == 0 and not is_last:
                self.now_us += self._path.rtt_us
                self._burst = min(self._burst * 2, _LONGEST_BURST)
            self.now_us += self._path.us_per_segment
        self.now_us += answer_us

    def _segment(self, is_client: bool, piece: bytes, is_pushed: bool) -> None:
        flags = ACK | PSH if is_pushed else ACK
        self._send(is_client, flags, self.now_us, piece)
        if self._rng.random() < self._path.loss:
            self.now_us += _RETRANSMIT_US
            self._send(is_client, flags, self.now_us, piece)
        self._advance(is_client, len(piece))

    def close(self, ending: Ending, is_client_first: bool = True) -> None:
        """End it in order, at once, or leave it open."""
        if ending == "rst":
            self._send(is_client_first, RST | ACK, self.now_us, options=b"")
        elif ending == "fin":
            far_us = self._path.rtt_us
            self._send(is_client_first, FIN | ACK, self.now_us)
            self._advance(is_client_first, 1)
            self._send(not is_client_first, FIN | ACK, self.now_us + far_us)
            self._advance(not is_client_first, 1)
            self._send(is_client_first, ACK, self.now_us + far_us + self._near_us())


def tcp(tape: Tape, path: Path, at_us: int, turns: Iterable[Turn], rng: Random, ending: Ending = "fin") -> int:
    """A whole connection; returns when its last turn was over."""
    connection = Connection(tape, path, at_us, rng)
    connection.open()
    for turn in turns:
        connection.say(turn)
    connection.close(ending, is_client_first=rng.random() < 0.7)
    return connection.now_us


def tcp_refused(tape: Tape, path: Path, at_us: int, rng: Random) -> None:
    """A SYN that is answered with RST."""
    flow = tape.flow(path.client, path.server, TCP, path.label)
    seq = rng.getrandbits(32)
    tape.add(at_us, Sender(path.client, path.server, TCP).tcp(seq, 0, SYN, options=b"\x02\x04\x05\xb4"), flow)
    answer = Sender(replace(path.server, window=0), path.client, TCP).tcp(0, (seq + 1) & 0xFFFF_FFFF, RST | ACK)
    tape.add(at_us + path.rtt_us, answer, flow, is_forward=False)


def tcp_unanswered(tape: Tape, path: Path, at_us: int, rng: Random, tries: int = 3) -> None:
    """A SYN, and up to two more, into silence."""
    flow = tape.flow(path.client, path.server, TCP, path.label)
    sender, seq = Sender(path.client, path.server, TCP), rng.getrandbits(32)
    for later_us in _SYN_RETRIES_US[:tries]:
        tape.add(at_us + later_us, sender.tcp(seq, 0, SYN, options=b"\x02\x04\x05\xb4"), flow)


def udp(tape: Tape, path: Path, datagrams: Sequence[tuple[int, bool, bytes]]) -> None:
    """Datagrams as (time in us, from the client?, payload), in one flow."""
    flow = tape.flow(path.client, path.server, UDP, path.label)
    there, back = Sender(path.client, path.server, UDP), Sender(path.server, path.client, UDP)
    for at_us, is_client, payload in datagrams:
        tape.add(at_us, (there if is_client else back).udp(payload), flow, is_client)


def ask(tape: Tape, path: Path, at_us: int, question: bytes, answer: bytes | None) -> None:
    """One datagram and its answer, if any."""
    datagrams = [(at_us, True, question)]
    if answer is not None:
        datagrams.append((at_us + path.rtt_us, False, answer))
    udp(tape, path, datagrams)


def ping(
    tape: Tape, path: Path, at_us: int, count: int, *, every_us: int = US_PER_S, size: int = 56, is_answered: bool = True
) -> None:
    """Echo requests and replies, over ICMP or ICMPv6 as the addresses say."""
    is_v6 = len(path.client.ip) > 4
    protocol, (request, reply) = (ICMP6, (128, 129)) if is_v6 else (ICMP, (8, 0))
    flow = tape.flow(path.client, path.server, protocol, path.label)
    there, back = Sender(path.client, path.server, protocol), Sender(path.server, path.client, protocol)
    payload = bytes(index & 0xFF for index in range(size))
    mark = (path.client.ip[-1] << 8 | path.server.ip[-1]) << 16
    for number in range(count):
        sent_us = at_us + number * every_us
        tape.add(sent_us, there.icmp(request, 0, mark | (number & 0xFFFF), payload), flow)
        if is_answered:
            tape.add(sent_us + path.rtt_us, back.icmp(reply, 0, mark | (number & 0xFFFF), payload), flow, is_forward=False)
