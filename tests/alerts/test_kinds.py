import math
from typing import Any

import pytest

from weir.alerts.alert import Peer
from weir.alerts.kinds import RULES, Seen, kind_of
from weir.schema import WINDOWS

CALM = {c.name: 0 for c in WINDOWS} | {
    "flows_out": 40,
    "peers_out": 9,
    "ports_out": 3,
    "packets_out": 900,
    "packets_in": 1200,
    "bytes_out": 90_000,
    "bytes_in": 2_000_000,
    "failed_share": 0.02,
    "syn_out": 38,
    "service_flows_max": 12,
    "service_packets_max": 300,
    "regularity": 0.3,
    "dns_bytes_out": 900,
}

UPLOAD = {"bytes_out_peer_max": 812_000_000, "bytes_in": 3_000_000, "bytes_asymmetry": 5.6}
SHOWN: dict[str, tuple[dict[str, Any], str]] = {
    "flood": (
        {"service_flows_max": 40_000, "syn_out": 40_000, "failed_share": 1.0},
        "sent 40,000 requests for a connection, most of them to 8.8.8.8 and unanswered",
    ),
    "port scan": ({"ports_out": 1994, "peers_out": 1, "failed_share": 0.9}, "contacted 1,994 ports of 8.8.8.8"),
    "host sweep": ({"peers_out": 254, "ports_out": 1, "failed_share": 0.9}, "contacted 254 hosts on 1 port"),
    "target of a port scan": ({"ports_in": 1994, "peers_in": 1}, "was contacted on 1,994 ports by 1 host"),
    "brute force": ({"service_flows_max": 90}, "opened 90 connections to one SSH login"),
    "DNS tunnel": ({"dns_bytes_out": 400_000}, "sent 400 kB to port 53"),
    "exfiltration": (UPLOAD, "sent 812 MB to 8.8.8.8, outside this network, and received 3 MB"),
    "ICMP tunnel": ({"icmp_bytes_out": 400_000}, "sent 400 kB in ICMP messages"),
    "beacon": ({"beacon": 0.94}, "called one service again and again, at even intervals and with even sizes (94 % alike)"),
}


def seen(columns: dict[str, Any], port: int = 0, peer: str = "8.8.8.8", strange: str = "beacon") -> Seen:
    return Seen({**CALM, **columns}, (Peer(peer, 5),), port, peer, frozenset({strange}))


@pytest.mark.parametrize("name", SHOWN)
def test_a_kind_is_named_with_its_numbers(name: str) -> None:
    columns, words = SHOWN[name]
    found = kind_of([seen({}), seen(columns, 22 if name == "brute force" else 443)])
    assert found is not None
    assert (found[0].name, found[0].words) == (name, words)
    assert found[1] in CALM


def test_every_kind_has_an_example() -> None:
    assert {rule.name for rule in RULES} == set(SHOWN)


def test_an_ordinary_minute_has_no_kind() -> None:
    assert kind_of([seen({}, 443), seen({}, 22)]) is None
    assert kind_of([]) is None


@pytest.mark.parametrize(
    ("columns", "port", "peer"),
    [
        ({"service_flows_max": 90}, 443, "8.8.8.8"),  # a web page with many pictures is no brute force
        ({"service_flows_max": 90, "failed_share": 0.9}, 22, "8.8.8.8"),  # nobody answered: nothing was tried
        ({"bytes_out_peer_max": 10**9, "bytes_asymmetry": 6.0}, 443, "10.0.0.9"),  # a backup inside the house
        ({"bytes_out_peer_max": 10**9, "bytes_asymmetry": 6.0}, 5353, "224.0.0.251"),  # a stream to a group
        ({"bytes_out_peer_max": 10**9, "bytes_in": 10**9, "bytes_asymmetry": 0.0}, 443, "8.8.8.8"),  # a call with video
        ({"ports_out": 60, "peers_out": 30, "failed_share": 0.9}, 443, "8.8.8.8"),  # a peer-to-peer client
        ({"peers_out": 200, "ports_out": 2, "failed_share": 0.1}, 443, "8.8.8.8"),  # a busy resolver
        ({"service_packets_max": 90_000, "packets_out": 90_000, "packets_in": 45_000}, 443, "8.8.8.8"),  # a download
    ],
)
def test_busy_but_harmless_minutes_have_no_kind(columns: dict[str, Any], port: int, peer: str) -> None:
    assert kind_of([seen(columns, port, peer)]) is None


def test_a_flood_of_packets_is_a_flood_too() -> None:
    found = kind_of([seen({"service_packets_max": 90_000, "packets_out": 90_500, "packets_in": 12})])
    assert found is not None
    assert (found[0].name, found[0].words) == ("flood", "sent 90,000 packets to 8.8.8.8, which hardly answered")


def test_the_window_that_shows_most_gives_the_numbers() -> None:
    found = kind_of([seen({**SHOWN["port scan"][0], "ports_out": n}) for n in (80, 900, 70)])
    assert found is not None
    assert "900 ports" in found[0].words


def test_an_address_that_is_none_is_not_outside() -> None:
    columns = {"bytes_out_peer_max": 10**9, "bytes_asymmetry": math.log(100)}
    assert kind_of([seen(columns, 443, "not an address")]) is None


def test_a_poller_that_always_calls_evenly_is_no_beacon() -> None:
    assert kind_of([seen({"beacon": 0.99}, strange="bytes_out")]) is None


def test_an_address_for_documentation_is_outside() -> None:
    found = kind_of([seen(UPLOAD, 443, "192.0.2.207")])
    assert found is not None
    assert found[0].name == "exfiltration"
