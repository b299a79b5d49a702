import json
from pathlib import Path

import pytest

from weir.words import cell, clean, header, number, plural, protocol, quantity, scaled, span

HOSTILE: list[str] = [*json.loads((Path(__file__).parent / "hostile.json").read_text()), "a" * 65_536]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1994, "ports", "1,994 ports"),
        (1, "ports", "1 port"),
        (5.25, "hosts", "5.25 hosts"),
        (0, "B", "0 B"),
        (999, "B", "999 B"),
        (999_960, "B", "1 MB"),
        (812e6, "B", "812 MB"),
        (3_100.0, "B/s", "3.1 kB/s"),
        (0, "us", "0 µs"),
        (1_500, "us", "1.5 ms"),
        (23e6, "us", "23 s"),
        (12e9, "us", "3 h 20 min"),
        (-12e9, "us", "-3 h 20 min"),
        (2 * 86_400e6, "us", "2 d"),
        (12.0, "1/s", "12 per second"),
        (40.0, "B^2", "40 B²"),
        (0.9312, "", "0.931"),
        (17, "", "17"),
        (3.2e-5, "", "3.2e-05"),
        (float("nan"), "us", "unknown"),
        (float("inf"), "B", "unknown"),
        (float("nan"), "", "unknown"),
    ],
)
def test_a_quantity_is_written_with_its_unit(value: float, unit: str, words: str) -> None:
    assert quantity(value, unit) == words


def test_numbers_have_thousands_separators() -> None:
    assert [number(n) for n in (12_345_678, 12_345.6, 1.0, 0)] == ["12,345,678", "12,346", "1", "0"]
    assert [plural(n, "alert") for n in (0, 1, 2)] == ["0 alerts", "1 alert", "2 alerts"]
    assert plural(2, "entry", "entries") == "2 entries"
    assert scaled(1_234_567, "B") == "1.23 MB"
    assert span(90e6) == "90 s"
    assert (protocol(6), protocol(200)) == ("TCP", "IP protocol 200")


def test_the_list_of_hostile_strings_is_long() -> None:
    assert len(HOSTILE) >= 50


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_one_short_visible_line(text: str) -> None:
    seen = clean(text)
    assert len(seen) <= 201
    assert seen.isprintable()
    assert seen.encode().decode() == seen  # no lone surrogate is left
    assert clean(seen, 201) == seen


@pytest.mark.parametrize("text", HOSTILE)
def test_a_header_is_ascii_without_encoded_words(text: str) -> None:
    seen = header(f"Weir {text} report")
    assert len(seen) <= 100
    assert seen.isascii()
    assert seen.isprintable()
    assert "=?" not in seen
    assert "?=" not in seen


def test_taking_an_encoded_word_apart_does_not_make_a_new_one() -> None:
    assert "=?" not in header("==??x??==")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_no_formula(text: str) -> None:
    assert cell(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_plain_text_stays_as_it_is() -> None:
    assert clean("2001:db8::1") == cell("2001:db8::1") == header("2001:db8::1") == "2001:db8::1"
    assert clean("Größe 日本語") == "Größe 日本語"
