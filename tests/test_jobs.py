"""The way from the spool to alerts through the jobs, on a small office; and a leak planted at each hop."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from weir import cli, jobs, schema
from weir.errors import ArtifactError, LedgerError, SettingsError, StoreError
from weir.jobs.keys import candidates_key, flows_key, site_store
from weir.ledger import Entry
from weir.simulate.run import simulate
from weir.store import FolderStore, get_table, put_table

ROOT = Path(__file__).parents[1]
SENSOR = Path(os.environ.get("WEIR_CAPTURE", ROOT / "build" / "capture" / "bin" / "weir-capture"))
HOURS = ("2024-03-04T08", "2024-03-04T09", "2024-03-04T10", "2024-03-04T11")
ATTACKED = f"office/{HOURS[-1]}"


def capture(pcap: str, spool: Path, sensor: str = "office") -> None:
    subprocess.run(
        [SENSOR, "-r", pcap, "--sensor", sensor, "--spool", spool, "--rotate-seconds", "900"], check=True, capture_output=True
    )


def settle_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(ROOT)
    for name in ("WEIR_SPOOL", "WEIR_SNS_TOPIC", "WEIR_MAIL_FROM", "WEIR_MAIL_TO", "AWS_ENDPOINT_URL"):
        patch.delenv(name, raising=False)
    patch.setenv("WEIR_HOME", str(folder))
    patch.setenv("WEIR_STORE", str(folder / "store"))
    patch.setenv("WEIR_DATA", str(folder / "data"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which three normal hours were learned and an attacked one was scored."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        settle_in(home, patch)
        first = datetime.strptime(HOURS[0], "%Y-%m-%dT%H").replace(tzinfo=UTC)
        made = simulate(
            home / "pcap",
            start=first,
            hours=4,
            seed=4,
            hosts=40,
            attacks=["portscan", "host-sweep"],
            quiet_start_s=3 * 3600 + 300,
        )
        for pcap in made["captures"]:
            capture(pcap, home / "spool")
        for unit in jobs.collect(jobs.waiting())["units"]:
            jobs.flows(unit)
            jobs.features(unit)
            jobs.validate(unit)
        train(home, patch, list(HOURS[:3]))
        for unit in jobs.unscored():
            jobs.score(unit)
            jobs.alert(unit, "test")
    return home


def train(home: Path, patch: pytest.MonkeyPatch, hours: list[str]) -> None:
    """What the stages of dvc.yaml do, on the first hours, with the attacked hour as the labelled one."""
    taken = jobs.snapshot(hours[-1])
    taken["hours"] = [part for part in taken["hours"] if part["role"] != "replay"]
    labels = {"unit": f"replay-{ATTACKED}", "role": "replay", "captures": [f"pcap/{HOURS[-1]}.pcap"], "labels": "pcap/labels"}
    (home / "snapshot.json").write_text(json.dumps({**taken, "hours": [*taken["hours"], labels]}))
    with pytest.MonkeyPatch.context() as inner:
        inner.setenv("WEIR_STORE", str(home / "data"))
        jobs.materialise(home / "snapshot.json")
        for part in (*taken["hours"], labels):
            jobs.features(part["unit"])
            jobs.validate(part["unit"])
        jobs.train(home / "snapshot.json")
        jobs.evaluate(home / "snapshot.json")
    jobs.propose()
    assert jobs.promote()["promoted"]


@pytest.fixture
def home(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished home, free to be spoiled."""
    shutil.copytree(finished, tmp_path / "home")
    settle_in(tmp_path / "home", monkeypatch)
    return tmp_path / "home"


def test_the_ledger_balances_after_the_whole_way(home: Path) -> None:
    verdict = jobs.verify_ledger()
    assert verdict.is_balanced, verdict.words
    assert {law.hop for law in verdict.laws} >= {"L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9"}
    assert verdict.laws[0].seen > 0


def test_the_scan_becomes_an_alert_that_explains_itself(home: Path) -> None:
    alerts = jobs.alerts_of(ATTACKED)
    scans = [alert for alert in alerts if (alert["kind_hint"] or {}).get("name", "").startswith(("port scan", "host sweep"))]
    assert scans, [alert["words"] for alert in alerts]
    scan = scans[0]
    assert scan["reasons"][0]["value"] > scan["reasons"][0]["usual"]
    assert scan["lineage"]["model_id"] == jobs.models()["champion"]["model_id"]
    assert scan["lineage"]["dag_run"] == "test"
    stored = {path.name.removesuffix(".pcap.zst") for path in (home / "store" / "1_packets" / ATTACKED).glob("*.zst")}
    assert {found["segment"] for found in scan["evidence"]} <= stored


