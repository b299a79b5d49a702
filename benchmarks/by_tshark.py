"""Each packet as tshark takes it apart, beside what the core makes of it.

The packets of a capture are set so far apart in time that each is a flow of its own; the rows then say packet by packet whom
the core takes for sender and receiver, how long the packet is, and which flags it has.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from processes import AbsentError, WrongError
from tally import Tally
from weir.errors import CaptureError
from weir.flows.build import Flows, build
from weir.settings import FlowSettings

CUSTOM_BLOCK = "data\t"  # no protocol and no time
MOST_CHOSEN = 500  # frames that editcap lets be named at once
STEP_US = 1_100_000
IDLE_S = 1
MISUSED = 1  # exit code of Wireshark's programs that do not know an option
FIELDS = (
    "frame.number frame.time_epoch frame.protocols ip.src ip.dst ipv6.src ipv6.dst ip.proto ip.len ipv6.plen ip.frag_offset "
    "ip.flags.mf ipv6.fraghdr.offset tcp.srcport tcp.dstport udp.srcport udp.dstport sctp.srcport sctp.dstport "
    "tcp.flags quic.version frame.encap_type"
)
OPTIONS = "ip.defragment:FALSE ipv6.defragment:FALSE tcp.desegment_tcp_streams:FALSE tcp.reassemble_out_of_order:FALSE"
IP = {"ip": 4, "ipv6": 6}
BARE_IPV6 = 40  # bytes of a header, after which a length of 0 counts
PORTS = ("tcp", "udp", "sctp")
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132, "udplite": 136}
AROUND = (
    "eth ethertype vlan mpls pwethheuristic pwethcw ppp pppoes gre vxlan geneve gtp teredo ip ipv6 udp tcp sll sll2 null raw llc "
    "radiotap wlan wlan_radio nflog pflog loop chdlc frame lapd ieee8021ad ipv6.hopopts ipv6.routing ipv6.fraghdr ipv6.dstopts "
    "ah ipv6.routing.rh0 ipv6.routing.rt0 sctp udplite enc ppi 802.11 wlan.aggregate atm"
)

End = tuple[str, int]


class Told(NamedTuple):
    """A packet as one side reads it; ``length`` of the innermost IP packet, ``flags`` of TCP, 0 without."""

    source: End
    destination: End
    protocol: int
    version: int
    length: int
    flags: int


class Frame(NamedTuple):
    """What tshark says of a frame: its IP packets from the outside in, if a later fragment or any, QUIC's version, link layer."""

    packets: tuple[Told, ...]
    is_later: bool
    is_fragment: bool
    protocols: str
    quic: str = ""
    link: str = ""


