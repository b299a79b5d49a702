"""Where things lie in the store, and how jobs read and write the small ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from weir import schema, settings
from weir.store import Store, open_store

Counts = dict[str, Any]


SCORED = ("flows", "windows")


def flows_key(unit: str) -> str:
    """Where the flows of a unit lie, as the core made them."""
    return f"2_flows/{unit}.parquet"


def candidates_key(unit: str) -> str:
    """Where the window rows of a unit wait for validation."""
    return f"3_features/candidates/windows/{unit}.parquet"


def valid_key(table: str, unit: str) -> str:
    """Where the rows of a unit lie that passed validation."""
    return f"3_features/{table}/{unit}.parquet"


def quarantine_key(table: str, unit: str) -> str:
    """Where the refused rows of a unit lie, with the reason."""
    return f"3_features/quarantine/{table}/{unit}.parquet"


def scores_key(table: str, unit: str) -> str:
    """Where the scores of a unit lie."""
    return f"5_scores/{table}/{unit}.parquet"


def alerts_key(unit: str) -> str:
    """Where the alerts of a unit lie."""
    return f"6_alerts/{unit}.json"


def site_store() -> Store:
    """The store that the environment names."""
    return open_store(settings.load().site.store)


def put_json(store: Store, key: str, facts: Any) -> None:
    """Write facts as JSON; the same facts give the same bytes."""
    store.put(key, json.dumps(facts, sort_keys=True, indent=1).encode())


def get_json(store: Store, key: str) -> Any:
    """Read what ``put_json`` wrote."""
    return json.loads(store.get(key))


def units(prefix: str = "2_flows/", store: Store | None = None) -> list[str]:
    """All units that have a segment or a table below a prefix, in order."""
    store = store or site_store()
    names = (key.removeprefix(prefix) for key in store.keys(prefix) if key.endswith((".parquet", ".pcap.zst")))
    return sorted({"/".join(name.split("/")[:2]).removesuffix(".parquet") for name in names})


def clock_us() -> int:
    """The clock, for the few facts that are about us and not about packets: when a model was promoted, a report made."""
    return int(datetime.now(UTC).timestamp() * schema.US_PER_S)
