"""Writes the recorded Kinesis events beside this file: python tests/events/make_events.py

The envelope is that of AWS's documentation (https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html),
the rows are synthetic. Read the difference before you accept it.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from synthetic import columns, table  # noqa: E402
from weir import schema  # noqa: E402


def data(name: str, rows: int, seed: int, strange: int = 0) -> bytes:
    """What a sensor sends: the rows of one table as JSON."""
    kept = (*schema.features(name), schema.ROW_ID[name], schema.HOST[name], "start_us", "sensor_id", "hour")
    made = {key: values.tolist() for key, values in columns(table(name, rows, seed, strange=strange)).items() if key in kept}
    listed = [{key: made[key][i] for key in made} for i in range(rows)]
    return json.dumps({"table": name, "schema_hash": schema.schema_hash(name), "rows": listed}).encode()


def event(*payloads: bytes) -> dict[str, Any]:
    """Kinesis records around the payloads."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "lab",
                    "sequenceNumber": f"4959033827149025660869689253{number:020d}",
                    "data": base64.b64encode(payload).decode(),
                    "approximateArrivalTimestamp": 1709542800.0 + number,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000006:4959033827149025660869689253{number:020d}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/weir-score",
                "awsRegion": "eu-central-1",
                "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/weir-features",
            }
            for number, payload in enumerate(payloads)
        ]
    }


def write(name: str, made: dict[str, Any]) -> None:
    """One event as a file."""
    (HERE / name).write_text(json.dumps(made, indent=1) + "\n")


def main() -> None:
    """Write all events."""
    flows, windows = data("flows", 6, seed=21, strange=2), data("windows", 5, seed=22, strange=2)
    write("kinesis.json", event(flows, windows))
    write("kinesis_poison.json", event(windows, b"not JSON", flows))


if __name__ == "__main__":
    main()
