"""Text that an attacker chose, followed through every exit of a report."""

import email
import email.policy
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from weir.reports.content import content
from weir.reports.mail import mail, subject, text
from weir.reports.page import mail_html, page
from weir.reports.pdf import pdf

Facts = dict[str, Any]
HOSTILE: list[str] = [*json.loads((Path(__file__).parents[1] / "hostile.json").read_text()), "a" * 65_536]


@pytest.fixture(scope="module")
def plain(make_inputs: Callable[..., Facts]) -> Facts:
    return make_inputs(n=60)


def planted(plain: Facts, make_alert: Callable[..., Facts], *texts: str) -> Facts:
    """A day with a text wherever text from outside can come in."""
    many = list(enumerate(texts))
    flows = {
        **plain["flows_summary"],
        "talkers": [{"host": t, "bytes_out": 1, "bytes_in": 1, "packets": 1, "flows": 1} for t in texts],
        "ports": [{"port": 1, "protocol": 6, "transport": t, "name": t, "flows": 1, "packets": 1, "bytes": 1} for t in texts],
    }
    alerts = [
        make_alert(
            n,
            host=t,
            sensor_id=t,
            words=f"{t} contacted 7 ports; usual is 2.",
            notes=[t],
            hour=t,
            peers=[{"address": t, "flows": 1}],
            kind_hint={"name": t, "technique": t, "words": t},
            reasons=[{"words": t, "share": 0.5}],
            evidence=[{**make_alert()["evidence"][0], "src_ip": t, "dst_ip": t, "segment": t}],
            delivery=("delivered", "grouped")[n % 2],
            lineage={"model_id": t},
        )
        for n, t in many
    ]
    return content(
        **{
            **plain,
            "flows_summary": flows,
            "alerts": alerts,
            "quality": [{"table": t, "hour": t, "rows": 10, "refused": {t: 5}} for t in texts],
            "drift": [
                {"sensor_id": t, "hour": t, "verdict": "drift", "summary": t, "columns": [{"name": t, "z": 5.0, "drifted": True}]}
                for t in texts
            ],
            "ledger": {
                "is_balanced": False,
                "words": texts[0],
                "lost": 0,
                "laws": [
                    {
                        "hop": t,
                        "name": t,
                        "counts": t,
                        "seen": 1,
                        "accepted": 1,
                        "aside": {t: 1},
                        "dropped": {t: 1},
                        "problems": [t],
                    }
                    for t in texts
                ],
            },
            "models": {"champion": {"model_id": texts[0], "detector": texts[0], "data_version": texts[0], "why": texts[0]}},
            "arrivals": [
                {"sensor_id": t, "segments": 1, "packets": 1, "bytes": 1, "hours": 1, "missing": 1, "words": [t]} for t in texts
            ],
        }
    )


class Skeleton(HTMLParser):
    """The tags of a page without its text, as any injected tag or attribute would show among them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[Any] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [pair for pair in attrs if pair != ("class", "long")]))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(("/", tag))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))


@pytest.mark.parametrize("bad", HOSTILE)
def test_no_text_changes_the_skeleton_of_the_html(plain: Facts, make_alert: Any, bad: str) -> None:
    benign = mail_html(planted(plain, make_alert, "host"), {})
    assert Skeleton(mail_html(planted(plain, make_alert, bad), {})).tags == Skeleton(benign).tags


def test_all_texts_together_leave_page_pdf_and_mail_whole(plain: Facts, make_alert: Any) -> None:
    made = planted(plain, make_alert, *HOSTILE)
    json.dumps(made, allow_nan=False).encode()
    html = page(made)
    assert "<script" not in html
    assert "<img" not in html
    whole = pdf(made)
    written = "".join(p.extract_text() for p in PdfReader(io.BytesIO(whole)).pages)
    assert "xn--pple-43d.com" in written
    assert "/JavaScript" not in whole.decode("latin-1")
    assert "/URI" not in whole.decode("latin-1")
    message = email.message_from_bytes(
        mail(made, whole, sender="weir@example.com", recipients=["soc@example.com"]), policy=email.policy.default
    )
    assert message["Bcc"] is None
    assert message.defects == []


def test_headers_are_the_same_whatever_packets_said(plain: Facts, make_alert: Any) -> None:
    def headers(*texts: str) -> list[tuple[str, str]]:
        whole = mail(planted(plain, make_alert, *texts), b"", sender="weir@example.com", recipients=["soc@example.com"])
        message = email.message_from_bytes(whole, policy=email.policy.default)
        return [(name, str(value)) for part in message.walk() for name, value in part.items()]

    assert headers(HOSTILE[19], HOSTILE[22]) == headers("host", "other")


@pytest.mark.parametrize("bad", HOSTILE)
def test_text_and_subject_keep_their_lines(plain: Facts, make_alert: Any, bad: str) -> None:
    made, benign = planted(plain, make_alert, bad), planted(plain, make_alert, "host")
    assert subject(made) == subject(benign)
    lines = text(made).splitlines()
    assert len(lines) == len(text(benign).splitlines())
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 2_000
