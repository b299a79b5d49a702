"""Everything that can be turned, read once into one frozen object.

``params.yaml`` holds what a data scientist turns; the environment holds where things are and who
may. Each class below is one section of ``params.yaml``; its fields are the keys, with their
defaults. An unknown key is an error that names the nearest known one. ``docs/settings.md`` is
written from these classes.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from weir.errors import SettingsError

PARAMS_FILE = "params.yaml"
LONGEST_TIMEOUT_S = 3_600  # kLongestTimeoutUs of the flow core, capture_cpp/src/options.h
S_PER_HOUR = 3_600
MB_PER_TB = 1 << 20  # as a flow table, room for 1.5 billion flows at once; whoever writes more has erred in the unit


@dataclass(frozen=True)
class FlowSettings:
    """How packets become flows."""

    idle_timeout_s: int = field(
        default=120, metadata={"words": "a flow ends after this long without a packet, s", "low": 1, "high": LONGEST_TIMEOUT_S}
    )
    active_timeout_s: int = field(
        default=1800, metadata={"words": "a flow record is cut after this long, s", "low": 1, "high": LONGEST_TIMEOUT_S}
    )
    memory_mb: int = field(
        default=1024,
        metadata={
            "words": "cap of the flow table, about 700 B for each flow; the oldest flow is exported at the cap, MB",
            "low": 16,
            "high": MB_PER_TB,
        },
    )
    parse_applications: bool = field(
        default=True, metadata={"words": "whether the first payload bytes are read, for names, versions and entropy"}
    )
    plugins: tuple[str, ...] = field(
        default=(), metadata={"words": "parsers of your own that add columns: paths of .py files, or names of entry points"}
    )


@dataclass(frozen=True)
class WindowSettings:
    """How flows become window rows."""

    seconds: int = field(
        default=60, metadata={"words": "length of a window, s; an hour is a whole number of them", "low": 1, "high": S_PER_HOUR}
    )


@dataclass(frozen=True)
class TrainSettings:
    """How a model is fitted."""

    seed: int = field(default=7, metadata={"words": "seed of everything random in training"})
    flows_detector: str = field(default="auto", metadata={"words": "detector of the flows table, or auto: by the number of rows"})
    windows_detector: str = field(default="auto", metadata={"words": "detector of the windows table, or auto"})
    calibrate_share: float = field(
        default=0.4, metadata={"words": "latest share of the rows, held back to calibrate on", "low": 0.05, "high": 0.9}
    )
    rows_min: int = field(default=50, metadata={"words": "fewer rows of a table to fit or calibrate on: no model", "low": 10})
    rows_max: int = field(default=200_000, metadata={"words": "more rows are sampled down to this many for fitting", "low": 1000})


@dataclass(frozen=True)
class AlertSettings:
    """How many alerts an analyst wants to see."""

    budget_per_day: int = field(default=20, metadata={"words": "alerts a day and sensor", "low": 1})


@dataclass(frozen=True)
class DriftSettings:
    """When traffic counts as changed."""

    min_rows: int = field(default=500, metadata={"words": "fewer rows give the verdict insufficient data", "low": 50})
    pieces: int = field(default=12, metadata={"words": "calm pieces that a reference must be long enough for", "low": 5})
    z: float = field(default=4.0, metadata={"words": "a column drifts above this many deviations of the calm pieces", "low": 1})
    columns_min: int = field(default=2, metadata={"words": "drifting columns that make a drift, at least", "low": 1})
    columns_share: float = field(default=0.03, metadata={"words": "share of the columns that makes a drift", "low": 0, "high": 1})


@dataclass(frozen=True)
class PromoteSettings:
    """What a challenger must show before it becomes champion."""

    recall_floor: float = field(
        default=0.5, metadata={"words": "least recall on the frozen labelled replay set", "low": 0, "high": 1}
    )
    recall_tolerance: float = field(
        default=0.05, metadata={"words": "how much recall a challenger may lose against the champion", "low": 0, "high": 1}
    )
    budget_factor: float = field(
        default=2.0, metadata={"words": "alerts a day on normal traffic, as a multiple of the budget, that still pass", "low": 0}
    )


@dataclass(frozen=True)
class ReportSettings:
    """What reports hold."""

    top: int = field(default=10, metadata={"words": "lines in a table of the largest", "low": 1})


@dataclass(frozen=True)
class SiteSettings:
    """Where things are: from the environment, never from ``params.yaml``."""

    home: Path = field(
        default=Path(".local"), metadata={"env": "WEIR_HOME", "words": "folder for everything this machine writes"}
    )
    store: str = field(
        default="", metadata={"env": "WEIR_STORE", "words": "s3://bucket[/prefix] or a folder; default HOME/store"}
    )
    spool: Path = field(
        default=Path(), metadata={"env": "WEIR_SPOOL", "words": "folder the sensors write to; default HOME/spool"}
    )
    topic: str = field(
        default="", metadata={"env": "WEIR_SNS_TOPIC", "words": "ARN alerts are published to; empty: a file in HOME/outbox"}
    )
    mail_from: str = field(
        default="", metadata={"env": "WEIR_MAIL_FROM", "words": "sender of reports; empty: a file in HOME/outbox"}
    )
    mail_to: tuple[str, ...] = field(
        default=(), metadata={"env": "WEIR_MAIL_TO", "words": "recipients of reports, separated by commas"}
    )
    data: Path = field(default=Path("data"), metadata={"env": "WEIR_DATA", "words": "folder of the DVC stages' outputs"})


@dataclass(frozen=True)
class Settings:
    """All sections together."""

    flows: FlowSettings = FlowSettings()
    windows: WindowSettings = WindowSettings()
    train: TrainSettings = TrainSettings()
    alerts: AlertSettings = AlertSettings()
    drift: DriftSettings = DriftSettings()
    promote: PromoteSettings = PromoteSettings()
    report: ReportSettings = ReportSettings()
    site: SiteSettings = SiteSettings()


Section = TypeVar("Section")


def load(params: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read ``params.yaml`` (every key may be left out) and the environment.

    Raises
    ------
    SettingsError
        names the key, the file and the nearest known key, or the value and its bounds.
    """
    path = params or Path(PARAMS_FILE)
    given = _read(path) if params or path.exists() else {}
    sections: dict[str, Any] = {f.name: type(f.default) for f in fields(Settings) if f.name != "site"}
    _refuse_unknown(given, sections, f"{path}")
    made: dict[str, Any] = {name: _section(kind, given.get(name) or {}, f"{path}: {name}") for name, kind in sections.items()}
    return Settings(**made, site=_site(os.environ if environ is None else environ))


