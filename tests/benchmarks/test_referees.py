"""The comparison with other programs finds a difference where there is one, and does not pass it over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import by_nfstream
import by_published
import by_tshark
import referees
from by_nfstream import Flow
from tally import Tally, table
from weir.flows.build import Flows, build
from weir.settings import FlowSettings

TRUTH = Path(__file__).parents[1] / "golden" / "truth"
HTTP = TRUTH / "ipfixprobe" / "http.pcap"


@pytest.fixture(scope="module")
def http_flows() -> Flows:
    """Flows of a capture that ipfixprobe publishes, with its timeouts."""
    return build([HTTP], FlowSettings(idle_timeout_s=30, active_timeout_s=300))


def test_a_line_counts_what_is_equal_and_each_kind_of_difference() -> None:
    tally = Tally("a program", "flows")
    tally.same("one.pcap", 1_200)
    tally.differs("two.pcap", "cut otherwise", number=2)
    assert tally.line() == "| a program | 2 | 1,202 flows | 1,200 | 2 cut otherwise |"
    assert tally.is_sum()
    tally.differs("two.pcap", None, "3 and 4")
    assert "**1 without explanation**" in table([tally])
    assert tally.unexplained == ["two.pcap: 3 and 4"]
    assert tally.is_sum()


def test_published_flows_are_equal_until_one_is_changed(http_flows: Flows) -> None:
    published = by_published.ipfixprobe_rows(HTTP.with_suffix(".pcap.csv"))
    sound, changed = Tally("", ""), Tally("", "")
    by_published.compare_ipfixprobe(sound, "http", "http", published, http_flows)
    assert (sound.equal, sound.unexplained) == (published.total(), [])
    first, *others = published
    by_published.compare_ipfixprobe(
        changed, "http", "http", Counter([(*first[:6], first[6] + 1, *first[7:]), *others]), http_flows
    )
    assert len(changed.unexplained) == 1


def test_a_connection_of_zeek_with_one_packet_more_has_no_explanation() -> None:
    log = TRUTH / "zeek" / "ipv4.pcap.conn.log"
    lines = by_published.conn_log(log)
    flows = build([log.with_name("ipv4.pcap")], FlowSettings(idle_timeout_s=3_600, active_timeout_s=3_600))
    sound, changed, states = Tally("", ""), Tally("", ""), Tally("", "")
    by_published.zeek_log(sound, states, "ipv4", lines, flows)
    assert (sound.equal, sound.unexplained, states.unexplained) == (len(lines), [], [])
    by_published.zeek_log(changed, states, "ipv4", [lines[0] | {"orig_pkts": "99"}, *lines[1:]], flows)
    assert len(changed.unexplained) == 1


def test_a_flow_that_differs_for_no_known_reason_has_no_kind() -> None:
    odd = by_nfstream.Oddness(*(set() for _ in by_nfstream.Oddness._fields))
    odd.sound.add(frozenset(("10.0.0.1", "10.0.0.2")))
    flow = Flow(("10.0.0.1", 1), ("10.0.0.2", 2), 17, 4, 0, 9, (1, 1), (28, 28), (0,) * 8)
    known = by_nfstream.Known(odd, False, set(), set())
    assert by_nfstream.why(flow.key(), [flow], [flow._replace(packets=(2, 1))], known) is None
    assert by_nfstream.why(flow.key(), [flow], [], known) is None


def test_a_packet_that_differs_for_no_known_reason_has_no_kind() -> None:
    told = by_tshark.Told(("10.0.0.1", 1), ("10.0.0.2", 2), 6, 4, 40, 2)
    frame = by_tshark.Frame((told,), False, False, "eth:ethertype:ip:tcp")
    for other in (told._replace(flags=18), told._replace(length=41), told._replace(source=("10.0.0.9", 1))):
        assert by_tshark.kind_of(other, {"odd_network": 0}, frame) is None


def test_a_quoted_packet_in_an_error_message_is_none_of_the_packets() -> None:
    values = dict.fromkeys(by_tshark.FIELDS.split(), "")
    values |= {"frame.protocols": "eth:ethertype:ip:icmp:ip:udp", "ip.src": "10.0.0.1,10.0.0.2", "ip.dst": "10.0.0.2,10.0.0.1"}
    values |= {"ip.proto": "1,17", "ip.len": "56,28", "udp.srcport": "5", "udp.dstport": "6"}
    assert by_tshark.frame_of(values).packets == (by_tshark.Told(("10.0.0.1", 0), ("10.0.0.2", 0), 1, 4, 56, 0),)


@pytest.mark.parametrize(("kind", "code"), [("of a kind", 0), (None, 1)])
def test_the_exit_code_says_whether_all_is_explained(
    kind: str | None, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally("a program", "flows")
    tally.differs("one.pcap", kind, "3 and 4")
    (tmp_path / "pcap").mkdir()
    monkeypatch.setattr(referees, "REFEREES", {"one": lambda captures, root, folder: [tally]})
    monkeypatch.setattr("sys.argv", ["referees.py", "--public-data", str(tmp_path)])
    assert referees.main() == code
    said = capsys.readouterr()
    assert tally.line() in said.out
    assert ("3 and 4" in said.err) == (kind is None)