def tool(*command: object) -> str:
    """Run one of Wireshark's programs; what it warns of, such as a cut file, is no failure."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError as error:
        raise AbsentError(f"{command[0]} is not there; Debian's package tshark has it") from error
    if done.returncode == MISUSED:
        raise WrongError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout


def version() -> str:
    """Of tshark."""
    return tool("tshark", "--version").split()[2]


def frames(capture: Path) -> Iterator[tuple[int, Frame]]:
    """Time in us and content of each frame; -1 for the packets of pcapng that have no time."""
    wanted = [word for name in FIELDS.split() for word in ("-e", name)]
    options = [word for option in OPTIONS.split() for word in ("-o", option)]
    for line in tool(
        "tshark", "-n", "-r", capture, *options, "--enable-heuristic", "teredo_udp", "-T", "fields", "-E", "occurrence=a", *wanted
    ).splitlines():
        values = dict(zip(FIELDS.split(), line.split("\t"), strict=True))
        seconds, _, part = values["frame.time_epoch"].partition(".")
        is_custom = not seconds and values["frame.protocols"] == "data"
        if not is_custom:
            yield int(seconds) * 1_000_000 + int(part[:6].ljust(6, "0")) if seconds else -1, frame_of(values)


def frame_of(values: dict[str, str]) -> Frame:
    """Follow the layers that carry others; what stands in another protocol behind IP, as in an error message, is only quoted."""
    layers = values["frame.protocols"].split(":")
    seen: dict[str, int] = {}
    packets: list[Told] = []
    is_later = False
    for layer in layers:
        at = seen.get(layer, 0)
        seen[layer] = at + 1
        if layer in IP:
            packets.append(bare(values, layer, at))
            offsets = [
                offset for name in ("ip.frag_offset", "ipv6.fraghdr.offset") for offset in values[name].split(",") if offset
            ]
            is_later = any(int(offset, 0) for offset in offsets)
        elif layer in (*PORTS, "icmp", "icmpv6") and packets:
            packets[-1] = with_transport(packets[-1], values, layer, at)
        if packets and layer not in AROUND.split():
            break
    is_fragment = is_later or "1" in values["ip.flags.mf"] or bool(values["ipv6.fraghdr.offset"])
    return Frame(
        tuple(packets), is_later, is_fragment, values["frame.protocols"], values["quic.version"], values["frame.encap_type"]
    )


def nth(values: dict[str, str], name: str, at: int) -> str:
    """One of several values of a field; nothing where the packet is too short for it."""
    found = values[name].split(",")
    return found[at] if at < len(found) else ""


def bare(values: dict[str, str], layer: str, at: int) -> Told:
    """An IP header."""
    protocol = int(nth(values, "ip.proto", at) or -1) if layer == "ip" else -1
    length = int(nth(values, "ip.len", at) or -1) if layer == "ip" else int(nth(values, "ipv6.plen", at) or -41) + 40
    return Told((nth(values, f"{layer}.src", at), 0), (nth(values, f"{layer}.dst", at), 0), protocol, IP[layer], length, 0)


def with_transport(packet: Told, values: dict[str, str], layer: str, at: int) -> Told:
    """The same with what stands in the transport header."""
    if layer not in PORTS:
        return packet._replace(protocol=NUMBERS[layer])
    ports = [int(nth(values, f"{layer}.{side}port", at) or 0) for side in ("src", "dst")]
    flags = int(nth(values, "tcp.flags", at) or "0", 16) & 0xFF if layer == "tcp" else 0
    ends = ((packet.source[0], ports[0]), (packet.destination[0], ports[1]))
    return packet._replace(source=ends[0], destination=ends[1], protocol=NUMBERS[layer], flags=flags)


def ours(capture: Path) -> Flows:
    """Flows of one packet each."""
    return build([capture], FlowSettings(idle_timeout_s=IDLE_S, parse_applications=False))


def told(row: dict[str, Any]) -> Told:
    """A row of one packet."""
    ends = ((row["src_ip"], row["src_port"]), (row["dst_ip"], row["dst_port"]))
    return Told(*ends, row["protocol"], row["ip_version"], row["bytes_fwd"], row["tcp_flags_fwd"])


def kind_of(mine: Told, row: dict[str, Any], frame: Frame) -> str | None:
    """Why a packet that both take for IP is told differently; None where no reason is known."""
    if not frame.packets:
        return None
    theirs = frame.packets[-1]
    if mine.protocol != theirs.protocol and theirs.protocol in (-1, mine.protocol):
        theirs = theirs._replace(protocol=mine.protocol)
    if mine == theirs:
        return "of IPv6 without a transport header that tshark reads: equal but for the protocol, which is not compared"
    if frame.is_later and mine._replace(
        source=(mine.source[0], 0), destination=(mine.destination[0], 0), protocol=0
    ) == theirs._replace(source=(theirs.source[0], 0), destination=(theirs.destination[0], 0), protocol=0):
        return "later fragments: we give them the ports of the first one"
    if mine._replace(length=0) == theirs._replace(length=0):
        if theirs.length == (0 if theirs.version == 4 else BARE_IPV6):
            return "with a length of 0 (segmentation offload): we take the frame's"
        if row["odd_network"] and mine.length < theirs.length:
            return "whose IP length is beyond the frame: we believe the frame"
    if any(mine._replace(length=0, protocol=0) == other._replace(length=0, protocol=0) for other in frame.packets[:-1]):
        return "of a tunnel that tshark opens further"
    return None


def compare(captures: Sequence[Path], root: Path, folder: Path) -> list[Tally]:
    """Packets read, and each packet's outcome."""
    name = f"tshark {version()}"
    read, decoded = Tally(name, "packets read"), Tally(name, "packets decoded")
    for capture in captures:
        label = str(capture.relative_to(root))
        packets_read(read, label, capture)
        apart = folder / f"{label.replace('/', '_')}.apart"
        tool("editcap", "-F", "pcapng", "-S", f"-{STEP_US / 1e6}", capture, apart)
        if apart.exists():
            packets_decoded(decoded, label, apart)
            apart.unlink()
    return [read, decoded]


