"""Fields of application protocols, in real conversations and in crafted ones.

The values wanted of captures are those that tshark 4.0.17 prints; JA4, which it does not print, was computed from the
ciphers, extensions and signature algorithms that it does.
"""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from weir.flows.build import Flows
from weir.schema import FLOWS

GOLDEN = Path(__file__).parents[1] / "golden"
CAPTURES = GOLDEN / "applications"
START_US = 1_772_442_000_000_000
DETAILS = [column.name for column in FLOWS if column.role == "detail"]

SAID: dict[str, tuple[Path, dict[str, Any], dict[str, Any]]] = {
    "ssh": (
        CAPTURES / "ssh.pcap",
        {"src_port": 49244},
        {"app": "ssh", "ssh_client": "SSH-2.0-OpenSSH_3.8.1p1", "ssh_server": "SSH-1.99-OpenSSH_3.9p1"},
    ),
    "smtp": (
        CAPTURES / "smtp.pcap",
        {"app": "smtp"},
        {"smtp_helo": "gras-os-desk.cern.ch", "smtp_from": "root@gras-os-desk.cern.ch", "smtp_to": "jan.grashofer@cern.ch"},
    ),
    "ftp": (
        GOLDEN / "truth" / "zeek" / "ipv4.pcap",
        {"app": "ftp"},
        {
            "ftp_user": "anonymous",
            "ftp_commands": "USER,PASS,SYST,PASV,LIST,TYPE,PASV,RETR,TYPE,PORT,LIST,TYPE,PORT,RETR,QUIT",
        },
    ),
    "quic version 1": (
        CAPTURES / "quic1.pcap",
        {"src_port": 34347},
        {
            "app": "quic",
            "quic_version": "0x00000001",
            "tls_sni": "www.google.de",
            "tls_alpn": "h3,h3-29,h3-28,h3-27",
            "tls_ja4": "q13d0308h3_55b375c5d22e_f0736a66fa6b",
        },
    ),
    "quic version 2": (
        CAPTURES / "quic2.pcap",
        {"src_port": 50841},
        {
            "app": "quic",
            "quic_version": "0x6b3343cf",
            "tls_sni": "",
            "tls_alpn": "h3",
            "tls_ja4": "q13i0310h3_55b375c5d22e_df5b9e597968",
        },
    ),
    "quic of a browser": (
        CAPTURES / "tls.pcap",
        {"src_port": 52059},
        {
            "app": "quic",
            "quic_version": "0x00000001",
            "tls_sni": "signaler-pa.clients6.google.com",
            "tls_alpn": "h3",
            "tls_ja4": "q13d0312h3_55b375c5d22e_73e2d9e6cde6",
        },
    ),
    "tls 1.2": (
        CAPTURES / "tls.pcap",
        {"src_port": 3923},
        {
            "app": "tls",
            "tls_version": "TLS 1.2",
            "tls_cipher": 0xC014,
            "tls_sni": "asecuritysite.com",
            "tls_alpn": "http/1.1,spdy/3.1,h2-14,h2",
            "tls_ja4": "t12d1612h1_94fc43e2fc61_c9eaec7dbab4",
        },
    ),
    "tls 1.3": (
        CAPTURES / "tls.pcap",
        {"src_port": 52632},
        {
            "app": "tls",
            "tls_version": "TLS 1.3",
            "tls_sni": "d27xxe7juh1us6.cloudfront.net",
            "tls_alpn": "h2,http/1.1",
            "tls_ja4": "t13d1517h2_8daaf6152771_6cdcb247c39b",
        },
    ),
}


@pytest.mark.parametrize("case", sorted(SAID))
def test_a_real_conversation_says_what_tshark_reads(case: str, flows_of: Callable[..., Flows]) -> None:
    capture, which, wanted = SAID[case]
    rows = [row for row in flows_of(capture).table.to_pylist() if all(row[name] == value for name, value in which.items())]
    assert rows
    assert {name: rows[0][name] for name in wanted} == wanted


