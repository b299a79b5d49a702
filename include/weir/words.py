"""How Weir writes numbers and foreign text for people, in alerts, mails and reports.

Numbers get thousands separators and units. Text that came from outside (addresses, sensor names,
names inside packets) loses what could steer a terminal, a mail header or the reading direction.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime

US_PER_MS = 1_000
US_PER_S = 1_000_000
US_PER_MIN = 60 * US_PER_S
US_PER_H = 60 * US_PER_MIN
US_PER_DAY = 24 * US_PER_H

PROTOCOLS = {
    1: "ICMP",
    2: "IGMP",
    6: "TCP",
    17: "UDP",
    41: "IPv6 in IP",
    47: "GRE",
    50: "ESP",
    58: "ICMPv6",
    89: "OSPF",
    132: "SCTP",
}

SI_STEPS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
TEXT_LIMIT = 200  # characters; the longest lawful host name has 253, but nobody reads that far
ENCODED_WORD = re.compile(r"=\?|\?=")  # the two ends of an RFC 2047 word, which may hide CR and LF

# Invisible characters and those that turn the reading direction; categories alone would also
# catch the soft hyphen and tags, which nobody misses in a host name.
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: object, limit: int = TEXT_LIMIT) -> str:
    """Foreign text as one visible line: no control, direction or invisible characters, no lone surrogates.

    Each such character becomes U+FFFD, so that the reader sees something was there. Text longer
    than ``limit`` characters ends in an ellipsis.
    """
    whole = str(text)
    cut = whole[:limit]
    seen = "".join("\ufffd" if unicodedata.category(c) in _HIDDEN_CATEGORIES else c for c in cut)
    return seen + "…" if len(whole) > limit else seen


def header(text: object, limit: int = 100) -> str:
    """Text that may stand in a mail or SNS subject: printable ASCII, one line, no RFC 2047 words.

    Use it for words of our own; nothing that came out of a packet belongs in a header at all.
    """
    plain = "".join(c if " " <= c <= "~" else "?" for c in str(text))
    while ENCODED_WORD.search(plain):  # again, as taking one away may join the next
        plain = ENCODED_WORD.sub("", plain)
    return plain[:limit].strip()


def cell(text: object, limit: int = TEXT_LIMIT) -> str:
    """Text for a cell of a CSV file: a spreadsheet must not take it for a formula."""
    safe = clean(text, limit)
    return "'" + safe if safe[:1] in ("=", "+", "-", "@", "\ufffd") else safe


def number(value: float) -> str:
    """A number with thousands separators; at most three digits after the point where they tell something."""
    if not math.isfinite(value):
        return "unknown"
    if float(value).is_integer() and abs(value) < SI_STEPS[0][0]:
        return f"{int(value):,}"
    if abs(value) >= SI_STEPS[0][0] or abs(value) < 1e-3:
        return f"{value:.3g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def scaled(value: float, unit: str) -> str:
    """A quantity with a decimal prefix, such as ``1.25 MB``; below 1000 as it is."""
    if not math.isfinite(value):
        return "unknown"
    for step, prefix in SI_STEPS:
        if abs(value) >= step * 0.9995:  # 999,950 would round to 1000 kB
            return f"{value / step:.3g} {prefix}{unit}"
    return f"{number(round(value, 1))} {unit}"


def span(us: float) -> str:
    """A length of time, given in microseconds, such as ``23 s`` or ``2 h 5 min``."""
    if not math.isfinite(us):
        return "unknown"
    if abs(us) < US_PER_MS:
        return f"{us:.3g} µs"
    if abs(us) < US_PER_S:
        return f"{us / US_PER_MS:.3g} ms"
    if abs(us) < 2 * US_PER_MIN:
        return f"{us / US_PER_S:.3g} s"
    whole = round(abs(us) / US_PER_MIN)
    days, rest = divmod(whole, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    words = " ".join(f"{n:,} {name}" for n, name in parts if n)
    return "-" + words if us < 0 else words


def quantity(value: float, unit: str) -> str:
    """A number in the unit the schema gives it, such as ``1,994 ports``, ``23 s`` or ``1.2 MB``."""
    if unit == "us":
        return span(value)
    if unit in ("B", "B/s"):
        return scaled(value, unit)
    if unit == "1/s":
        return f"{number(value)} per second"
    if unit == "B^2":
        return f"{number(value)} B²"
    words = number(value)
    if value == 1 and unit.endswith("s"):
        unit = unit[:-1]
    return f"{words} {unit}".strip()


def moment(us: int, seconds: bool = False) -> str:
    """A time of microseconds since 1970, in UTC, to the minute or the second."""
    return datetime.fromtimestamp(us // US_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def plural(n: int, noun: str, many: str = "") -> str:
    """``1 alert``, ``2 alerts``, ``0 alerts``."""
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def protocol(number: int) -> str:
    """What an IP protocol is called; its number where few would know the name."""
    return PROTOCOLS.get(number, f"IP protocol {number}")