def test_the_packets_of_the_scan_are_those_of_the_flows_it_shows(home: Path) -> None:
    scan = next(one for one in jobs.alerts_of(ATTACKED) if (one["kind_hint"] or {}).get("name", "").startswith("port scan"))
    found = jobs.find_packets(jobs.packet_query(), home / "scan.pcap", alert_id=scan["alert_id"])
    assert found["damaged"] == []
    assert found["packets"] == sum(flow["packets"] for flow in scan["evidence"]) > 0
    assert found["bytes_read"] < found["bytes_stored"]
    assert jobs.flows_to_file([home / "scan.pcap"], home / "scan.parquet")["flows"] == len(scan["evidence"])


def test_every_job_run_again_leaves_the_same_objects(home: Path) -> None:
    before = contents(home / "store")
    jobs.flows(ATTACKED)
    jobs.features(ATTACKED)
    jobs.validate(ATTACKED)
    jobs.score(ATTACKED)
    jobs.alert(ATTACKED, "test")
    assert contents(home / "store") == before
    assert jobs.verify_ledger().is_balanced


def test_an_alert_is_sent_once_however_often_its_job_runs(home: Path) -> None:
    outbox = home / "outbox"
    sent = sorted(path.name for path in outbox.iterdir())
    assert sent
    shutil.rmtree(outbox)
    jobs.alert(ATTACKED, "again")
    assert not outbox.exists()


def test_packets_replayed_twice_are_counted_once(home: Path) -> None:
    rows = jobs.flows(ATTACKED)["flows"]
    before = len(list((home / "store" / "1_packets").rglob("*.zst")))
    empty(home / "spool")  # it remembers what it acknowledged
    for path in (home / "store" / "1_packets" / ATTACKED).glob("*"):
        manifest = home / "store" / "1_packets" / ATTACKED / f"{path.name.split('.')[0]}.json"
        facts = json.loads(manifest.read_text())
        shutil.copy(manifest, home / "spool" / facts["file"].replace(".pcap.zst", ".json"))
        if path.suffix == ".zst":
            shutil.copy(path, home / "spool" / facts["file"])
    assert jobs.collect(jobs.waiting())["units"] == [ATTACKED]
    assert len(list((home / "store" / "1_packets").rglob("*.zst"))) == before
    assert jobs.flows(ATTACKED)["flows"] == rows
    assert jobs.verify_ledger().is_balanced


def test_a_segment_that_cannot_be_believed_is_set_aside_and_named(home: Path) -> None:
    segment = next((home / "store" / "1_packets" / ATTACKED).glob("*.zst"))
    manifest = segment.with_name(f"{segment.name.split('.')[0]}.json")
    facts = json.loads(manifest.read_text())
    empty(home / "spool")
    (home / "spool" / facts["file"]).write_bytes(segment.read_bytes()[:-1])
    shutil.copy(manifest, home / "spool" / facts["file"].replace(".pcap.zst", ".json"))
    counts = jobs.collect(jobs.waiting())
    assert len(counts["refused"]) == 1
    assert jobs.waiting() == []
    assert any((home / "spool" / "refused").iterdir())


def test_a_segment_that_never_arrived_is_named_by_the_ledger(home: Path) -> None:
    manifests = {path: json.loads(path.read_text()) for path in (home / "store" / "1_packets").rglob("*.json")}
    lost = next(path for path, facts in manifests.items() if facts["seq"] == 1)
    lost.unlink()
    lost.with_name(lost.name.replace(".json", ".pcap.zst")).unlink()
    verdict = jobs.verify_ledger()
    assert not verdict.is_balanced
    assert any("never arrived" in problem for law in verdict.laws for problem in law.problems)


def test_without_a_champion_rows_wait_and_nothing_is_lost(home: Path) -> None:
    for folder in ("4_models", "5_scores", "6_alerts", "ledger/L7", "ledger/L8", "ledger/L9"):
        shutil.rmtree(home / "store" / folder)
    assert jobs.unscored() == []
    with pytest.raises(ArtifactError, match="no champion"):
        jobs.score(ATTACKED)
    verdict = jobs.verify_ledger()
    assert verdict.is_balanced
    assert any("waiting for a model" in law.words for law in verdict.laws)


