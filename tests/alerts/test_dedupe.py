import json
from dataclasses import replace
from typing import Any

import pytest

from weir.alerts.alert import Alert, Peer
from weir.alerts.dedupe import DAY_US, counts, decide, settle
from weir.alerts.group import group
from weir.schema import HOUR_US

MIN_US = HOUR_US // 60
BUDGET = {"per_day": 3, "quiet_us": HOUR_US}


@pytest.fixture
def alert(scan: dict[str, Any]) -> Alert:
    return group(**scan)[0]


def later(alert: Alert, hours: float, n: int = 0, **changes: Any) -> Alert:
    """The same deed some hours later; ``n`` makes it another host's."""
    shift = int(hours * HOUR_US)
    day, hour = divmod(9 + int(hours), 24)
    who = {"fingerprint": f"{alert.fingerprint}-{n}", "host": f"10.0.1.{n}"} if n else {}
    moved = {"first_us": alert.first_us + shift, "last_us": alert.last_us + shift, "hour": f"2024-03-{4 + day:02d}T{hour:02d}"}
    return replace(alert, **{"alert_id": f"id-{hours}-{n}", **moved, **who, **changes})


class Mailbox:
    """Runs both steps as a job does, and keeps the state in between as JSON."""

    def __init__(self) -> None:
        self.known, self.spent = "{}", "{}"
        self.sent: list[str] = []

    def run(self, *alerts: Alert, failing: bool = False, **budget: Any) -> list[Alert]:
        known, spent = json.loads(self.known), json.loads(self.spent)
        fates = decide(alerts, known, spent, **{**BUDGET, **budget})
        tried = [alert_id for alert_id, fate in fates.items() if fate == "send"]
        failed = dict.fromkeys(tried, "the topic does not exist") if failing else {}
        self.sent += [] if failing else tried
        settled, new_known, new_spent = settle(alerts, fates, failed, known, spent)
        self.known, self.spent = json.dumps(new_known), json.dumps(new_spent)
        return settled


def test_news_is_sent(alert: Alert) -> None:
    (settled,) = Mailbox().run(alert)
    assert (settled.delivery, settled.times_seen, settled.first_seen_us) == ("delivered", 1, alert.first_us)


def test_what_goes_on_is_grouped_and_counted(alert: Alert) -> None:
    box = Mailbox()
    box.run(alert)
    (settled,) = box.run(later(alert, 0.9))
    assert (settled.delivery, settled.times_seen, settled.first_seen_us) == ("grouped", 2, alert.first_us)


def test_after_a_quiet_period_it_is_news_again(alert: Alert) -> None:
    box = Mailbox()
    box.run(alert)
    assert box.run(later(alert, 1.5))[0].delivery == "delivered"


def test_what_goes_on_for_a_day_is_sent_again(alert: Alert) -> None:
    box = Mailbox()
    fates = [box.run(later(alert, hour))[0].delivery for hour in range(49)]
    assert fates.count("delivered") == 3
    assert fates[24] == "delivered"


def test_what_becomes_more_severe_is_sent_again(alert: Alert) -> None:
    box = Mailbox()
    box.run(alert)
    assert box.run(later(alert, 0.5, severity="critical"))[0].delivery == "delivered"
    assert box.run(later(alert, 0.9, severity="low"))[0].delivery == "grouped"


def test_running_the_job_again_changes_nothing(alert: Alert) -> None:
    box = Mailbox()
    alerts = [alert, *(later(alert, 0.5, n) for n in range(1, 6))]
    first = box.run(*alerts)
    state = (box.known, box.spent, list(box.sent))
    assert box.run(*alerts) == first
    assert (box.known, box.spent, box.sent) == state
    grouped = later(alert, 0.7)
    once = box.run(grouped)
    assert box.run(grouped) == once


def test_the_budget_goes_to_the_most_urgent(alert: Alert) -> None:
    words = ("low", "critical", "medium", "high", "low", "medium")
    alerts = [later(alert, 0.1, n + 1, severity=word, excess=float(n)) for n, word in enumerate(words)]
    settled = Mailbox().run(*alerts)
    assert [(a.severity, a.delivery) for a in settled] == [
        ("critical", "delivered"),
        ("high", "delivered"),
        ("medium", "delivered"),
        ("medium", "over_budget"),
        ("low", "over_budget"),
        ("low", "over_budget"),
    ]


