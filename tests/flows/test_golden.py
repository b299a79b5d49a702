"""A small capture of our own gives exactly the rows in tests/golden/flows.csv."""

import csv
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from weir.flows.build import Flows
from weir.schema import FLOWS

GOLDEN = Path(__file__).parents[1] / "golden"
PARSERS = {"int64": int, "int32": int, "float64": float, "string": str}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that makes the golden files."""
    spec = importlib.util.spec_from_file_location("golden_flows", GOLDEN / "flows.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_capture_is_what_its_script_makes(maker: ModuleType) -> None:
    assert (GOLDEN / "flows.pcap").read_bytes() == maker.capture()


def test_the_rows_are_exactly_the_golden_ones(flows_of: Callable[..., Flows]) -> None:
    lines = (GOLDEN / "flows.csv").read_text().splitlines()[1:]
    wanted = {name: values for name, *values in csv.reader(lines)}
    table = flows_of(GOLDEN / "flows.pcap").table
    assert table.column_names == list(wanted)
    for column in FLOWS:
        assert table[column.name].to_pylist() == [PARSERS[column.dtype](value) for value in wanted[column.name]], column.name


def test_arp_is_the_only_packet_set_aside(maker: ModuleType, flows_of: Callable[..., Flows]) -> None:
    counts = flows_of(GOLDEN / "flows.pcap").counts
    sent = len(maker.packets())
    assert {name: n for name, n in counts.items() if n} == {"read": sent, "accepted": sent - 1, "non_ip": 1}