def refuse_out_of_bounds(section: Any, where: str) -> None:
    """Hold a section that was made in Python to the bounds that ``params.yaml`` is held to.

    Raises
    ------
    SettingsError
        names the key, the value and its bounds.
    """
    for f in fields(section):
        _refuse_outside(getattr(section, f.name), f.metadata, f"{where}.{f.name}")


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        given = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give the path of a params.yaml") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {error}") from error
    if not isinstance(given, dict):
        raise SettingsError(f"{path}: holds {type(given).__name__}, not sections with keys")
    return given


def _refuse_unknown(given: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise SettingsError(
                f"{where}: unknown key {key!r}; the nearest known one is {near[0]!r}" if near else f"{where}: unknown key {key!r}"
            )


def _section(kind: type[Section], given: Any, where: str) -> Section:
    assert is_dataclass(kind)
    if not isinstance(given, dict):
        raise SettingsError(f"{where}: holds {given!r}, not keys with values")
    known = {f.name: f for f in fields(kind)}
    _refuse_unknown(given, known, where)
    hints = get_type_hints(kind)
    return kind(**{key: _value(value, hints[key], known[key].metadata, f"{where}.{key}") for key, value in given.items()})


def _value(value: Any, kind: Any, bounds: Mapping[str, Any], where: str) -> Any:
    origin = getattr(kind, "__origin__", kind)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(part, kind.__args__[0], {}, f"{where}[{number}]") for number, part in enumerate(value))
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, origin) or (isinstance(value, bool) and origin is not bool):
        raise SettingsError(f"{where}: {value!r} is not of type {getattr(origin, '__name__', origin)}")
    _refuse_outside(value, bounds, where)
    return value


def _refuse_outside(value: Any, bounds: Mapping[str, Any], where: str) -> None:
    low, high = bounds.get("low"), bounds.get("high")
    is_no_number = isinstance(value, float) and not math.isfinite(value)
    if is_no_number or (low is not None and value < low) or (high is not None and value > high):
        raise SettingsError(
            f"{where}: {value!r} is outside {low if low is not None else '…'} to {high if high is not None else '…'}"
        )


def _site(environ: Mapping[str, str]) -> SiteSettings:
    given: dict[str, Any] = {}
    for f in fields(SiteSettings):
        text = environ.get(f.metadata["env"], "").strip()
        if text:
            given[f.name] = _from_text(text, f.default)
    home = given.get("home", SiteSettings.home)
    given.setdefault("store", str(home / "store"))
    given.setdefault("spool", home / "spool")
    return SiteSettings(**given)


def _from_text(text: str, default: Any) -> Any:
    if isinstance(default, Path):
        return Path(text)
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def page() -> str:
    """The text of ``docs/settings.md``, from the classes above."""
    lines = [
        "# Settings",
        "",
        "`params.yaml` holds what a data scientist turns; every key may be left out. The environment holds where things are.",
        "This page is written by `python -m weir.settings > docs/settings.md`.",
    ]
    for section in fields(Settings):
        kind: Any = type(section.default)
        is_site = section.name == "site"
        heading = "The environment" if is_site else f"`{section.name}`"
        lines += ["", f"## {heading}", "", f"{kind.__doc__}", "", "| name | default | bounds | meaning |", "|---|---|---|---|"]
        for f in fields(kind):
            low, high = f.metadata.get("low"), f.metadata.get("high")
            bounds = f"{'' if low is None else low} … {'' if high is None else high}" if (low, high) != (None, None) else ""
            default = ",".join(map(str, f.default)) if isinstance(f.default, tuple) else f.default
            shown = "" if default == "" or (is_site and str(default) == ".") else f"`{default}`"
            lines.append(f"| `{f.metadata['env'] if is_site else f.name}` | {shown} | {bounds} | {f.metadata['words']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - the page is this module's one output
