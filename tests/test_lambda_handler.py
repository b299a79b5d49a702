"""The Lambda function, asked with recorded Kinesis events. After a change of the schema: python tests/events/make_events.py"""

from __future__ import annotations

import base64
import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moto import mock_aws

from synthetic import artifact, trained
from weir import lambda_handler, schema
from weir.errors import ArtifactError, SettingsError
from weir.models.artifact import save
from weir.scores.score import score

EVENTS = Path(__file__).parent / "events"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    save(trained("pair").files, tmp_path / "model")
    monkeypatch.setenv("WEIR_MODEL", str(tmp_path / "model"))
    monkeypatch.delenv("WEIR_SNS_TOPIC", raising=False)
    lambda_handler.model.cache_clear()
    yield tmp_path / "model"
    lambda_handler.model.cache_clear()


def event(name: str = "kinesis.json") -> dict[str, Any]:
    return dict(json.loads((EVENTS / name).read_text()))


def said(record: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(record["kinesis"]["data"])))


def with_data(payload: Any) -> dict[str, Any]:
    made = event()
    made["Records"] = [copy.deepcopy(made["Records"][0])]
    made["Records"][0]["kinesis"]["data"] = base64.b64encode(json.dumps(payload).encode()).decode()
    return made


def in_batch(record: dict[str, Any]) -> dict[str, np.ndarray]:
    """What the batch job makes of the rows of a record."""
    given = said(record)
    rows = {name: np.array([row[name] for row in given["rows"]]) for name in given["rows"][0]}
    return score(artifact("pair"), given["table"], rows)


@pytest.mark.parametrize("name", ["kinesis.json", "kinesis_poison.json"])
def test_the_recorded_events_are_of_this_schema(name: str) -> None:
    readable = [
        said(record) for record in event(name)["Records"] if b"schema_hash" in base64.b64decode(record["kinesis"]["data"])
    ]
    stale = [given["table"] for given in readable if given["schema_hash"] != schema.schema_hash(given["table"])]
    assert stale == [], "run: python tests/events/make_events.py"


@pytest.mark.usefixtures("folder")
def test_every_row_of_a_batch_is_scored_as_the_batch_job_scores_it() -> None:
    answer = lambda_handler.handler(event(), None)
    wanted = [in_batch(record) for record in event()["Records"]]
    for name in ("score", "p_value", "row_id", "model_id", "host"):
        assert [row[name] for row in answer["scores"]] == [value for batch in wanted for value in batch[name].tolist()]
    assert answer["batchItemFailures"] == []