def tcp(
    time: int, flags: str, sequence: int, payload: bytes = b"", port: int = 1883, is_answer: bool = False
) -> tuple[int, bytes]:
    """A frame of one TCP conversation."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw

    ends = IP(src="10.0.0.2", dst="10.0.0.1") if is_answer else IP(src="10.0.0.1", dst="10.0.0.2")
    ports = {"sport": port, "dport": 40_000} if is_answer else {"sport": 40_000, "dport": port}
    return START_US + time, bytes(
        Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ends / TCP(flags=flags, seq=sequence, **ports) / Raw(payload)
    )


CONNECT = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x06pump-7"
PUBLISH = b"\x31\x10\x00\x0cplant/pump/7on"
MODBUS_READ = bytes.fromhex("000700000006110300640002")
MODBUS_REFUSAL = bytes.fromhex("000700000003118302")
FTP = b"USER alice\r\n", b"PASS secret\r\n"


def test_mqtt_says_who_connects_and_its_first_topic(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    packets = [tcp(0, "S", 9), tcp(1, "PA", 10, CONNECT), tcp(2, "PA", 10 + len(CONNECT), PUBLISH)]
    row = flows_of(write_pcap(tmp_path / "mqtt.pcap", packets)).table.to_pylist()[0]
    assert (row["app"], row["mqtt_client_id"], row["mqtt_topic"]) == ("mqtt", "pump-7", "plant/pump/7")


def test_modbus_says_unit_function_and_exception(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    packets = [tcp(0, "PA", 9, MODBUS_READ, 502), tcp(1, "PA", 9, MODBUS_REFUSAL, 502, is_answer=True)]
    row = flows_of(write_pcap(tmp_path / "modbus.pcap", packets)).table.to_pylist()[0]
    assert (row["app"], row["modbus_unit"], row["modbus_function"], row["modbus_exception"]) == ("modbus", 17, 3, 2)


def test_commands_are_told_when_the_flow_ends_before_enough_of_them_came(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    packets = [tcp(0, "PA", 9, FTP[0], 21), tcp(1, "PA", 9 + len(FTP[0]), FTP[1], 21)]
    row = flows_of(write_pcap(tmp_path / "ftp.pcap", packets)).table.to_pylist()[0]
    assert (row["app"], row["ftp_user"], row["ftp_commands"]) == ("ftp", "alice", "USER,PASS")
    assert "secret" not in str(row)


def test_bytes_behind_a_gap_are_not_read(tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]) -> None:
    packets = [tcp(0, "PA", 9, CONNECT), tcp(1, "PA", 5_000, PUBLISH)]
    row = flows_of(write_pcap(tmp_path / "gap.pcap", packets)).table.to_pylist()[0]
    assert (row["mqtt_client_id"], row["mqtt_topic"]) == ("pump-7", "")


def test_segments_that_overtook_each_other_are_read_in_order(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    opened = [tcp(0, "S", 9), tcp(1, "SA", 7, is_answer=True), tcp(2, "A", 10)]
    packets = [*opened, tcp(3, "PA", 10 + len(CONNECT), PUBLISH), tcp(4, "PA", 10, CONNECT)]
    row = flows_of(write_pcap(tmp_path / "overtaken.pcap", packets)).table.to_pylist()[0]
    assert (row["app"], row["mqtt_client_id"], row["mqtt_topic"]) == ("mqtt", "pump-7", "plant/pump/7")


def test_bytes_that_come_after_their_fin_are_read(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    opened = [tcp(0, "S", 9), tcp(1, "SA", 7, is_answer=True), tcp(2, "A", 10)]
    packets = [*opened, tcp(3, "FA", 10 + len(CONNECT)), tcp(4, "PA", 10, CONNECT)]
    row = flows_of(write_pcap(tmp_path / "fin.pcap", packets)).table.to_pylist()[0]
    assert (row["app"], row["mqtt_client_id"], row["gap_bytes_fwd"]) == ("mqtt", "pump-7", 0)


@pytest.mark.parametrize("old", [b"\0", b"\x10\x12\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x05decoy"], ids=["keep-alive", "decoy"])
def test_bytes_before_the_beginning_are_not_taken_for_it(
    old: bytes, tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    opened = [tcp(0, "S", 999), tcp(1, "SA", 7, is_answer=True), tcp(2, "A", 1_000)]
    packets = [*opened, tcp(3, "A", 1_000 - len(old), old), tcp(4, "PA", 1_000, CONNECT)]
    row = flows_of(write_pcap(tmp_path / "old.pcap", packets)).table.to_pylist()[0]
    assert (row["app"], row["mqtt_client_id"]) == ("mqtt", "pump-7")


def test_what_comes_with_a_reset_is_not_of_the_stream(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    def app_of(flags: str) -> str:
        row = flows_of(write_pcap(tmp_path / "end.pcap", [tcp(0, flags, 9, MODBUS_READ, 502)])).table.to_pylist()[0]
        return str(row["app"])

    assert (app_of("PA"), app_of("RA")) == ("modbus", "")


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("opened", [("S",), ("S", "A"), ()], ids=["a SYN", "SYN and ACK", "both ways"])
def test_three_segments_of_one_side_are_read_in_any_order(
    opened: tuple[str, ...],
    order: tuple[int, ...],
    tmp_path: Path,
    flows_of: Callable[..., Flows],
    write_pcap: Callable[..., Path],
) -> None:
    begun = [tcp(n, flags, 999 + n) for n, flags in enumerate(opened)]
    begun = begun or [tcp(0, "S", 999), tcp(1, "SA", 7, is_answer=True), tcp(2, "A", 1_000)]
    message = CONNECT + PUBLISH
    parts = [(0, 9), (9, 15), (15, len(message))]
    sent = [tcp(5 + n, "PA", 1_000 + parts[i][0], message[slice(*parts[i])]) for n, i in enumerate(order)]
    row = flows_of(write_pcap(tmp_path / "any.pcap", [*begun, *sent])).table.to_pylist()[0]
    assert (row["app"], row["mqtt_client_id"], row["mqtt_topic"]) == ("mqtt", "pump-7", "plant/pump/7")


HTTP = b"GET /a HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: x\r\n\r\n"
SMTP = b"EHLO client.example\r\nMAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2p1\r\n"


@pytest.mark.parametrize(
    ("message", "port", "app"), [(HTTP, 80, "http"), (SMTP, 25, "smtp"), (SSH, 22, "ssh"), (FTP[0] * 2, 21, "ftp")]
)
def test_a_name_is_told_whole_or_not_at_all(
    message: bytes, port: int, app: str, tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    names = ("http_host", "http_user_agent", "smtp_helo", "smtp_from", "smtp_to", "ssh_client", "ftp_user")
    whole = flows_of(write_pcap(tmp_path / "whole.pcap", [tcp(0, "PA", 9, message, port)])).table.to_pylist()[0]
    assert whole["app"] == app
    assert sum(whole[name] != "" for name in names) in (1, 2, 3)
    for size in range(6, len(message)):
        row = flows_of(write_pcap(tmp_path / f"{size}.pcap", [tcp(0, "PA", 9, message[:size], port)])).table.to_pylist()[0]
        assert all(row[name] in ("", whole[name]) for name in names), size


def test_an_exception_is_read_where_tcp_cuts_before_it(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    cut = [(8 + n, part) for n, part in ((0, MODBUS_REFUSAL[:8]), (8, MODBUS_REFUSAL[8:]))]
    packets = [tcp(0, "PA", 9, MODBUS_READ, 502), *(tcp(at, "PA", at, part, 502, is_answer=True) for at, part in cut)]
    row = flows_of(write_pcap(tmp_path / "refusal.pcap", packets)).table.to_pylist()[0]
    assert row["modbus_exception"] == 2


def test_a_status_of_more_than_three_digits_is_none(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    packets = [tcp(0, "PA", 9, HTTP, 80), tcp(1, "PA", 9, b"HTTP/1.1 99999 Odd\r\n\r\n", 80, is_answer=True)]
    row = flows_of(write_pcap(tmp_path / "status.pcap", packets)).table.to_pylist()[0]
    assert (row["http_host"], row["http_status"]) == ("www.example.org", -1)


def test_the_protocol_is_known_where_the_first_segment_was_lost(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    opened = [tcp(time, flags, 9 + time, port=502) for time, flags in enumerate(["S", "A", "A"])]
    row = flows_of(write_pcap(tmp_path / "lost.pcap", [*opened, tcp(3, "PA", 900, MODBUS_READ, 502)])).table.to_pylist()[0]
    assert (row["app"], row["modbus_unit"]) == ("modbus", 17)


@pytest.mark.parametrize("capture", sorted(CAPTURES.glob("*.pcap")), ids=lambda path: path.name)
def test_reading_payload_changes_no_other_column(capture: Path, flows_of: Callable[..., Flows]) -> None:
    on, off = flows_of(capture).table, flows_of(capture, parse_applications=False).table
    said = [name for name in DETAILS if not name.startswith("gap_bytes")]
    assert on.drop_columns(said).equals(off.drop_columns(said))
    assert set(off.column("app").to_pylist()) == {""}


@pytest.mark.parametrize(("strangers", "app"), [(0, "quic"), (1, "quic"), (3, "quic"), (4, "")])
def test_quic_is_known_behind_datagrams_of_another_kind(
    strangers: int, app: str, tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw
    from scapy.utils import rdpcap

    first = bytes(rdpcap(str(CAPTURES / "quic2.pcap"))[0])
    packet = Ether(first)
    ports = UDP(sport=packet[UDP].sport, dport=packet[UDP].dport)
    stranger = Ether() / IP(src=packet[IP].src, dst=packet[IP].dst) / ports / Raw(b"x")
    frames = [bytes(stranger)] * strangers + [first]
    capture = write_pcap(tmp_path / "quic.pcap", [(START_US + i, frame) for i, frame in enumerate(frames)])
    (row,) = flows_of(capture).table.to_pylist()
    assert (row["app"], bool(row["quic_version"])) == (app, bool(app))