def test_a_job_on_an_hour_that_is_not_there_says_what_to_do(home: Path) -> None:
    with pytest.raises(StoreError, match="weir collect"):
        jobs.flows("office/1999-01-01T00")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


# ---- a leak at each hop: the step loses one unit, and the ledger must say where ----------------


def lose_in_manifest(counter: str) -> Any:
    def plant(patch: pytest.MonkeyPatch) -> None:
        true_arrival = jobs.packets._arrival

        def leaky(manifest: Any, name: str) -> list[Entry]:
            counters = {**manifest.counters, counter: manifest.counters[counter] - 1}
            return true_arrival(dataclasses.replace(manifest, counters=counters), name)

        patch.setattr(jobs.packets, "_arrival", leaky)

    return plant


def lose_one_at(hop: str, patch: pytest.MonkeyPatch) -> None:
    true_arrival = jobs.packets._arrival

    def leaky(manifest: Any, name: str) -> list[Entry]:
        entries = true_arrival(manifest, name)
        return [dataclasses.replace(one, accepted=one.accepted - 1) if one.hop == hop else one for one in entries]

    patch.setattr(jobs.packets, "_arrival", leaky)


def lose_at_arrival(patch: pytest.MonkeyPatch) -> None:
    lose_one_at("L3", patch)


def lose_in_the_spool(patch: pytest.MonkeyPatch) -> None:
    lose_one_at("L2", patch)


def lose_while_training(patch: pytest.MonkeyPatch) -> None:
    training = Path(os.environ["WEIR_DATA"]) / "4_models" / "candidate" / "training.json"
    facts = json.loads(training.read_text())
    facts["rows"]["flows"]["rows"] -= 1
    training.write_text(json.dumps(facts))


def train_again(home: Path) -> None:
    training = json.loads((home / "data" / "4_models" / "candidate" / "training.json").read_text())
    jobs.registry._record_version(site_store(), training)


