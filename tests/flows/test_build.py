"""What build() promises whatever the traffic: same packets, same rows; nothing lost; nothing infinite."""

import gzip
import math
import resource
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir import _native
from weir.errors import CaptureError, SettingsError
from weir.flows.build import Flows, stream
from weir.schema import FLOWS, US_PER_S, arrow_schema
from weir.settings import LONGEST_TIMEOUT_S, MB_PER_TB, FlowSettings

GOLDEN = Path(__file__).parents[1] / "golden"
CAPTURES = [GOLDEN / "flows.pcap", *sorted((GOLDEN / "truth").rglob("*.pcap"))]
REFEREED = [path for path in CAPTURES if path.name not in ("Teredo.pcap", "flows.pcap")]
START_US = 1_772_442_000_000_000
FORMATS = {"int64": "l", "int32": "i", "float64": "g", "string": "u"}
LINEAGE = ["segment_index", "first_offset"]
HEADER_BYTES = 24


def records(path: Path) -> list[bytes]:
    """The records of a classic little-endian pcap, headers included."""
    data, at, out = path.read_bytes(), HEADER_BYTES, []
    while at < len(data):
        end = at + 16 + struct.unpack_from("<I", data, at + 8)[0]
        out.append(data[at:end])
        at = end
    return out


def without_lineage(flows: Flows) -> pa.Table:
    """All columns but those that say where the packets lay."""
    return flows.table.drop_columns(LINEAGE)


def test_the_core_has_exactly_the_columns_of_the_schema() -> None:
    assert _native.schema() == [(column.name, FORMATS[column.dtype]) for column in FLOWS]


def test_the_table_has_the_schema_with_units(flows_of: Callable[..., Flows]) -> None:
    assert flows_of(GOLDEN / "flows.pcap").table.schema.equals(arrow_schema(FLOWS), check_metadata=True)


def test_columns_reach_arrow_without_a_copy() -> None:
    golden = [str(GOLDEN / "flows.pcap")]
    batch = _native.build_flows(golden, idle_timeout_us=10**8, active_timeout_us=10**9, memory_bytes=1 << 24)
    once, again = pa.record_batch(batch), pa.record_batch(batch)
    addresses = [[buffer.address for buffer in column.buffers() if buffer] for column in once.columns]
    assert addresses == [[buffer.address for buffer in column.buffers() if buffer] for column in again.columns]
    assert len(batch) == once.num_rows
    del batch, again
    assert once.validate(full=True) is None


def test_no_capture_gives_an_empty_table(flows_of: Callable[..., Flows]) -> None:
    flows = flows_of()
    assert flows.table.num_rows == 0
    assert set(flows.counts.values()) == {0}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_every_packet_has_one_outcome_and_every_value_is_finite(
    capture: Path, flows_of: Callable[..., Flows], assert_balanced: Callable[[Flows], None]
) -> None:
    flows = flows_of(capture)
    assert_balanced(flows)
    for column in FLOWS:
        values = flows.table[column.name].to_pylist()
        if column.dtype != "string":
            assert all(math.isfinite(value) for value in values), column.name
            assert all(column.low is None or value >= column.low for value in values), column.name
            assert all(column.high is None or value <= column.high for value in values), column.name


@pytest.mark.parametrize("capture", REFEREED, ids=lambda path: path.name)
def test_the_referee_finds_the_same_values(
    capture: Path, referee: ModuleType, flows_of: Callable[..., Flows], assert_same_rows: Callable[..., None]
) -> None:
    wanted = referee.flows(referee.read(capture), 120 * 1_000_000, 1800 * 1_000_000)
    assert wanted
    assert_same_rows(flows_of(capture).table.to_pylist(), wanted)


STEPS_US = [0, 0, 1, 500, 40_000, 999_999, 1_000_000, 1_000_001, 4_999_999, 5_000_001, 31_000_000, -700, -2_000_000]
packet_ideas = st.lists(
    st.tuples(
        st.sampled_from(STEPS_US),
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from([1000, 2000, 443]),
        st.sampled_from([443, 53]),
        st.sampled_from(["tcp", "tcp", "tcp", "udp", "icmp", "other"]),
        st.sampled_from(["S", "SA", "A", "PA", "PA", "FA", "R", "RA", "UEC"]),
        st.sampled_from([0, 0, 1, 100, 1_400]),
    ),
    min_size=1,
    max_size=60,
)


