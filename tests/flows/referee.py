"""The definitions of schema.FLOWS a second time: slowly, plainly, and with other tools.

Scapy takes the packets apart, flows are lists of packets, and statistics come from the standard
library. It shares no code and no algorithm with the C++ core, so where both agree, both read the
definitions in docs/referees.md alike. It knows what the tests need: Ethernet and raw IP, VLAN,
MPLS, PPPoE, GRE, VXLAN, GENEVE, IP in IP; no Teredo, no GTP-U, no broken packets.
"""

import base64
import functools
import hashlib
import ipaddress
import itertools
import operator
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scapy.contrib import geneve, mpls  # noqa: F401  (they register themselves)
from scapy.layers import ppp  # noqa: F401
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Padding
from scapy.utils import RawPcapReader

US_PER_S = 1_000_000
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
FLAGS = {"fin": FIN, "syn": SYN, "rst": RST, "psh": PSH, "ack": ACK, "urg": URG, "cwr": CWR, "ece": ECE}
HEADERS = {17: 8, 132: 12, 1: 8, 58: 8}
ACTIVITY_PAUSE_US = 5 * US_PER_S
BULK_PAUSE_US = US_PER_S
BULK_PACKETS = 4


@dataclass(frozen=True)
class Seen:
    """One packet as the flow table needs it."""

    time_us: int
    offset: int
    source: tuple[str, int]
    destination: tuple[str, int]
    protocol: int
    version: int
    ip_bytes: int
    header: int
    payload: int
    flags: int = 0
    window: int = 0
    sequence: int = 0
    icmp: tuple[int, int] = (-1, -1)