def test_the_budget_of_the_day_is_shared_by_its_hours_and_new_the_next_day(alert: Alert) -> None:
    box = Mailbox()
    fates = [box.run(later(alert, hour, n))[0].delivery for n, hour in enumerate((0, 2, 4, 6, 15), start=1)]
    assert fates == ["delivered", "delivered", "delivered", "over_budget", "delivered"]


def test_an_hour_may_not_spend_the_whole_day(alert: Alert) -> None:
    box = Mailbox()
    settled = box.run(*(later(alert, 0.1, n) for n in range(1, 4)), per_hour=1)
    assert [a.delivery for a in settled] == ["delivered", "over_budget", "over_budget"]
    assert box.run(later(alert, 1.1, 9), per_hour=1)[0].delivery == "delivered"


def test_what_was_held_back_is_not_mistaken_for_known(alert: Alert) -> None:
    box = Mailbox()
    assert box.run(alert, per_day=0)[0].delivery == "over_budget"
    assert box.run(later(alert, 0.5))[0].delivery == "delivered"


def test_what_failed_is_tried_again_and_costs_no_budget(alert: Alert) -> None:
    box = Mailbox()
    (settled,) = box.run(alert, failing=True, per_day=1)
    assert settled.delivery == "failed"
    assert settled.notes == ("not sent: the topic does not exist",)
    assert box.run(alert, per_day=1)[0].delivery == "delivered"
    assert box.sent == [alert.alert_id]


def test_every_row_has_one_fate(alert: Alert) -> None:
    box = Mailbox()
    box.run(alert)
    settled = box.run(*(later(alert, 0.5, n % 7, rows_n=n + 1, alert_id=f"x{n}") for n in range(20)))
    settled += box.run(later(alert, 2, 99, rows_n=5), failing=True, per_day=99)
    table = counts(settled)
    whole = table.pop("anomalies")
    assert all(part["alerts"] for part in table.values())
    assert whole == {"alerts": 21, "rows": sum(range(1, 21)) + 5}
    assert sum(part["rows"] for part in table.values()) == whole["rows"]
    assert set(table) == {"delivered", "grouped", "over_budget", "failed"}


def test_a_late_hour_is_grouped_with_what_came_after_it(alert: Alert) -> None:
    box = Mailbox()
    box.run(later(alert, 1))
    assert box.run(later(alert, 0.5))[0].delivery == "grouped"


def test_the_state_stays_small(alert: Alert) -> None:
    box = Mailbox()
    for hour in range(0, 200, 1):
        box.run(later(alert, hour), per_day=10**6)
    assert {hour[:10] for hour in json.loads(box.spent)} <= {"2024-03-11", "2024-03-12"}
    assert len(json.loads(box.known)[alert.fingerprint]["recent"]) == 50


def test_the_other_side_of_a_conversation_is_part_of_the_same_finding(alert: Alert) -> None:
    box = Mailbox()
    victim = replace(alert, alert_id="victim", fingerprint="v", host="10.0.0.9", severity="low", peers=(Peer("10.0.0.5", 1994),))
    first, second = box.run(victim, alert)
    assert (first.host, first.delivery, second.host, second.delivery) == ("10.0.0.5", "delivered", "10.0.0.9", "grouped")
    assert second.notes == (f"the other side of alert {alert.alert_id}",)
    assert box.run(victim, alert) == [first, second]
    assert box.sent == [alert.alert_id]


def test_a_host_that_also_did_something_else_is_told_apart(alert: Alert) -> None:
    busy = replace(alert, alert_id="busy", fingerprint="v", host="10.0.0.9", peers=(Peer("10.0.0.77", 5), Peer("10.0.0.5", 2)))
    assert [a.delivery for a in Mailbox().run(alert, busy)] == ["delivered", "delivered"]


def test_the_other_side_is_told_when_the_first_was_held_back(alert: Alert) -> None:
    victim = replace(alert, alert_id="victim", fingerprint="v", host="10.0.0.9", severity="low", peers=(Peer("10.0.0.5", 1994),))
    assert [a.delivery for a in Mailbox().run(victim, alert, per_day=0)] == ["over_budget", "over_budget"]


def test_a_day_is_a_day() -> None:
    assert DAY_US == 24 * 60 * MIN_US