def frames(ideas: list[tuple[int, int, int, int, int, str, str, int]]) -> list[tuple[int, bytes]]:
    """Packets between a few hosts, with times that mostly go forward."""
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw

    time, out = START_US, []
    for step, source, destination, low, high, kind, flags, size in ideas:
        time += step
        ports = {"sport": low, "dport": high} if source <= destination else {"sport": high, "dport": low}
        transport = {
            "tcp": TCP(flags=flags, seq=(2**32 - 2_000 + 700 * (len(out) // 2) + step) % 2**32, window=size // 2, **ports),
            "udp": UDP(**ports),
            "icmp": ICMP(type=8, code=source),
            "other": Raw(b""),
        }[kind]
        ip = IP(src=f"10.0.0.{source}", dst=f"10.0.0.{destination}", **({"proto": 89} if kind == "other" else {}))
        out.append((time, bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ip / transport / Raw(b"x" * size))))
    return out


@given(packet_ideas, st.sampled_from([60, 2]))
@settings(max_examples=120, deadline=None)
def test_the_referee_agrees_on_generated_traffic(
    tmp_path_factory: pytest.TempPathFactory,
    referee: ModuleType,
    flows_of: Callable[..., Flows],
    write_pcap: Callable[..., Path],
    assert_same_rows: Callable[..., None],
    ideas: list[tuple[int, int, int, int, int, str, str, int]],
    active_s: int,
) -> None:
    capture = write_pcap(tmp_path_factory.getbasetemp() / "generated.pcap", frames(ideas))
    flows = flows_of(capture, idle_timeout_s=30, active_timeout_s=active_s)
    assert_same_rows(flows.table.to_pylist(), referee.flows(referee.read(capture), 30_000_000, active_s * 1_000_000))


@given(packet_ideas, st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_a_capture_cut_in_two_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory,
    flows_of: Callable[..., Flows],
    write_pcap: Callable[..., Path],
    ideas: list[tuple[int, int, int, int, int, str, str, int]],
    cut: int,
) -> None:
    folder, packets = tmp_path_factory.getbasetemp(), frames(ideas)
    whole = flows_of(write_pcap(folder / "whole.pcap", packets))
    halves = flows_of(write_pcap(folder / "first.pcap", packets[:cut]), write_pcap(folder / "second.pcap", packets[cut:]))
    assert without_lineage(halves).equals(without_lineage(whole))
    assert halves.counts == whole.counts


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_compressed_captures_give_the_same_table(capture: Path, tmp_path: Path, flows_of: Callable[..., Flows]) -> None:
    whole = flows_of(capture)
    plain = capture.read_bytes()
    half = len(plain) // 2
    zipped = tmp_path / "a.pcap.gz"
    zipped.write_bytes(gzip.compress(plain[:half]) + gzip.compress(plain[half:]))
    packed = tmp_path / "a.pcap.zst"
    packed.write_bytes(b"".join(pa.compress(part, "zstd", asbytes=True) for part in (plain[:half], plain[half:])))
    for compressed in (zipped, packed):
        flows = flows_of(compressed)
        assert flows.table.equals(whole.table)
        assert flows.counts == whole.counts


def as_pcapng(path: Path, order: str, ticks: int) -> bytes:
    """The capture as pcapng of the given byte order and ticks per second (a power of ten)."""

    def block(kind: int, body: bytes) -> bytes:
        body += b"\0" * (-len(body) % 4)
        size = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + size + body + size

    link_type = struct.unpack_from("<I", path.read_bytes(), 20)[0]
    resolution = struct.pack(order + "HHB3xHH", 9, 1, len(str(ticks)) - 1, 0, 0)
    out = [
        block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(0x0BAD, b"a block of a kind that nobody knows"),
        block(1, struct.pack(order + "HHI", link_type, 0, 0) + resolution),
    ]
    for record in records(path):
        seconds, micros, captured, length = struct.unpack_from("<IIII", record)
        time = (seconds * 1_000_000 + micros) * ticks // 1_000_000
        fixed = struct.pack(order + "IIIII", 0, time >> 32, time & 0xFFFFFFFF, captured, length)
        out.append(block(6, fixed + record[16:]))
    return b"".join(out)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ticks", [10**6, 10**9])
def test_pcapng_gives_the_same_rows_as_pcap(order: str, ticks: int, tmp_path: Path, flows_of: Callable[..., Flows]) -> None:
    for capture in REFEREED[:4]:
        copy = tmp_path / "a.pcapng"
        copy.write_bytes(as_pcapng(capture, order, ticks))
        assert without_lineage(flows_of(copy)).equals(without_lineage(flows_of(capture)))


def as_other_pcap(path: Path, order: str, kind: str) -> bytes:
    """The capture in another byte order, in nanoseconds, or with the longer records of modified pcap."""
    magic = {"micro": 0xA1B2C3D4, "nano": 0xA1B23C4D, "modified": 0xA1B2CD34}[kind]
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, struct.unpack_from("<I", path.read_bytes(), 20)[0])]
    for record in records(path):
        seconds, micros, captured, length = struct.unpack_from("<IIII", record)
        fraction = micros * 1_000 + 999 if kind == "nano" else micros
        out.append(struct.pack(order + "IIII", seconds, fraction, captured, length))
        out.append(b"\0" * 8 if kind == "modified" else b"")
        out.append(record[16:])
    return b"".join(out)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["micro", "nano", "modified"])