def packets_read(tally: Tally, label: str, capture: Path) -> None:
    """How many packets each finds in a capture as it is."""
    fields = ("-e", "frame.protocols", "-e", "frame.time_epoch")
    lines = tool("tshark", "-n", "-r", capture, "-T", "fields", *fields).splitlines()
    custom = lines.count(CUSTOM_BLOCK)
    theirs = len(lines) - custom
    try:
        mine = build([capture], FlowSettings(parse_applications=False)).counts["read"]
    except CaptureError as error:
        tally.differs(label, "in captures that we refuse as broken, and say where", error, theirs)
        return
    tally.same(label, min(mine, theirs))
    if custom:
        tally.differs(label, "custom blocks of pcapng, which tshark lists as frames", number=custom)
    if mine != theirs:
        tally.differs(label, None, f"we read {mine} packets, tshark {theirs}")


def packets_decoded(tally: Tally, label: str, apart: Path) -> None:
    """Compare packet by packet; those with IP inside that we set aside are looked at by name."""
    theirs = list(frames(apart))
    begin = theirs[0][0] if theirs else 0
    if any(abs(time_us - begin - number * STEP_US) > 1 for number, (time_us, _) in enumerate(theirs)):
        tally.differs(label, "in captures with packets without a time, which cannot be set apart", number=len(theirs))
        return
    flows = ours(apart)
    rows = {round((row["start_us"] - begin) / STEP_US): row for row in flows.table.to_pylist()}
    aside = []
    for number, (_, frame) in enumerate(theirs):
        row = rows.get(number)
        if row is None and frame.packets:
            aside.append(number + 1)
        elif row is None or (frame.packets and told(row) == frame.packets[-1]):
            tally.same(label)
        else:
            tally.differs(label, kind_of(told(row), row, frame), f"frame {number + 1}: {told(row)} {frame}")
    if flows.counts["accepted"] != len(rows):
        tally.differs(label, None, f"{flows.counts['accepted']} packets in {len(rows)} flows")
    if aside:
        named(tally, label, apart, aside)


def named(tally: Tally, label: str, apart: Path, numbers: Sequence[int]) -> None:
    """Names under which we set these frames aside, though tshark finds an IP header in them."""
    some = apart.with_suffix(".some")
    counts: Counter[str] = Counter()
    for at in range(0, len(numbers), MOST_CHOSEN):
        tool("editcap", "-F", "pcapng", "-r", apart, some, *numbers[at : at + MOST_CHOSEN])
        counts.update(ours(some).counts)
        some.unlink()
    for name, number in counts.items():
        if number and name not in ("read", "accepted") and not name.startswith("odd_"):
            tally.differs(label, f"set aside as `{name}`", number=number)
    if counts["accepted"]:
        tally.differs(label, None, f"{counts['accepted']} of the frames {numbers} are accepted alone only")
