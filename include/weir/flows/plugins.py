"""Columns of your own: parsers in Python for protocols that the native core does not know.

A plug-in is a Python file, or a module that an installed package offers under the entry point group
``weir.parsers``. It is named in ``params.yaml`` and gets the first payload bytes of the flows whose
port it names; what it returns becomes columns of the flow table. docs/plugins.md shows how to write one.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import schema, words
from weir.errors import SettingsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    import pyarrow as pa

GROUP = "weir.parsers"
MARK = b"plugin"
"""Key of a field's metadata that says which plug-in the column is from."""

TEXT_LIMIT = 255
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RANGES = {"int32": (-(1 << 31), (1 << 31) - 1), "int64": (-(1 << 63), (1 << 63) - 1)}


@dataclass(frozen=True)
class Conversation:
    """What a plug-in is shown of a flow.

    ``fwd`` and ``bwd`` are the first payload bytes of each direction, 2,048 at most: of TCP those in order until the
    first gap, of other protocols those of the first packet. ``src`` is the side that spoke first.
    """

    protocol: int
    src_ip: str
    dst_ip: str
    src_port: int
    dst_port: int
    fwd: bytes
    bwd: bytes


@dataclass(frozen=True)
class Plugin:
    """A loaded plug-in: which flows it wants to see, the columns it adds, and how it reads."""

    name: str
    protocol: int
    ports: tuple[int, ...]
    columns: tuple[schema.Column, ...]
    parse: Callable[[Conversation], Mapping[str, object] | None]

    def wants(self, flow: Conversation) -> bool:
        """Whether the flow is one of those that it named."""
        return flow.protocol == self.protocol and (flow.src_port in self.ports or flow.dst_port in self.ports)


def load(names: Sequence[str]) -> tuple[Plugin, ...]:
    """Load plug-ins by the path of their file, ending in .py, or by the name of their entry point.

    Raises
    ------
    SettingsError
        there is no such plug-in, it cannot be imported, lacks a name, or declares a column that exists already
    """
    plugins = tuple(_plugin(name) for name in names)
    taken = Counter(column.name for plugin in plugins for column in plugin.columns)
    taken.update(column.name for column in schema.STORED_FLOWS)
    double = sorted(name for name, times in taken.items() if times > 1)
    if double:
        raise SettingsError(f"flows.plugins: column {double[0]} is declared twice; choose another name")
    return plugins


def arrow_fields(plugins: Sequence[Plugin]) -> list[pa.Field]:
    """The plug-ins' columns as Arrow fields, null where a flow says nothing, unit and plug-in in the metadata."""
    return [
        field.with_nullable(True).with_metadata({"unit": column.unit, MARK: plugin.name, "meaning": column.meaning})
        for plugin in plugins
        for column, field in zip(plugin.columns, schema.arrow_schema(plugin.columns), strict=True)
    ]


def wishes(plugins: Sequence[Plugin]) -> list[tuple[int, int]]:
    """Protocol and port of every flow that a plug-in wants to see."""
    return sorted({(plugin.protocol, port) for plugin in plugins for port in plugin.ports})


def plugin_fields(table: pa.Table) -> list[pa.Field]:
    """Those of the table's fields that plug-ins added."""
    return [field for field in table.schema if field.metadata and MARK in field.metadata]


def without_plugin_columns(table: pa.Table) -> pa.Table:
    """The table without the columns that plug-ins added: what validation judges and models see."""
    return table.drop_columns([field.name for field in plugin_fields(table)])


class Reading:
    """Asks the plug-ins about flows and counts what they got wrong.

    Attributes
    ----------
    counts : how often each plug-in failed, by kind, as ``odd_plugin_NAME_KIND``; the flow keeps its row all the same
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = plugins
        self.counts: Counter[str] = Counter()

    def columns(self, rows: pa.RecordBatch, payloads: Sequence[tuple[int, bytes, bytes]]) -> list[pa.Array]:
        """The plug-ins' columns of some rows of schema.FLOWS, with the payloads (row, fwd, bwd) that were kept of them."""
        import pyarrow as pa

        fields = arrow_fields(self.plugins)
        values: dict[str, list[object]] = {field.name: [None] * len(rows) for field in fields}
        for row, fwd, bwd in payloads:
            flow = _conversation(rows, row, fwd, bwd)
            for plugin in self.plugins:
                if plugin.wants(flow):
                    for name, value in self._ask(plugin, flow).items():
                        values[name][row] = value
        return [pa.array(values[field.name], field.type) for field in fields]

    def _ask(self, plugin: Plugin, flow: Conversation) -> dict[str, object]:
        """What the plug-in says of the flow, or nothing where it fails: a stranger wrote the bytes it failed on."""
        try:
            said = plugin.parse(flow) or {}
            declared = {column.name: column for column in plugin.columns}
            return {name: _value(value, declared[name]) for name, value in said.items() if value is not None}
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a plug-in raises, sys.exit() too, must not lose a flow
            self.counts[f"odd_plugin_{plugin.name}_{type(error).__name__}"] += 1
            return {}