def test_all_kinds_of_pcap_give_the_same_rows(order: str, kind: str, tmp_path: Path, flows_of: Callable[..., Flows]) -> None:
    copy = tmp_path / "a.pcap"
    for capture in CAPTURES[:3]:
        copy.write_bytes(as_other_pcap(capture, order, kind))
        assert without_lineage(flows_of(copy)).equals(without_lineage(flows_of(capture)))


def test_packets_of_one_moment_keep_their_order(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path]
) -> None:
    turns = ((0, "S"), (1, "SA"), (0, "A"), (0, "FA"), (1, "FA"))
    ideas = [(0, host, 1 - host, 1000, 443, "tcp", flags, 0) for host, flags in turns]
    row = flows_of(write_pcap(tmp_path / "a.pcap", frames(ideas))).table.to_pylist()[0]
    assert (row["src_ip"], row["packets_fwd"], row["packets_bwd"], row["duration_us"]) == ("10.0.0.0", 3, 2, 0)
    assert row["end_reason"] == "finished"


def test_a_small_table_exports_the_oldest_flows_and_loses_no_packet(
    tmp_path: Path, flows_of: Callable[..., Flows], write_pcap: Callable[..., Path], assert_balanced: Callable[[Flows], None]
) -> None:
    plain = frames([(0, 0, 1, 1000, 443, "udp", "A", 10)])[0][1]
    flood = [(START_US + i, plain[:26] + struct.pack(">I", 0x0B000000 + i) + plain[30:]) for i in range(60_000)]
    flood += [(START_US + 70_000 + i, data) for i, (_, data) in enumerate(flood[-100:])]
    flows = flows_of(write_pcap(tmp_path / "a.pcap", flood), memory_mb=16)
    assert_balanced(flows)
    rows = flows.table.to_pylist()
    full = [row for row in rows if row["end_reason"] == "table_full"]
    assert 20_000 < len(full) < 60_000
    assert [row["start_us"] for row in full] == [START_US + i for i in range(len(full))]
    assert sum(row["packets_fwd"] == 2 for row in rows) == 100


def test_the_same_capture_gives_the_same_bytes_again(flows_of: Callable[..., Flows]) -> None:
    tables = [flows_of(*CAPTURES[:3]).table for _ in range(3)]
    assert tables[0].equals(tables[1])
    assert tables[1].equals(tables[2])


def test_a_cut_capture_is_read_up_to_the_cut(tmp_path: Path, flows_of: Callable[..., Flows]) -> None:
    whole = (GOLDEN / "flows.pcap").read_bytes()
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(whole[:-10])
    counts = flows_of(cut).counts
    assert counts["read"] == len(records(GOLDEN / "flows.pcap")) - 1
    assert counts["odd_truncated_tail"] == 1


def test_a_broken_capture_is_refused_with_name_place_and_advice(tmp_path: Path, flows_of: Callable[..., Flows]) -> None:
    broken = tmp_path / "broken.pcap"
    broken.write_bytes((GOLDEN / "flows.pcap").read_bytes()[:24] + struct.pack("<IIII", 0, 0, 1 << 31, 60) + b"x" * 60)
    with pytest.raises(CaptureError, match=rf"{broken}:24: record claims 2147483648 bytes.*editcap"):
        flows_of(broken)
    with pytest.raises(CaptureError, match=r"none.pcap: cannot be opened: No such file or directory; check"):
        flows_of(tmp_path / "none.pcap")
    with pytest.raises(CaptureError, match="is a folder"):
        flows_of(tmp_path)
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
        flows_of(broken)
    broken.write_bytes(gzip.compress((GOLDEN / "flows.pcap").read_bytes())[:100] + b"\xff" * 100)
    with pytest.raises(CaptureError, match="compressed data is broken"):
        flows_of(broken)


