"""What the tests of flows share: the native core, the referee, and small captures."""

import importlib.util
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from weir.flows.build import Flows, build
from weir.settings import FlowSettings

Rows = list[dict[str, Any]]
GOLDEN = Path(__file__).parents[1] / "golden"
NEAR = 1e-9  # relative; sums are exact on both sides, only the last division and root are rounded


@pytest.fixture(scope="session")
def referee() -> ModuleType:
    """The second reading of the definitions, tests/flows/referee.py."""
    spec = importlib.util.spec_from_file_location("referee", Path(__file__).with_name("referee.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def flows_of() -> Callable[..., Flows]:
    """Build flows with the defaults, or with timeouts and memory given."""

    def run(*captures: Path, **settings: int) -> Flows:
        return build(captures, FlowSettings(**settings))

    return run


@pytest.fixture(scope="session")
def write_pcap() -> Callable[..., Path]:
    """Write a classic pcap of (time in us, frame) pairs."""

    def write(path: Path, packets: Iterable[tuple[int, bytes]], link_type: int = 1) -> Path:
        records = [struct.pack("<IIII", t // 1_000_000, t % 1_000_000, len(data), len(data)) + data for t, data in packets]
        path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link_type) + b"".join(records))
        return path

    return write


@pytest.fixture(scope="session")
def assert_balanced() -> Callable[[Flows], None]:
    """Every packet has one outcome, and every accepted one is in a flow."""

    def check(flows: Flows) -> None:
        counts = flows.counts
        aside = sum(n for name, n in counts.items() if name not in ("read", "accepted") and not name.startswith("odd_"))
        in_flows = sum(flows.table["packets_fwd"].to_pylist()) + sum(flows.table["packets_bwd"].to_pylist())
        assert counts["read"] == counts["accepted"] + aside
        assert counts["accepted"] == in_flows

    return check


@pytest.fixture(scope="session")
def assert_same_rows() -> Callable[[Rows, Rows], None]:
    """Two sets of rows agree in every column that the second one has, whatever their order."""

    def in_order(rows: Rows) -> Rows:
        return sorted(rows, key=lambda r: (r["start_us"], r["first_offset"]))

    def check(rows: Rows, wanted: Rows) -> None:
        assert len(rows) == len(wanted)
        for got, want in zip(in_order(rows), in_order(wanted), strict=True):
            for name, value in want.items():
                near = value if isinstance(value, str) else pytest.approx(value, rel=NEAR, abs=NEAR)
                assert got[name] == near, f"{name} of {want['src_ip']}:{want['src_port']}"

    return check
