"""The table of what was measured beside what was promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bench
import figures
import live
from figures import Figure
from processes import WrongError
from samples import MIX, STRESS

MET = Figure("P1", "a ratio", 21.04, 20, True, "×", "1.00 CPU s, peer 21.04")
MISSED = Figure("P5", "memory", 161.0, 160, False, "MB")
TOLD = Figure("P3", "only told", 3.0, None, True, "×")


def test_a_figure_is_met_on_the_right_side_of_its_promise() -> None:
    assert MET.verdict == "met"
    assert MISSED.verdict == "missed"
    assert Figure("", "", 20, 20, True, "").verdict == Figure("", "", 20, 20, False, "").verdict == "met"
    assert Figure("", "", 19.99, 20, True, "").verdict == "missed"
    assert TOLD.verdict == "–"


def test_a_line_shows_measured_and_promised_side_by_side() -> None:
    assert MET.line() == "| P1 | a ratio | 21.0 × (1.00 CPU s, peer 21.04) | at least 20 × | met |"
    assert MISSED.line() == "| P5 | memory | 161 MB | at most 160 MB | missed |"
    assert figures.absent("P3", "a peer", "not here").line() == "| P3 | a peer | not here |  | absent |"


@pytest.mark.parametrize(
    ("value", "words"), [(0.0529, "0.05 ms"), (9.06, "9.06 ms"), (31.64, "31.6 ms"), (3108.7, "3,109 ms"), (900, "900 ms")]
)
def test_numbers_show_three_figures_or_all_before_the_point(value: float, words: str) -> None:
    assert figures.number(value, "ms") == words


def test_only_a_missed_or_wrong_figure_falls_short() -> None:
    absent, wrong = figures.absent("P3", "a peer", "not here"), figures.wrong("P1", "a ratio", "lost | packets")
    assert not figures.falls_short([MET, TOLD, absent])
    assert figures.falls_short([MET, MISSED])
    assert figures.falls_short([MET, wrong])
    assert "lost / packets" in wrong.line()
    assert figures.summary([MET, absent, absent]) == "1 met, 2 absent"


@pytest.mark.parametrize(("figure", "code"), [(MET, 0), (MISSED, 1), (figures.absent("P1", "x", "y"), 0)])
def test_the_exit_code_says_whether_all_promises_were_kept(
    figure: Figure, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "MEASURES", {"P1": lambda mix, stress: iter([figure])})
    monkeypatch.setattr("sys.argv", ["bench", "P1"])
    assert bench.main() == code
    assert figure.line() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "target", "met", "verdict"),
    [(0.5, 0.6, True, "met"), (0.7, 0.6, False, "missed"), (1.2, None, None, "–"), (0, 0, None, "–"), (0, 0, False, "wrong")],
)
def test_a_line_of_live_capture_is_a_figure(value: float, target: float | None, met: bool | None, verdict: str) -> None:
    line = {
        "id": "P6",
        "what": "CPU",
        "value": value,
        "unit": "x",
        "target": target,
        "met": met,
        "details": {"sent": 1_000, "n": 1},
    }
    figure = live.figure(line)
    assert (figure.id, figure.verdict, figure.words) == ("P6", verdict, "1,000 sent")


def test_live_figures_are_absent_where_there_is_no_network_of_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "live_capture.py"
    script.write_text("import sys\nprint('live_capture: it needs root', file=sys.stderr)\nsys.exit(3)\n")
    monkeypatch.setattr(live, "SCRIPT", script)
    (figure,) = bench.measured("P6", MIX, STRESS)
    assert figure.verdict == "absent"
    assert "it needs root" in figure.line()


def test_a_measurement_that_fails_is_a_figure_that_falls_short(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(mix: object, stress: object) -> None:
        """P1: what it was about."""
        raise WrongError("packets are missing")

    monkeypatch.setattr(bench, "MEASURES", {"P1": fail})
    (figure,) = bench.measured("P1", MIX, STRESS)
    assert figure.line() == "| P1 | what it was about | packets are missing |  | wrong |"
    assert figures.falls_short([figure])


@pytest.mark.parametrize("words", [["P99"], ["--small", "--write"]])
def test_a_command_that_means_nothing_is_refused(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", *words])
    with pytest.raises(SystemExit, match="2"):
        bench.main()
    assert words[-1] in capsys.readouterr().err


def test_new_figures_take_the_place_of_old_ones_of_the_same_machine() -> None:
    old = figures.as_results("a machine", "yesterday", {"nfstream": "1.0"}, [MET, MISSED])
    again = Figure("P1", "a ratio", 30.0, 20, True, "×")
    new = figures.as_results("a machine", "today", {"argus": "3.0"}, [again])
    merged = figures.merged(old, new)
    assert [(figure.value, figure.when) for figure in figures.kept(merged)] == [(30.0, "today"), (161.0, "yesterday")]
    assert figures.days(figures.kept(merged)) == {"today": ["P1"], "yesterday": ["P5"]}
    assert merged["versions"] == {"nfstream": "1.0", "argus": "3.0"}
    elsewhere = figures.as_results("another machine", "today", {}, [again])
    assert [figure.value for figure in figures.kept(figures.merged(old, elsewhere))] == [30.0]


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_a_page_shows_the_figures_that_were_written_down(page: Path) -> None:
    text = page.read_text()
    assert figures.with_block(text, figures.block(figures.read())) == text, "bin/bench --write writes both; edit neither"


def test_the_readme_claims_no_speed_beside_its_table() -> None:
    text = figures.PAGES[0].read_text()
    around = text.split("## How fast", 1)[1].split("\n## ", 1)[0]
    words = around.split(figures.BEGIN)[0] + around.split(figures.END)[1]
    assert not re.search(r"\d", words), "numbers stand in the table only"
    elsewhere = text.replace(around, "")
    claim = re.search(r"(?i)fast|quick|speed|[mk]pps|packets (per|a) second|\d ?× ", elsewhere.replace("## How fast", ""))
    assert claim is None, f"{claim}: benchmarks/results.json does not say so"


def test_every_promise_has_a_figure_written_down_and_nothing_else_has() -> None:
    assert {figure.id for figure in figures.kept(figures.read())} == set(bench.MEASURES)


def test_the_help_names_every_promise_and_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--help"])
    with pytest.raises(SystemExit, match="0"):
        bench.main()
    shown = capsys.readouterr().out
    assert all(name in shown for name in bench.MEASURES)
    assert "minutes" in shown