def lose_a_mail(patch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> Any:
        raise KeyboardInterrupt

    patch.setattr("weir.notify.folder.Folder.send", stopped)


def report_again(home: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        jobs.report("daily", "2024-03-04", now_us=1)


def lose_while_decoding(patch: pytest.MonkeyPatch) -> None:
    from weir.flows import build

    true_build = build.build

    def leaky(*arguments: Any) -> Any:
        built = true_build(*arguments)
        return dataclasses.replace(built, counts={**built.counts, "accepted": built.counts["accepted"] - 1})

    patch.setattr(build, "build", leaky)


def lose_a_flow(patch: pytest.MonkeyPatch) -> None:
    from weir.flows import build

    true_build = build.build
    patch.setattr(build, "build", lambda *a: dataclasses.replace(built := true_build(*a), table=built.table.slice(1)))


def lose_a_row_in_validation(patch: pytest.MonkeyPatch) -> None:
    from weir.features import validate

    true_judge = validate.validate
    patch.setattr(validate, "validate", lambda *a: dataclasses.replace(judged := true_judge(*a), good=judged.good.slice(1)))


def lose_a_score(patch: pytest.MonkeyPatch) -> None:
    from weir.scores import score

    true_score = score.score
    patch.setattr(score, "score", lambda *a: {name: values[1:] for name, values in true_score(*a).items()})


def lose_an_alert(patch: pytest.MonkeyPatch) -> None:
    from weir.alerts import group

    true_group = group.group
    patch.setattr(group, "group", lambda *a, **k: true_group(*a, **k)[1:])


def collect_again(home: Path) -> None:
    shutil.rmtree(home / "spool")
    capture(str(home / "pcap" / f"{HOURS[0]}.pcap"), home / "spool", sensor="other")
    for unit in jobs.collect(jobs.waiting())["units"]:
        jobs.flows(unit)
        jobs.features(unit)
        jobs.validate(unit)


LEAKS = {
    "L0": (lose_in_manifest("read"), collect_again),
    "L1": (lose_in_manifest("written"), collect_again),
    "L2": (lose_in_the_spool, collect_again),
    "L3": (lose_at_arrival, collect_again),
    "L4": (lose_while_decoding, lambda home: jobs.flows(ATTACKED)),
    "L5": (lose_a_flow, lambda home: jobs.flows(ATTACKED)),
    "L6": (lose_a_row_in_validation, lambda home: jobs.validate(ATTACKED)),
    "L7": (lose_while_training, train_again),
    "L8": (lose_a_score, lambda home: jobs.score(ATTACKED)),
    "L9": (lose_an_alert, lambda home: jobs.alert(ATTACKED, "test")),
    "L10": (lose_a_mail, report_again),
}


@pytest.mark.parametrize("hop", LEAKS)
def test_a_step_that_loses_one_unit_is_named(hop: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert jobs.verify_ledger().is_balanced
    plant, run = LEAKS[hop]
    plant(monkeypatch)
    run(home)
    verdict = jobs.verify_ledger()
    assert not verdict.is_balanced
    assert any(law.hop == hop and law.problems for law in verdict.laws), verdict.words
    with pytest.raises(LedgerError):
        verdict.demand()


@pytest.mark.parametrize("table", ["flows", "windows"])
def test_a_bad_row_goes_to_quarantine_and_the_others_go_on(table: str, home: Path) -> None:
    key = flows_key(ATTACKED) if table == "flows" else candidates_key(ATTACKED)
    store = site_store()
    rows = get_table(store, key)
    column = "packets_fwd" if table == "flows" else "flows_out"
    values = rows.column(column).to_pylist()
    spoiled = rows.set_column(rows.column_names.index(column), rows.schema.field(column), pa.array([-1, *values[1:]], pa.int64()))
    put_table(store, key, schema.conform(spoiled, schema.TABLES[table], key))
    counts = jobs.validate(ATTACKED)[table]
    assert counts["good"] == counts["rows"] - 1
    assert sum(counts["refused"].values()) == 1
    assert jobs.quarantined()[f"{table}/{ATTACKED}"] == counts["refused"]


def test_a_refused_flow_counts_in_no_window(home: Path) -> None:
    rows = get_table(site_store(), flows_key(ATTACKED))
    values = rows.column("packets_fwd").to_pylist()
    spoiled = rows.set_column(rows.column_names.index("packets_fwd"), "packets_fwd", pa.array([-1, *values[1:]], pa.int64()))
    put_table(site_store(), flows_key(ATTACKED), schema.conform(spoiled, schema.STORED_FLOWS, "flows"))
    jobs.features(ATTACKED)
    jobs.validate(ATTACKED)
    windows = get_table(site_store(), jobs.valid_key("windows", ATTACKED))
    assert sum(windows.column("flows_out").to_pylist()) == len(rows) - 1


def test_the_data_docs_show_what_was_refused(home: Path) -> None:
    index = Path(jobs.data_docs(home / "docs")["data_docs"])
    assert index.is_relative_to(home / "docs")
    assert "flows" in index.read_text()


def test_a_released_row_goes_on_and_stays_released(home: Path) -> None:
    rows = get_table(site_store(), flows_key(ATTACKED))
    ports = rows.column("dst_port").to_pylist()
    spoiled = rows.set_column(rows.column_names.index("dst_port"), "dst_port", pa.array([-1, *ports[1:]], pa.int32()))
    put_table(site_store(), flows_key(ATTACKED), schema.conform(spoiled, schema.STORED_FLOWS, "flows"))
    (reason,) = jobs.validate(ATTACKED)["flows"]["refused"]
    assert jobs.release("flows", ATTACKED, reason, "a test")["released"] == 1
    for _ in range(2):
        assert jobs.validate(ATTACKED)["flows"] == {"rows": len(rows), "good": len(rows), "refused": {}}
    assert jobs.quarantined() == {}


def test_the_reports_are_made_mailed_once_and_say_the_same_again(home: Path) -> None:
    shutil.rmtree(home / "outbox")
    for kind, name in (("daily", "2024-03-04"), ("weekly", "2024-W10")):
        made = jobs.report(kind, "2024-03-04", now_us=1)
        assert made["report"] == name
        page = (home / "store" / made["html"]).read_text()
        assert "Ledger: balanced" in page
        assert jobs.models()["champion"]["model_id"] in page
        assert (home / "store" / made["pdf"]).read_bytes().startswith(b"%PDF")
    assert len(list((home / "outbox").glob("*.eml"))) == 2
    shutil.rmtree(home / "outbox")
    assert jobs.report("weekly", "2024-03-04", now_us=2)["mailed"].startswith("earlier")
    assert not (home / "outbox").exists()
    assert any(law.hop == "L10" and law.is_balanced for law in jobs.verify_ledger().laws)


def test_a_snapshot_follows_a_link_and_replaces_no_pipe(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("taken.json")
    written = jobs.write_snapshot(tmp_path / "link", HOURS[-2])
    assert written["snapshot"] == str(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "taken.json").read_text()) == jobs.snapshot(HOURS[-2])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match=r"snapshot: .*/pipe is a pipe, not a regular file"):
        jobs.write_snapshot(tmp_path / "pipe", HOURS[-2])
    assert (tmp_path / "pipe").is_fifo()


def test_drift_is_judged_against_the_hours_the_champion_learned_from(home: Path) -> None:
    found = jobs.drift(ATTACKED)
    assert found["verdict"] in ("drift", "no drift", "insufficient data")
    assert found["against"] == len(jobs.snapshot(HOURS[-2])["hours"]) - sum(
        p["role"] != "train" for p in jobs.snapshot(HOURS[-2])["hours"]
    )
    assert (home / "store" / "4_models" / "drift" / f"{ATTACKED}.html").read_text().startswith("<!DOCTYPE html>")


def test_drift_reads_only_the_columns_it_judges(home: Path) -> None:
    before = jobs.drift()
    for unit in jobs.units("3_features/flows/"):
        rows = get_table(site_store(), jobs.valid_key("flows", unit))
        texts = [name for name in rows.column_names if pa.types.is_string(rows.schema.field(name).type)]
        put_table(site_store(), jobs.valid_key("flows", unit), rows.drop_columns(texts))
    assert jobs.drift() == before


def test_a_report_reads_each_object_of_the_ledger_and_each_manifest_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = FolderStore.get
    monkeypatch.setattr(FolderStore, "get", lambda store, key: read.append(key) or whole(store, key))
    jobs.report("daily", HOURS[-1][:10], mail=False)
    counted = [key for key in read if key.startswith(("ledger/", "1_packets/"))]
    assert {key.split("/")[0] for key in counted} == {"ledger", "1_packets"}
    assert len(counted) == len(set(counted))


def test_rollback_brings_the_champion_before_back(home: Path) -> None:
    from weir.models import registry

    first = jobs.models()["champion"]["model_id"]
    with pytest.raises(ArtifactError, match="no earlier champion"):
        jobs.rollback("drill")
    registry.promote(site_store(), first, "the same again, for the drill", 2)
    assert jobs.rollback("drill")["model_id"] == first
    assert [entry["why"] for entry in jobs.models()["history"]][-1] == "drill"


def test_models_says_in_a_line_each_which_is_live_since_when(home: Path) -> None:
    from weir.models import registry

    model = jobs.models()["champion"]["model_id"]
    told = CliRunner().invoke(cli.app, ["models"]).stdout.splitlines()
    assert re.fullmatch(rf"champion: {model} since \d{{4}}-\d\d-\d\d \d\d:\d\d UTC: passed the gate", told[0])
    assert told[1:] == ["challenger: none waits"]
    registry.promote(site_store(), model, "for the drill", 1_700_000_000_000_000)
    told = CliRunner().invoke(cli.app, ["models"]).stdout.splitlines()
    assert told[0] == f"champion: {model} since 2023-11-14 22:13 UTC: for the drill"
    assert told[2].startswith(f"before, 1: {model} since ")
    assert json.loads(CliRunner().invoke(cli.app, ["models", "--json"]).stdout)["history"][0]["metrics"]


def test_a_snapshot_costs_only_the_hours_that_changed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_STORE", str(home / "bench"))
    capture_of = {"unit": "lab/2024-03-04T08", "role": "train", "captures": [f"pcap/{HOURS[0]}.pcap"]}
    made_up = {"unit": "office/2024-03-04T09", "role": "train", "simulate": {"seed": 1, "hosts": 4, "intensity": 0.1}}
    other = {**made_up, "simulate": {**made_up["simulate"], "seed": 2}}

    def made(*hours: Any) -> int:
        (home / "snapshot.json").write_text(json.dumps({"hours": hours}))
        return int(jobs.materialise(home / "snapshot.json")["made"])

    assert made(capture_of, made_up) == 2
    assert made(capture_of, made_up) == 0
    assert made(capture_of, other) == 1
    shutil.copy(home / "pcap" / f"{HOURS[1]}.pcap", home / "pcap" / f"{HOURS[0]}.pcap")
    assert made(capture_of, other) == 1
    assert made(capture_of) == 0
    assert jobs.units() == ["lab/2024-03-04T08"]