@dataclass
class Flow:
    """A flow being gathered; times are never earlier than those before them."""

    packets: list[Seen] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    is_forward: list[bool] = field(default_factory=list)
    before: Any = None  # the Flow that this one goes on with, behind the active timeout
    sent: dict[bool, Any] = field(default_factory=dict)  # by the forward side or not: what the row says of it

    def add(self, packet: Seen) -> None:
        """Append a packet."""
        self.packets.append(packet)
        self.times.append(max([packet.time_us, *self.times[-1:]]))
        self.is_forward.append(packet.source == self.ends[0])

    @property
    def ends(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Who spoke first, before any timeout, and to whom."""
        return self.before.ends if self.before else (self.packets[0].source, self.packets[0].destination)

    @property
    def opening(self) -> Seen:
        """The first packet or, where that is of the other side, what the record before says of it."""
        return self.packets[0] if self.is_forward[0] or not self.before else self.before.opening

    def is_closed(self) -> bool:
        """Whether TCP ended: an RST, or FINs of both sides."""
        if self.packets[0].protocol != 6:
            return False
        fins = {forward for packet, forward in zip(self.packets, self.is_forward, strict=True) if packet.flags & FIN}
        return len(fins) == 2 or any(packet.flags & RST for packet in self.packets)


def read(path: Path) -> Iterator[Seen]:
    """All packets of a classic pcap that have IP inside, in its order."""
    offset = 24
    with RawPcapReader(str(path)) as reader:
        first = Ether if reader.linktype == 1 else IP
        for data, meta in reader:
            packet = see(first(data), meta.sec * US_PER_S + meta.usec // (1_000 if reader.nano else 1), offset)
            offset += 16 + len(data)
            if packet is not None:
                yield packet


def see(frame: Packet, time_us: int, offset: int) -> Seen | None:
    """The innermost IP packet of a frame; None without one."""
    inner = innermost(frame)
    if inner is None:
        return None
    return see_v4(inner, time_us, offset) if isinstance(inner, IP) else see_v6(inner, time_us, offset)


def innermost(frame: Packet) -> Packet | None:
    """The last IP header that stands before any error message or padding."""
    found = None
    layer = frame
    while layer and not isinstance(layer, (Padding, IPerror)):
        if isinstance(layer, (IP, IPv6)):
            found = layer
        if isinstance(layer, ICMP) or type(layer).__name__.startswith("ICMPv6"):
            break  # what it quotes is no packet of its own
        if isinstance(layer, UDP) and layer.dport != 4789 and layer.payload.haslayer(VXLAN):
            break
        layer = layer.payload
    return found


def see_v4(ip: IP, time_us: int, offset: int) -> Seen:
    """An IPv4 packet that is no fragment."""
    is_fragment = bool(ip.flags.MF) or ip.frag > 0
    assert not is_fragment, "the referee knows no fragments"
    return seen(ip, ip.proto, 4, ip.len, ip.len - 4 * ip.ihl, ip.payload, time_us, offset)


def see_v6(ip: IPv6, time_us: int, offset: int) -> Seen:
    """An IPv6 packet; extension headers are passed, fragments unknown."""
    protocol, rest, left = ip.nh, ip.payload, ip.plen
    while type(rest).__name__.startswith("IPv6ExtHdr"):
        assert not isinstance(rest, IPv6ExtHdrFragment), "the referee knows no fragments"
        left -= 8 * (rest.len + 1)
        protocol, rest = rest.nh, rest.payload
    return seen(ip, protocol, 6, 40 + ip.plen, left, rest, time_us, offset)


def seen(ip: Packet, protocol: int, version: int, ip_bytes: int, left: int, rest: Packet, time_us: int, offset: int) -> Seen:
    """What stands behind the IP headers: ``left`` bytes of transport header and payload."""
    ports = (rest.sport, rest.dport) if isinstance(rest, (TCP, UDP, SCTP)) else (0, 0)
    header = 4 * rest.dataofs if isinstance(rest, TCP) else min(HEADERS.get(protocol, 0), left)
    raw = bytes(rest)
    return Seen(
        time_us,
        offset,
        (ip.src, ports[0]),
        (ip.dst, ports[1]),
        protocol,
        version,
        ip_bytes,
        header,
        left - header,
        flags=int(rest.flags) if isinstance(rest, TCP) else 0,
        window=rest.window if isinstance(rest, TCP) else 0,
        sequence=rest.seq if isinstance(rest, TCP) else 0,
        icmp=(raw[0], raw[1]) if protocol in (1, 58) else (-1, -1),
    )


def flows(packets: Iterable[Seen], idle_us: int, active_us: int) -> list[dict[str, Any]]:
    """Rows of schema.FLOWS but for flow_id and segment_index; idle and forced ends are not told apart."""
    live: dict[Any, Flow] = {}
    ended: list[Flow] = []
    now = -1
    for packet in packets:
        now = packet.time_us if packet.time_us > now or packet.time_us < now - 3_600 * US_PER_S else now
        key = (frozenset([packet.source, packet.destination]), packet.protocol, packet.version)
        flow = live.get(key)
        if flow is not None and is_over(flow, packet, now, idle_us, active_us):
            ended.append(live.pop(key))
            if goes_on(flow, packet, now, idle_us):
                live[key] = Flow(before=flow)
        live.setdefault(key, Flow()).add(packet)
    return [row(flow) for flow in [*ended, *live.values()]]


def is_over(flow: Flow, packet: Seen, now: int, idle_us: int, active_us: int) -> bool:
    """Whether a packet comes too late for the flow, or opens a new connection after its end."""
    return not goes_on(flow, packet, now, idle_us) or packet.time_us - flow.times[0] > active_us


def goes_on(flow: Flow, packet: Seen, now: int, idle_us: int) -> bool:
    """Whether a packet belongs to the same conversation, be it to another record of it."""
    opens_anew = flow.is_closed() and packet.flags & (SYN | ACK) == SYN
    return now <= flow.times[-1] + idle_us and not opens_anew


def row(flow: Flow) -> dict[str, Any]:
    """All columns of one flow."""
    first = flow.packets[0]
    source, destination = flow.ends
    forward = [p for p, is_fwd in zip(flow.packets, flow.is_forward, strict=True) if is_fwd]
    backward = [p for p, is_fwd in zip(flow.packets, flow.is_forward, strict=True) if not is_fwd]
    times = {
        "iat": flow.times,
        "iat_fwd": [t for t, is_fwd in zip(flow.times, flow.is_forward, strict=True) if is_fwd],
        "iat_bwd": [t for t, is_fwd in zip(flow.times, flow.is_forward, strict=True) if not is_fwd],
    }
    duration = flow.times[-1] - flow.times[0]
    count, payload = len(flow.packets), sum(p.payload for p in flow.packets)
    out: dict[str, Any] = {
        "start_us": flow.times[0],
        "src_ip": source[0],
        "dst_ip": destination[0],
        "src_port": source[1],
        "dst_port": destination[1],
        "protocol": first.protocol,
        "ip_version": first.version,
        "duration_us": duration,
        "first_offset": first.offset,
        "icmp_type": flow.opening.icmp[0],
        "icmp_code": flow.opening.icmp[1],
        "init_win_fwd": forward[0].window if forward else 0,
        "init_win_bwd": backward[-1].window if backward else 0,
        "data_packets_fwd": sum(p.payload > 0 for p in forward if p is not first),
        "segment_size_fwd_min": min((p.header for p in forward if p.header), default=0),
        "down_up_ratio": len(backward) / len(forward) if forward else 0,
        "payload_rate": per_second(payload, duration),
        "packet_rate": per_second(count, duration),
    }
    for name, side in (("fwd", forward), ("bwd", backward)):
        out |= side_columns(name, side, duration, count)
        out |= bulk_columns(name, flow, name == "fwd")
    out |= payload_columns("payload", flow.packets)
    out["payload_var"] = out["payload_std"] ** 2
    for name, stamps in times.items():
        gaps = [b - a for a, b in itertools.pairwise(stamps)]
        out |= gap_columns(name, gaps)
        if name != "iat":
            out[f"{name}_total_us"] = sum(gaps)
    for name, bit in FLAGS.items():
        out[f"flags_{name}"] = sum(p.flags & bit != 0 for p in flow.packets)
    active, idle = bursts_and_pauses(flow.times)
    out |= course_columns(flow)
    out["community_id"] = community_id(flow.opening)
    return out | gap_columns("active", active) | gap_columns("idle", idle)


def side_columns(name: str, side: list[Seen], duration: int, count: int) -> dict[str, Any]:
    """Columns of one direction."""
    payload = sum(p.payload for p in side)
    out = {
        f"packets_{name}": len(side),
        f"bytes_{name}": sum(p.ip_bytes for p in side),
        f"payload_{name}": payload,
        f"header_{name}": sum(p.header for p in side),
        f"packet_{name}_rate": per_second(len(side), duration),
        f"subflow_{name}_packets": len(side) // count,
        f"subflow_{name}_payload": payload // count,
        f"tcp_flags_{name}": functools.reduce(operator.or_, (p.flags for p in side), 0),
    }
    for flag, bit in (("psh", PSH), ("urg", URG), ("rst", RST)):
        out[f"{flag}_{name}"] = sum(p.flags & bit != 0 for p in side)
    return out | payload_columns(f"payload_{name}", side)


def payload_columns(prefix: str, packets: list[Seen]) -> dict[str, Any]:
    """Extremes, mean and deviation of payloads."""
    sizes = [p.payload for p in packets]
    return {
        f"{prefix}_max": max(sizes, default=0),
        f"{prefix}_min": min(sizes, default=0),
        f"{prefix}_mean": statistics.fmean(sizes) if sizes else 0.0,
        f"{prefix}_std": statistics.stdev(sizes) if len(sizes) > 1 else 0.0,
    }


def gap_columns(prefix: str, gaps: list[int]) -> dict[str, Any]:
    """Extremes, mean and deviation of times."""
    return {
        f"{prefix}_mean_us": statistics.fmean(gaps) if gaps else 0.0,
        f"{prefix}_std_us": statistics.stdev(gaps) if len(gaps) > 1 else 0.0,
        f"{prefix}_max_us": max(gaps, default=0),
        f"{prefix}_min_us": min(gaps, default=0),
    }


def bursts_and_pauses(times: list[int]) -> tuple[list[int], list[int]]:
    """Lengths of the bursts that a pause above 5 s ended, those of one moment left out, and of the pauses."""
    bursts, pauses, since = [], [], times[0]
    for before, now in itertools.pairwise(times):
        if now - before > ACTIVITY_PAUSE_US:
            bursts.append(before - since)
            pauses.append(now - before)
            since = now
    return [b for b in bursts if b > 0], pauses


def bulk_columns(name: str, flow: Flow, is_forward: bool) -> dict[str, Any]:
    """Means over runs of data packets that nothing later from the other side interrupted."""
    runs: list[list[tuple[int, int]]] = []
    other_last = -1
    for packet, time, is_fwd in zip(flow.packets, flow.times, flow.is_forward, strict=True):
        if packet.payload == 0:
            continue
        if is_fwd != is_forward:
            other_last = time
            continue
        goes_on = bool(runs) and other_last <= runs[-1][0][0] and time - runs[-1][-1][0] <= BULK_PAUSE_US
        if not goes_on:
            runs.append([])
        runs[-1].append((time, packet.payload))
    bulks = [run for run in runs if len(run) >= BULK_PACKETS]
    total = sum(size for run in bulks for _, size in run)
    duration = sum(run[-1][0] - run[0][0] for run in bulks)
    return {
        f"bulk_{name}_bytes_mean": total // len(bulks) if bulks else 0,
        f"bulk_{name}_packets_mean": sum(map(len, bulks)) // len(bulks) if bulks else 0,
        f"bulk_{name}_rate": total * US_PER_S // duration if duration else 0,
    }


def course_columns(flow: Flow) -> dict[str, Any]:
    """How TCP went: Zeek's state and letters, and segments that came again or late."""
    flow.sent = {side: Sent(flow.before.sent[side].next if flow.before else None) for side in (True, False)}
    letters: list[str] = []
    protocol = flow.packets[0].protocol
    for packet, is_fwd in zip(flow.packets, flow.is_forward, strict=True):
        said = flow.sent[is_fwd].take(packet) if protocol == 6 else ["D"] * (protocol == 17)
        letters += [letter if is_fwd else letter.lower() for letter in said]
    history = "".join(dict.fromkeys(letters))
    has_data = any(packet.payload for packet in flow.packets)
    state = {6: tcp_state(history, *ends(flow), has_data=has_data), 17: {"D": "S0", "d": "SHR"}.get(history, "SF")}
    out: dict[str, Any] = {"history": history, "conn_state": state.get(protocol, "OTH")}
    for name, side in (("fwd", flow.sent[True]), ("bwd", flow.sent[False])):
        out |= {f"retransmitted_{name}": side.again, f"out_of_order_{name}": side.late, f"zero_windows_{name}": side.full}
        out[f"gap_bytes_{name}"] = side.gap
    return out


def ends(flow: Flow) -> tuple[set[bool], set[bool]]:
    """Which sides closed and which reset, as Zeek's state machine of a TCP connection has it; a first RST resets nothing."""
    closed: set[bool] = set()
    reset: set[bool] = set()
    for number, (packet, side) in enumerate(zip(flow.packets, flow.is_forward, strict=True)):
        if packet.flags & RST:
            if number > 0 and not (side in closed and (not side) in closed - reset):
                reset.add(side)
        elif packet.flags & FIN and side not in reset:
            closed.add(side)
            reset -= {not side} & closed
    return closed, reset


@dataclass
class Sent:
    """What one side of a TCP connection sent, by sequence number."""

    next: int | None = None
    gap: int = 0
    hole_end: int = 0
    has_holes: bool = False
    again: int = 0
    late: int = 0
    full: int = 0

    def take(self, packet: Seen) -> list[str]:
        """Count a packet and give its letters."""
        flags = packet.flags
        said = [("H" if flags & ACK else "S")] if flags & SYN else []
        said += ["F"] * bool(flags & FIN) + ["R"] * bool(flags & RST)
        said += ["D"] * (packet.payload > 0 and not flags & (SYN | FIN | RST))
        said += ["A"] * (flags & (ACK | SYN | FIN | RST) == ACK and packet.payload == 0)
        if packet.window == 0 and not flags & RST:
            self.full += 1
            said.append("W")
        length = packet.payload + bool(flags & SYN) + bool(flags & FIN)
        if flags & SYN and self.next is not None and (self.next - packet.sequence) % 2**32 > 0xFFFF:  # no copy of the last one
            self.next = self.hole_end = packet.sequence
            self.has_holes = self.gap > 0
        if not length or flags & RST:
            return said
        again = self.place(packet.sequence, length)
        return said + again if packet.payload else said

    def place(self, sequence: int, length: int) -> list[str]:
        """Say whether a segment is new, late or sent again."""
        if self.next is None:
            self.next = sequence + length
            return []
        ahead = (sequence - self.next + 2**31) % 2**32 - 2**31
        said = []
        if ahead > 0:
            self.has_holes = self.gap > 0
            self.gap += ahead
            self.hole_end = self.next + ahead
        elif ahead < 0 and self.fills(self.next + ahead, self.next + ahead + length):
            self.late += 1
        elif ahead < 0:
            self.again += 1
            said = ["T"]
        self.next += max(0, ahead + length)
        return said

    def fills(self, begin: int, end: int) -> bool:
        """Whether a late segment brings missing bytes; of several holes only the end of the last one is known."""
        first_missing = begin if self.has_holes else self.hole_end - self.gap
        brought = range(max(begin, first_missing), min(end, self.hole_end))[: self.gap]
        self.gap -= len(brought)
        if brought and brought.stop == self.hole_end and not self.has_holes:
            self.hole_end = brought.start
        return bool(brought)


def tcp_state(history: str, closed: set[bool], resets: set[bool], *, has_data: bool) -> str:
    """Zeek's conn_state; ``closed`` and ``resets`` say which sides ended it.

    https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html
    """
    opened_by = {True: "S" in history, False: "s" in history}
    answered_by = {True: "H" in history, False: "h" in history}

    def end(mine: bool) -> str:
        if mine in resets:
            return "reset"
        if mine in closed:
            return "closed"
        if opened_by[mine]:
            return "established" if answered_by[not mine] else "syn sent"
        if answered_by[mine]:
            return "established" if opened_by[not mine] else "answer sent"
        return "silent"

    originator, responder = end(True), end(False)
    is_there = any(letter.islower() for letter in history)
    table = {
        ("reset", "reset"): "RSTR" if has_data else "REJ",
        ("syn sent", "reset"): "REJ",
        ("answer sent", "reset"): "REJ",
        ("silent", "reset"): "RSTRH",
        ("established", "reset"): "RSTR",
        ("closed", "reset"): "RSTR",
        ("reset", "silent"): "RSTOS0",
        ("closed", "closed"): "SF",
        ("closed", "silent"): "SH",
        ("silent", "closed"): "SHR",
        ("syn sent", "silent"): "OTH" if is_there else "S0",
        ("established", "established"): "S1",
    }
    others = {"reset": "RSTO", "closed": "S2"}
    return table.get((originator, responder)) or others.get(originator) or ("S3" if responder == "closed" else "OTH")


def community_id(packet: Seen) -> str:
    """Community ID v1 with seed 0; https://github.com/corelight/community-id-spec"""
    answers = (
        {8: 0, 13: 14, 15: 16, 10: 9, 17: 18}
        if packet.protocol == 1
        else {128: 129, 133: 134, 135: 136, 130: 131, 139: 140, 144: 145}
    )
    answers |= {answer: question for question, answer in answers.items()}
    ends = [(ipaddress.ip_address(ip).packed, port) for ip, port in (packet.source, packet.destination)]
    goes_one_way = False
    if packet.protocol in (1, 58):
        kind, code = packet.icmp
        goes_one_way = kind not in answers
        ends = [(ends[0][0], kind), (ends[1][0], answers.get(kind, code))]
    if not goes_one_way:
        ends.sort()
    ports = b"".join(port.to_bytes(2, "big") for _, port in ends) if packet.protocol in (1, 6, 17, 58, 132) else b""
    message = b"\0\0" + ends[0][0] + ends[1][0] + bytes([packet.protocol, 0]) + ports
    return "1:" + base64.b64encode(hashlib.sha1(message, usedforsecurity=False).digest()).decode()


def per_second(amount: int, duration_us: int) -> float:
    """A rate; 0 without duration."""
    return amount * US_PER_S / duration_us if duration_us else 0.0
