"""Compares the flow core with other programs on public captures, and prints a table of what was equal and what was not.

    .venv/bin/python benchmarks/referees.py --public-data DIR              all referees
    .venv/bin/python benchmarks/referees.py --public-data DIR tshark zeek  some
    … --write                                                              puts the table into docs/referees.md

DIR is as docs/referees.md says. Each difference is of a kind that has an explanation; one that has none is printed, and ends
this with exit code 1. tshark is Debian's; nfstream comes into an environment of its own, in build/bench.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import by_nfstream
import by_published
import by_tshark
import tally
from processes import AbsentError

Compare = Callable[[Sequence[Path], Path, Path], list[tally.Tally]]
REFEREES: dict[str, Compare] = {
    "tshark": by_tshark.compare,
    "nfstream": by_nfstream.compare,
    "zeek": by_published.zeek,
    "ipfixprobe": by_published.ipfixprobe,
    "cicflowmeter": by_published.cicflowmeter,
}
ENDINGS = (".pcap", ".pcapng", ".cap", ".trace", ".pcap.gz", ".pcapng.gz", ".cap.gz")
PAGE = Path(__file__).parents[1] / "docs" / "referees.md"
BEGIN, END = "<!-- benchmarks/referees.py writes from here -->", "<!-- to here -->"


def chosen() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("referees", nargs="*", metavar="REFEREE", help=f"of {', '.join(REFEREES)}; default: all")
    parser.add_argument("--public-data", type=Path, required=True, metavar="DIR", help="captures and published results")
    parser.add_argument("--write", action="store_true", help="write the table to docs/referees.md")
    given = parser.parse_args()
    if unknown := sorted(set(given.referees) - set(REFEREES)):
        parser.error(f"{', '.join(unknown)}: no such referee; there are {', '.join(REFEREES)}")
    if not (given.public_data / "pcap").is_dir():
        parser.error(f"{given.public_data}: there is no folder pcap in it")
    if given.write and given.referees:
        parser.error("--write needs all referees")
    return given


def write(table: str) -> None:
    """Put the table into the page, between its marks."""
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}")


def main() -> int:
    """Compare, print, and say whether all is explained."""
    given = chosen()
    captures = sorted(path for path in (given.public_data / "pcap").rglob("*") if path.name.endswith(ENDINGS))
    tallies: list[tally.Tally] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.referees or REFEREES:
            try:
                tallies += REFEREES[name](captures, given.public_data, Path(folder))
            except AbsentError as why:
                print(f"{name}: absent: {why}", file=sys.stderr)
                return 2
    print(tally.table(tallies))
    for one in tallies:
        for words in one.unexplained:
            print(f"{one.referee}: {words}", file=sys.stderr)
    if given.write:
        write(tally.table(tallies))
    return int(any(one.unexplained or not one.is_sum() for one in tallies))


if __name__ == "__main__":
    sys.exit(main())
