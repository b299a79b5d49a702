"""Parsers of one's own: they add columns, and whatever they do wrong costs no flow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weir import jobs
from weir.errors import SettingsError
from weir.flows.build import Flows
from weir.flows.plugins import Conversation, load, without_plugin_columns
from weir.jobs.keys import flows_key, site_store
from weir.schema import FLOWS, arrow_schema
from weir.store import get_table

COAP = Path(__file__).parents[2] / "examples" / "parsers" / "coap.py"
START_US = 1_772_442_000_000_000
GET = bytes.fromhex("48010001") + b"\x01" * 8 + b"\xb7sensors\x04temp"
CONTENT = bytes.fromhex("68450001") + b"\x01" * 8 + b"\xff21.5"

NOISY = """
from weir.schema import Column
NAME, PROTOCOL, PORTS = "noisy", 17, (5683,)
COLUMNS = (
    Column("noisy_n", "int32", "", "a number"),
    Column("noisy_share", "float64", "", "a share"),
    Column("noisy_text", "string", "", "a text"),
)
def parse(flow):
    {body}
"""


def udp(time: int, payload: bytes, port: int = 5683, is_answer: bool = False, client: int = 40_000) -> tuple[int, bytes]:
    """A frame of one UDP conversation."""
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw

    ends = IP(src="10.0.0.2", dst="10.0.0.1") if is_answer else IP(src="10.0.0.1", dst="10.0.0.2")
    ports = {"sport": port, "dport": client} if is_answer else {"sport": client, "dport": port}
    return START_US + time, bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ends / UDP(**ports) / Raw(payload))


@pytest.fixture
def capture(tmp_path: Path, write_pcap: Callable[..., Path]) -> Path:
    """A CoAP request with its answer, and a flow on another port."""
    packets = [udp(0, GET), udp(9, CONTENT, is_answer=True), udp(20, b"other", port=9_999)]
    return write_pcap(tmp_path / "coap.pcap", packets)


def plugin(folder: Path, body: str) -> str:
    """A plug-in whose parser does this."""
    path = folder / "noisy.py"
    path.write_text(NOISY.format(body=body))
    return str(path)


def test_the_sample_adds_its_columns(capture: Path, flows_of: Callable[..., Flows]) -> None:
    table = flows_of(capture, plugins=(str(COAP),)).table
    said = {row["dst_port"]: [row[name] for name in ("coap_method", "coap_path", "coap_answer")] for row in table.to_pylist()}
    assert said == {5683: ["GET", "/sensors/temp", "2.05"], 9_999: [None, None, None]}
    assert table.schema.field("coap_path").metadata[b"plugin"] == b"coap"


def test_a_plug_in_changes_none_of_the_cores_columns(capture: Path, flows_of: Callable[..., Flows]) -> None:
    with_plugin, without = flows_of(capture, plugins=(str(COAP),)).table, flows_of(capture).table
    assert without_plugin_columns(with_plugin).equals(without)
    assert without.schema.equals(arrow_schema(FLOWS))


def test_columns_of_plug_ins_stand_in_the_file_that_weir_flows_writes(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"flows:\n  plugins: ['{COAP}']\n")
    jobs.flows_to_file([capture], tmp_path / "flows.parquet")
    assert "/sensors/temp" in pq.read_table(tmp_path / "flows.parquet").column("coap_path").to_pylist()


def test_what_a_plug_in_raises_is_counted_and_costs_no_flow(
    capture: Path, tmp_path: Path, flows_of: Callable[..., Flows], assert_balanced: Callable[[Flows], None]
) -> None:
    flows = flows_of(capture, plugins=(plugin(tmp_path, "raise ZeroDivisionError"),))
    assert flows.counts["odd_plugin_noisy_ZeroDivisionError"] == 1
    assert flows.table.column("noisy_n").to_pylist() == [None, None]
    assert_balanced(flows)


@pytest.mark.parametrize(
    ("body", "kind"),
    [("raise SystemExit(0)", "SystemExit"), ("__import__('sys').exit()", "SystemExit"), ("raise GeneratorExit", "GeneratorExit")],
)
def test_a_plug_in_cannot_end_the_run(
    body: str, kind: str, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin(tmp_path, body)
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("flows:\n  plugins: [noisy.py]\n")
    counts = jobs.flows_to_file([capture], tmp_path / "flows.parquet")
    assert counts[f"odd_plugin_noisy_{kind}"] == 1
    assert len(pq.read_table(tmp_path / "flows.parquet")) == 2


def test_whoever_runs_a_plug_in_can_end_the_run(capture: Path, tmp_path: Path, flows_of: Callable[..., Flows]) -> None:
    with pytest.raises(KeyboardInterrupt):
        flows_of(capture, plugins=(plugin(tmp_path, "raise KeyboardInterrupt"),))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("{'noisy_n': 'many'}", "TypeError"),
        ("{'noisy_n': 2**31}", "ValueError"),
        ("{'noisy_n': True}", "TypeError"),
        ("{'noisy_n': 1.0}", "TypeError"),
        ("{'noisy_share': float('nan')}", "ValueError"),
        ("{'noisy_share': float('-inf')}", "ValueError"),
        ("{'noisy_share': 10**400}", "OverflowError"),
        ("{'noisy_text': flow.fwd}", "TypeError"),
        ("{'noisy_text': 7}", "TypeError"),
        ("{'undeclared': 1}", "KeyError"),
        ("7", "AttributeError"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_counted(
    said: str, kind: str, capture: Path, tmp_path: Path, flows_of: Callable[..., Flows]
) -> None:
    flows = flows_of(capture, plugins=(plugin(tmp_path, f"return {said}"),))
    assert flows.counts[f"odd_plugin_noisy_{kind}"] == 1
    assert len(flows.table) == 2


def test_text_of_a_plug_in_is_made_safe(capture: Path, tmp_path: Path, flows_of: Callable[..., Flows]) -> None:
    flows = flows_of(capture, plugins=(plugin(tmp_path, "return {'noisy_text': '\\x1b[31m' + 'x' * 999}"),))
    text = flows.table.column("noisy_text").drop_null().to_pylist()[0]
    assert text.startswith("\ufffd[31m")
    assert len(text) == 255


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (2, 0, 1, 3)], ids=str)
def test_a_plug_in_sees_the_bytes_in_order_up_to_the_first_gap(
    order: tuple[int, ...], tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw

    def segment(time: int, sequence: int, payload: bytes, flags: str = "PA") -> tuple[int, bytes]:
        ends = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags=flags, sport=40_000, dport=5683, seq=sequence)
        return START_US + time, bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ends / Raw(payload))

    said = [(1, b"one "), (1, b"one "), (5, b"two "), (900, b"lost")]
    opened = [segment(0, 0, b"", "S"), segment(1, 1, b"", "A")]
    packets = opened + [segment(2 + time, *said[which]) for time, which in enumerate(order)]
    path = tmp_path / "noisy.py"
    path.write_text(NOISY.format(body="return {'noisy_text': flow.fwd.decode()}").replace(" 17,", " 6,"))
    flows = flows_of(write_pcap(tmp_path / "tcp.pcap", packets), plugins=(str(path),))
    assert flows.table.column("noisy_text").to_pylist() == ["one two "]


def test_rows_keep_their_payloads_when_batches_are_many(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    packets = [udp(10 * n, n.to_bytes(4, "big"), client=1_000 + n) for n in range(20_000)]
    path = tmp_path / "noisy.py"
    path.write_text(NOISY.format(body="return {'noisy_n': int.from_bytes(flow.fwd)}"))
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("flows:\n  plugins: [noisy.py]\n")
    jobs.flows_to_file([write_pcap(tmp_path / "many.pcap", packets)], tmp_path / "flows.parquet")
    table = pq.read_table(tmp_path / "flows.parquet")
    assert len(table) == 20_000
    assert [port - 1_000 for port in table.column("src_port").to_pylist()] == table.column("noisy_n").to_pylist()


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "cannot be imported": (lambda _: "import nothing_of_this_name", "cannot be imported"),
    "ends the run": (lambda _: "raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
    "lacks a name": (lambda text: text.replace("PORTS", "PORT"), "lacks PORTS"),
    "column of another": (lambda text: text.replace('"noisy_n"', '"bytes_fwd"'), "columns are called noisy_"),
    "name of the core": (lambda text: text.replace('"noisy"', '"app"'), "columns are called app_"),
    "type of a column": (lambda text: text.replace('"int32"', '"bigint"'), "'bigint' is no type of a column; give string"),
    "port out of range": (lambda text: text.replace("5683", "70000"), "at least one port"),
    "port alone": (lambda text: text.replace("(5683,)", "5683"), "PORTS is 5683, but must be a tuple of at least one port"),
    "port as text": (lambda text: text.replace("5683", "'5683'"), "PORTS is .* at least one port"),
    "no port": (lambda text: text.replace("(5683,)", "()"), "at least one port"),
    "protocol as text": (lambda text: text.replace("17", "'udp'"), "PROTOCOL is 'udp', but must be an IP protocol number"),
    "name as number": (lambda text: text.replace('"noisy",', "7,"), "NAME is 7, but must be small letters"),
    "column without a type": (lambda text: text + "COLUMNS = ('noisy_n',)", "COLUMNS is .* weir.schema.Column"),
    "column alone": (lambda text: text + "COLUMNS = COLUMNS[0]", "COLUMNS is .* weir.schema.Column"),
    "unit as number": (lambda text: text.replace('"", "a number"', '1, "a number"'), "COLUMNS is .* as text"),
    "no function": (lambda text: text + "parse = 5", "parse is 5, but must be a function"),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_a_plug_in_that_cannot_work_is_refused_with_its_reason(case: str, tmp_path: Path) -> None:
    change, words = BROKEN[case]
    path = tmp_path / "noisy.py"
    path.write_text(change(NOISY.format(body="return {}")))
    with pytest.raises(SettingsError, match=words):
        load([str(path)])


@pytest.mark.parametrize("text", ["import nothing_of_this_name", "raise SystemExit(0)"])
def test_an_installed_plug_in_that_cannot_be_imported_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weir_sample_that_fails.py").write_text(text)
    installed = tmp_path / "sample-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[weir.parsers]\nsample = weir_sample_that_fails\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match=r"flows\.plugins: sample: cannot be imported: "):
        load(["sample"])


@pytest.mark.parametrize(("name", "words"), [("nowhere.py", "no such file"), ("unheard_of", "no such entry point")])
def test_a_plug_in_that_does_not_exist_is_refused(name: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load([name])


def test_one_plug_in_cannot_be_named_twice() -> None:
    with pytest.raises(SettingsError, match="declared twice"):
        load([str(COAP), str(COAP)])


def test_the_sample_reads_cut_messages_without_an_error() -> None:
    wanted: Any = load([str(COAP)])[0]
    for size in range(len(GET) + 1):
        wanted.parse(Conversation(17, "", "", 1, 5683, GET[:size], CONTENT[:size]))


def test_columns_of_plug_ins_are_null_where_nothing_was_said(capture: Path, flows_of: Callable[..., Flows]) -> None:
    field = flows_of(capture, plugins=(str(COAP),)).table.schema.field("coap_method")
    assert field.nullable
    assert field.type == pa.string()


def test_columns_of_plug_ins_lie_in_the_store_and_validation_judges_the_others(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = "lab/2026-03-02T09"
    (tmp_path / "great_expectations").symlink_to(COAP.parents[2] / "great_expectations")
    (tmp_path / "params.yaml").write_text(f"flows:\n  plugins: ['{COAP}']\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIR_HOME", str(tmp_path))
    monkeypatch.setenv("WEIR_STORE", str(tmp_path / "store"))
    jobs.flows_of_captures(unit, [capture])
    assert "/sensors/temp" in get_table(site_store(), flows_key(unit)).column("coap_path").to_pylist()
    jobs.features(unit)
    assert jobs.validate(unit)["flows"] == {"rows": 2, "good": 2, "refused": {}}