def test_a_process_of_its_own_gives_the_same_scores_and_loads_nothing_heavy(folder: Path) -> None:
    code = (
        "import json, sys\n"
        "from weir.lambda_handler import handler\n"
        "answer = handler(json.load(sys.stdin), None)\n"
        "heavy = [m for m in ('sklearn', 'scipy', 'pandas', 'pyarrow', 'boto3', 'onnx', 'airflow') if m in sys.modules]\n"
        "print(json.dumps({'answer': answer, 'heavy': heavy}))\n"
    )
    environment = {"PATH": os.environ["PATH"], "WEIR_MODEL": str(folder)}
    given = (EVENTS / "kinesis.json").read_text()
    done = subprocess.run([sys.executable, "-c", code], input=given, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["heavy"] == []
    wanted = [value for record in event()["Records"] for value in in_batch(record)["score"].tolist()]
    assert [row["score"] for row in found["answer"]["scores"]] == wanted


@pytest.mark.usefixtures("folder")
def test_strange_rows_come_with_their_reasons() -> None:
    rows = lambda_handler.handler(event(), None)["scores"]
    strange = [row for row in rows if row["anomalous"]]
    assert {row["host"] for row in strange} == {"10.9.9.9"}
    assert all(row["reasons"][0].keys() >= {"feature", "value", "usual", "unit", "share"} for row in strange)
    assert not any("reasons" in row for row in rows if not row["anomalous"])


@pytest.mark.usefixtures("folder")
def test_a_poison_record_fails_alone() -> None:
    given = event("kinesis_poison.json")
    answer = lambda_handler.handler(given, None)
    assert answer["batchItemFailures"] == [{"itemIdentifier": given["Records"][1]["kinesis"]["sequenceNumber"]}]
    assert len(answer["scores"]) == sum(len(said(given["Records"][i])["rows"]) for i in (0, 2))


@pytest.mark.usefixtures("folder")
def test_the_same_event_twice_gives_the_same_answer() -> None:
    assert lambda_handler.handler(event(), None) == lambda_handler.handler(event(), None)


def changed(**row: Any) -> dict[str, Any]:
    given = said(event()["Records"][0])
    given["rows"][1] |= row
    return given


POISON: dict[str, Any] = {
    "another schema": {"table": "flows", "schema_hash": "0" * 12, "rows": []},
    "another table": {"table": "packets", "schema_hash": schema.schema_hash("flows"), "rows": []},
    "rows that are no list": {"table": "flows", "schema_hash": schema.schema_hash("flows"), "rows": "many"},
    "rows that are no objects": {"table": "flows", "schema_hash": schema.schema_hash("flows"), "rows": [1, None]},
    "no object at all": [1, 2],
    "a table that cannot be looked up": {"table": ["flows"]},
    "text in a number": changed(duration_us="long"),
    "null in a number": changed(duration_us=None),
    "truth in a number": changed(duration_us=True),
    "a fraction in an integer": changed(duration_us=1.5),
    "a number in a text": changed(src_ip=7),
    "not a number": changed(payload_mean=float("nan")),
    "infinity": changed(payload_mean=float("inf")),
    "an integer beyond 64 bits": changed(duration_us=2**70),
    "a float beyond its range": changed(payload_mean=10**400),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", sorted(POISON))
def test_a_record_that_cannot_be_read_is_a_batch_item_failure(name: str) -> None:
    answer = lambda_handler.handler(with_data(POISON[name]), None)
    assert answer["scores"] == []
    assert len(answer["batchItemFailures"]) == 1


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "record", [{}, {"kinesis": {}}, {"kinesis": {"data": "&&", "sequenceNumber": "7"}}, {"kinesis": {"data": 7}}]
)
def test_a_record_that_is_none_of_kinesis_is_a_batch_item_failure(record: dict[str, Any]) -> None:
    assert len(lambda_handler.handler({"Records": [record]}, None)["batchItemFailures"]) == 1


@pytest.mark.usefixtures("folder")
def test_no_records_and_no_rows_give_no_scores() -> None:
    empty = with_data({"table": "flows", "schema_hash": schema.schema_hash("flows"), "rows": []})
    for given in ({"Records": []}, {}, empty):
        assert lambda_handler.handler(given, None) == {"scores": [], "batchItemFailures": []}


def test_without_a_model_the_function_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEIR_MODEL", raising=False)
    with pytest.raises(SettingsError, match="WEIR_MODEL"):
        lambda_handler.handler(event(), None)


def test_a_tampered_model_scores_nothing(folder: Path) -> None:
    (folder / "flows.onnx").write_bytes(b"tampered")
    with pytest.raises(ArtifactError):
        lambda_handler.handler(event(), None)


@pytest.mark.usefixtures("folder")
def test_with_a_topic_anomalous_rows_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        import boto3

        topic = boto3.client("sns").create_topic(Name="alerts")["TopicArn"]
        queue = boto3.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
        boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:seen")
        monkeypatch.setenv("WEIR_SNS_TOPIC", topic)
        answer = lambda_handler.handler(event(), None)
        seen = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    published = [json.loads(json.loads(message["Body"])["Message"]) for message in seen]
    assert sorted(row["row_id"] for row in published) == sorted(row["row_id"] for row in answer["scores"] if row["anomalous"])
