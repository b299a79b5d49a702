"""The Community ID of packets, against the native core's of flows."""

from pathlib import Path

import pytest

from weir.errors import SettingsError
from weir.flows.build import build
from weir.packets.community_id import checked, community_id
from weir.packets.headers import ARP, ICMP, ICMP6, Header, ip_headers
from weir.packets.manifest import HEADER_BYTES
from weir.packets.records import Form
from weir.settings import FlowSettings

GOLDEN = Path(__file__).parents[1] / "golden"
CAPTURES = [GOLDEN / "flows.pcap", *sorted((GOLDEN / "truth").rglob("*.pcap"))]


def packets_by_id(capture: Path) -> dict[str, int]:
    """How many packets have each ID in one of their headers, counted once."""
    whole = capture.read_bytes()
    form = Form.read(whole)
    counts: dict[str, int] = {}
    for packet in form.packets(whole[HEADER_BYTES:]):
        for one in {community_id(header) for header in ip_headers(form.link_type, packet.data, packet.length)} - {None}:
            counts[str(one)] = counts.get(str(one), 0) + 1
    return counts


LATER_FRAGMENT_FROM = "192.0.2.10"  # in flows.pcap; it belongs to a flow, but has no ports to compute an ID of


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_the_packets_of_an_id_are_those_of_its_flows(capture: Path) -> None:
    found, wanted = packets_by_id(capture), {}
    for row in build([capture], FlowSettings()).table.to_pylist():
        assert row["community_id"] in found
        if (
            row["protocol"] not in (ICMP, ICMP6) and row["src_ip"] != LATER_FRAGMENT_FROM
        ):  # a flow of ICMP has messages of all types
            wanted.setdefault(row["community_id"], 0)
            wanted[row["community_id"]] += row["packets_fwd"] + row["packets_bwd"]
    assert {one: found[one] for one in wanted} == wanted


def test_ids_are_those_of_the_specification() -> None:
    def address(text: str) -> bytes:
        return bytes(map(int, text.split(".")))

    there = Header(address("128.232.110.120"), address("66.35.250.204"), 6, 34855, 80)
    back = Header(there.destination, there.source, 6, 80, 34855)
    assert community_id(there) == community_id(back) == "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
    echo = Header(address("192.168.0.89"), address("192.168.0.1"), 1, None, None, (8, 0))
    answer = Header(echo.destination, echo.source, 1, None, None, (0, 0))
    assert community_id(echo) == community_id(answer) == "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="


def test_what_has_no_ports_to_see_has_no_id() -> None:
    assert community_id(Header(bytes(4), bytes(4), 6, None, None)) is None
    assert community_id(Header(bytes(4), bytes(4), 1, None, None)) is None
    assert community_id(Header(bytes(4), bytes(4), ARP, None, None)) is None
    assert community_id(Header(bytes(4), bytes(4), 47, None, None)) is not None


@pytest.mark.parametrize("text", ["", "1:", "2:LQU9qZlK+B5F3KDmev6m5PMibrg=", "1:LQU9", "1:LQU9qZlK+B5F3KDmev6m5PMibrg", "1:ä"])
def test_what_is_no_community_id_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="not a Community ID"):
        checked(text)
