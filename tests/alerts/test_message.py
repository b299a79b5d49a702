import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from weir.alerts.group import group
from weir.alerts.message import message

HOSTILE: list[str] = [*json.loads((Path(__file__).parents[1] / "hostile.json").read_text()), "a" * 65_536]


def test_the_text_tells_what_an_analyst_asks_first(scan: dict[str, Any]) -> None:
    (alert,) = group(**scan)
    sent = message(alert)
    assert sent["text"].splitlines()[0] == "10.0.0.5 contacted 1,994 ports of 10.0.0.9 within 23 s; usual is 2."
    assert "Severity  medium" in sent["text"]
    assert "port scan (ATT&CK T1046)" in sent["text"]
    assert " 78%  contacted 1,994 ports; usual is 2" in sent["text"]
    assert "10.0.0.9 (1,994 flows)" in sent["text"]
    assert "2024-03-04 09:00:00 to 2024-03-04 09:01:00 UTC" in sent["text"]
    assert "to 10.0.0.9 port 1 TCP, 1 packet, 60 B: segment" in sent["text"]
    assert f"See them: weir packets --alert {alert.alert_id} -o {alert.alert_id}.pcap" in sent["text"].splitlines()
    assert sent["name"] == alert.alert_id


def test_the_subject_and_attributes_hold_nothing_from_packets(scan: dict[str, Any]) -> None:
    (alert,) = group(**scan)
    sent = message(alert)
    assert sent["subject"] == f"Weir: medium alert {alert.alert_id}, capture hour 2024-03-04T09"
    assert sent["attributes"] == {"severity": "medium", "sensor": "lab", "kind": "port scan", "alert_id": alert.alert_id}
    assert "10.0.0" not in sent["subject"] + json.dumps(sent["attributes"])


def test_a_short_form_fits_one_sms(scan: dict[str, Any]) -> None:
    (alert,) = group(**scan)
    assert message(alert)["short"] == "Weir medium: 10.0.0.5 contacted 1,994 ports of 10.0.0.9 within 23 s; usual is 2."
    assert len(message(replace(alert, words="x" * 500))["short"]) == 160


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_steers_nothing(scan: dict[str, Any], scores: Any, text: str) -> None:
    stored = text.encode("utf-8", "replace").decode()  # Arrow refuses lone surrogates
    (alert,) = group(**{**scan, "scored": scores({"row_id": 77, "host": stored, "sensor_id": stored})})
    alert = replace(alert, hour=text, sensor_id=text, host=text)
    sent = message(alert)
    assert sent["subject"].isascii()
    assert sent["subject"].isprintable()
    assert len(sent["subject"]) <= 100
    assert "=?" not in sent["subject"]
    assert all(line.isprintable() for line in sent["text"].splitlines())
    assert len(sent["text"].splitlines()) == len(message(replace(alert, host="h", sensor_id="s"))["text"].splitlines())
    assert all(value and value.isascii() and value.isprintable() for value in sent["attributes"].values())
    assert len(sent["short"]) <= 160
