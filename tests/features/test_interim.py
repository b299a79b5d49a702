"""Rows that the active timeout cuts are parts of a conversation, and each packet is in one of them only."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from weir import schema
from weir.features.windows import windows
from weir.flows.build import build
from weir.settings import FlowSettings

CAPTURES = sorted((Path(__file__).parents[1] / "golden" / "truth").glob("*/*.pcap"))
LONGEST_S = 3_600
SUMS = ("packets_out", "packets_in", "bytes_out", "bytes_in")
FLAGS = ("flags_syn", "flags_ack", "flags_psh", "flags_fin")


def flows(active_s: int) -> pa.Table:
    """Flows of real captures, cut after so long."""
    settings = FlowSettings(active_timeout_s=active_s, idle_timeout_s=LONGEST_S)
    table = pa.concat_tables([build([path], settings).table for path in CAPTURES])
    hours = [schema.hour_of(start) for start in table["start_us"].to_pylist()]
    for name, values in (("sensor_id", ["lab"] * len(table)), ("hour", hours), ("segment", ["ab" * 32] * len(table))):
        table = table.append_column(name, pa.array(values, pa.string()))
    return table


def sums(table: pa.Table, names: tuple[str, ...]) -> dict[str, int]:
    """Sums of columns."""
    return {name: pc.sum(table[name]).as_py() for name in names}


@pytest.mark.parametrize("active_s", [1, 5])
def test_rows_cut_by_the_active_timeout_add_up_to_the_whole(active_s: int) -> None:
    whole, cut = flows(LONGEST_S), flows(active_s)
    assert "active" not in whole["end_reason"].to_pylist()
    assert cut["end_reason"].to_pylist().count("active") > 10
    assert len(cut) > len(whole)
    for quantity in ("packets", "bytes", "payload"):  # a later row may begin with the other side, so both count together
        names = (f"{quantity}_fwd", f"{quantity}_bwd")
        assert sum(sums(cut, names).values()) == sum(sums(whole, names).values())
    assert sums(cut, FLAGS) == sums(whole, FLAGS)


@pytest.mark.parametrize("active_s", [1, 5])
def test_windows_count_no_packet_of_a_cut_conversation_twice(active_s: int) -> None:
    cut = flows(active_s)
    seen = sums(windows(cut, 300), SUMS)
    assert seen == sums(windows(flows(LONGEST_S), 300), SUMS)
    packets = sum(sums(cut, ("packets_fwd", "packets_bwd")).values())
    assert seen["packets_out"] + seen["packets_in"] == 2 * packets  # once for the host that sent it, once for the one that got it
