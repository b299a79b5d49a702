"""A log shows that something still happens."""

import io
import re

from weir.site import progress
from weir.site.progress import Progress


def test_each_stage_leaves_one_line_with_its_duration():
    out = io.StringIO()
    with Progress(out).stage("start PostgreSQL"):
        pass
    assert re.fullmatch(r"\d+:\d\d  start PostgreSQL \(\d+ s\)\n", out.getvalue())


def test_a_long_stage_says_what_it_waits_for_now_and_then(monkeypatch):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    out = io.StringIO()
    told = Progress(out)
    with told.stage("train"):
        for _ in range(20):
            told.waits_for("weir_3_train (train)")
    lines = out.getvalue().splitlines()
    assert 2 < len(lines) < 12
    assert "train … " in lines[0]
    assert "s, waiting for weir_3_train (train)" in lines[0]


def test_square_brackets_in_words_are_printed_as_they_are():
    out = io.StringIO()
    Progress(out).say("10.0.0.5 [red]")
    assert out.getvalue() == "10.0.0.5 [red]\n"