def _plugin(name: str) -> Plugin:
    where = f"flows.plugins: {name}"
    module = _module(name, where)
    missing = [what for what in _PARTS if not hasattr(module, what)]
    if missing:
        raise SettingsError(f"{where}: lacks {', '.join(missing)}; docs/plugins.md shows a whole one")
    for what, (is_right, wanted) in _PARTS.items():
        given = getattr(module, what)
        if not is_right(given):
            raise SettingsError(f"{where}: {what} is {words.clean(repr(given))}, but must be {wanted}")
    _refuse_strange_columns(module, where)
    return Plugin(
        name=module.NAME,
        protocol=module.PROTOCOL,
        ports=tuple(module.PORTS),
        columns=tuple(replace(column, role="detail") for column in module.COLUMNS),
        parse=module.parse,
    )


def _is_number(given: object, high: int) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= high


def _is_name(given: object) -> bool:
    return isinstance(given, str) and _NAME.fullmatch(given) is not None


def _are_ports(given: object) -> bool:
    return isinstance(given, Collection) and len(given) > 0 and all(_is_number(port, 65_535) for port in given)


def _are_columns(given: object) -> bool:
    return isinstance(given, Collection) and len(given) > 0 and all(_is_column(column) for column in given)


def _is_column(given: object) -> bool:
    return isinstance(given, schema.Column) and all(isinstance(text, str) for text in (given.name, given.unit, given.meaning))


_PARTS: dict[str, tuple[Callable[[object], bool], str]] = {
    "NAME": (_is_name, "small letters, digits and underscores"),
    "PROTOCOL": (lambda given: _is_number(given, 255), "an IP protocol number: 17 for UDP, 6 for TCP"),
    "PORTS": (_are_ports, "a tuple of at least one port, each a number up to 65535"),
    "COLUMNS": (_are_columns, "a tuple of at least one weir.schema.Column, with name, unit and meaning as text"),
    "parse": (callable, "a function"),
}
"""What a plug-in must have, what holds of each, and how to say so."""


def _refuse_strange_columns(module: Any, where: str) -> None:
    for column in module.COLUMNS:
        if not column.name.startswith(f"{module.NAME}_") or not _is_name(column.name):
            raise SettingsError(f"{where}: {column.name}: columns are called {module.NAME}_ and something")
        if column.dtype not in ("string", "float64", *_RANGES):
            dtype = f"{column.name}: {column.dtype!r}"
            raise SettingsError(f"{where}: {dtype} is no type of a column; give string, int32, int64 or float64")


def _module(name: str, where: str) -> Any:
    run = partial(_run, _file(name, where)) if name.endswith(".py") else _entry_point(name, where).load
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in is somebody else's code, and may call sys.exit()
        raise SettingsError(f"{where}: cannot be imported: {type(error).__name__}: {error}") from error


def _file(name: str, where: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise SettingsError(f"{where}: no such file; give its path, relative to where weir is run")
    return path


def _run(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"weir_plugin_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _entry_point(name: str, where: str) -> EntryPoint:
    from importlib.metadata import entry_points

    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        raise SettingsError(f"{where}: no such entry point in group {GROUP}; a file's name must end in .py")
    return found[0]


def _conversation(rows: pa.RecordBatch, row: int, fwd: bytes, bwd: bytes) -> Conversation:
    facts = {name: rows.column(name)[row].as_py() for name in ("protocol", "src_ip", "dst_ip", "src_port", "dst_port")}
    return Conversation(**facts, fwd=fwd, bwd=bwd)


def _value(value: object, column: schema.Column) -> object:
    """The value as its column stores it; text made safe to print.

    Raises
    ------
    TypeError, ValueError
        the value is not of the column's type, out of its range, NaN or infinite
    """
    if column.dtype == "string":
        return _text(value, column)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(column.name)
    if column.dtype == "float64":
        return _finite(float(value), column)
    if not isinstance(value, int):
        raise TypeError(column.name)
    low, high = _RANGES[column.dtype]
    if not low <= value <= high:
        raise ValueError(column.name)
    return value


def _text(value: object, column: schema.Column) -> str:
    if not isinstance(value, str):  # str() of bytes would be written as b'...'
        raise TypeError(column.name)
    return words.clean(value, TEXT_LIMIT - 1)


def _finite(value: float, column: schema.Column) -> float:
    if not math.isfinite(value):
        raise ValueError(column.name)
    return value