def test_an_empty_file_is_no_error(tmp_path: Path, flows_of: Callable[..., Flows]) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(b"")
    flows = flows_of(empty)
    assert (flows.table.num_rows, flows.counts["odd_empty_file"]) == (0, 1)


@pytest.mark.parametrize("name", ["idle_timeout_s", "active_timeout_s"])
def test_timeouts_beyond_an_hour_are_refused_by_the_name_and_unit_of_the_setting(
    name: str, flows_of: Callable[..., Flows]
) -> None:
    with pytest.raises(SettingsError, match=rf"flows\.{name}: 3601 is outside 1 to 3600"):
        flows_of(GOLDEN / "flows.pcap", **{name: 3601})
    with pytest.raises(SettingsError, match=rf"flows\.{name}: 3601 is outside 1 to 3600"):
        stream([GOLDEN / "flows.pcap"], FlowSettings(**{name: 3601}), lambda _: None)


@pytest.mark.parametrize("name", ["idle_timeout_us", "active_timeout_us"])
def test_the_core_takes_timeouts_up_to_the_bound_of_the_settings(name: str) -> None:
    limits = {"idle_timeout_us": 10**8, "active_timeout_us": 10**9, "memory_bytes": 1 << 24}
    longest_us = LONGEST_TIMEOUT_S * US_PER_S
    assert len(_native.build_flows([], **{**limits, name: longest_us})) == 0
    with pytest.raises(ValueError, match=f"{name} is {longest_us + 1} us, but must lie within 1 and {longest_us}"):
        _native.build_flows([], **{**limits, name: longest_us + 1})


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("idle_timeout_us", 10**20, "is 100000000000000000000, but must lie within 1 and 3600000000"),
        ("active_timeout_us", -(10**20), "is -100000000000000000000, but must lie within 1 and 3600000000"),
        ("memory_bytes", 10**20, "is 100000000000000000000, but must lie within 1048576 and"),
        ("memory_bytes", -1, "is -1, but must lie within 1048576 and"),
    ],
)
def test_numbers_beyond_64_bits_are_refused_by_name(name: str, given: int, words: str) -> None:
    limits = {"idle_timeout_us": 10**8, "active_timeout_us": 10**9, "memory_bytes": 1 << 24}
    with pytest.raises(ValueError, match=f"{name} {words}"):
        _native.build_flows([], **{**limits, name: given})
    with pytest.raises(ValueError, match=f"{name} {words}"):
        _native.stream_flows([], lambda _: None, **{**limits, name: given})


def test_a_limit_that_is_no_whole_number_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        _native.build_flows([], idle_timeout_us=1.5, active_timeout_us=10**9, memory_bytes=1 << 24)  # type: ignore[arg-type]


@pytest.fixture
def short_of_memory() -> Iterator[None]:
    """A process that may take 64 GB of addresses, much more than the tests do and less than the largest flow table."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 36, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.usefixtures("short_of_memory")
def test_a_table_for_which_there_is_no_memory_is_refused_with_advice(flows_of: Callable[..., Flows]) -> None:
    with pytest.raises(SettingsError, match=r"flows\.memory_mb: memory ran out with 1048576 MB .* set less in params.yaml"):
        flows_of(GOLDEN / "flows.pcap", memory_mb=MB_PER_TB)
    with pytest.raises(SettingsError, match=r"flows\.memory_mb: memory ran out with 1048576 MB .* set less in params.yaml"):
        stream([GOLDEN / "flows.pcap"], FlowSettings(memory_mb=MB_PER_TB), lambda _: None)


@pytest.mark.public_data
def test_public_captures_balance_or_are_refused_with_a_reason(
    public_data: Path, flows_of: Callable[..., Flows], assert_balanced: Callable[[Flows], None]
) -> None:
    captures = [path for path in sorted((public_data / "pcap").rglob("*")) if path.is_file() and path.suffix != ".csv"]
    refused = {}
    for capture in captures:
        try:
            assert_balanced(flows_of(capture))
        except CaptureError as error:
            refused[capture] = str(error)
    assert len(captures) > 100
    assert all(reason.startswith(f"{capture}:") for capture, reason in refused.items())
    assert [capture.name for capture in refused] == [
        "libpcap__pcap-invalid-version-1.pcap",
        "libpcap__pcapng-invalid-vers-1.pcapng",
        "libpcap__shb-option-too-long.pcapng",
        "ndpi__fuzz-2021-10-13.pcap",
        "suricata__tls_DER-incomplete-header.pcap",
    ]
