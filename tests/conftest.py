"""What all tests share: the option that brings public data sets along."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Helpers that tests in several folders import, such as synthetic.py, and the benchmarks, which stand beside one another.
sys.path[:0] = [str(HERE), str(HERE.parent / "benchmarks")]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--public-data",
        metavar="DIR",
        type=Path,
        help="folder of public captures and reference results that cannot be shipped; docs/referees.md lists them",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--public-data") is not None:
        return
    left_out = [item for item in items if item.get_closest_marker("public_data")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("public_data")]


@pytest.fixture(scope="session")
def public_data(request: pytest.FixtureRequest) -> Path:
    """The folder given with --public-data."""
    folder = request.config.getoption("--public-data")
    assert folder.is_dir(), f"--public-data {folder}: no such folder"
    return Path(folder)
