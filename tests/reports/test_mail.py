import email
import email.policy
import re
from email.message import EmailMessage
from typing import Any

import pytest

from weir.errors import SettingsError
from weir.reports.mail import mail, subject, text
from weir.reports.sections import parts

Facts = dict[str, Any]
PDF = b"%PDF-1.3 not really\n"
ENDS = {"sender": "weir@example.com", "recipients": ["soc@example.com", "boss@example.com"]}


def opened(made: Facts, **ends: Any) -> EmailMessage:
    message = email.message_from_bytes(mail(made, PDF, **{**ENDS, **ends}), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def tree(message: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in message.walk()]


def test_a_mail_has_text_html_pictures_and_pdf_in_the_right_order(days: dict[str, Facts]) -> None:
    message = opened(days["ordinary"])
    assert tree(message) == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/png",
        "application/pdf",
    ]
    assert [part.defects for part in message.walk() if part.defects] == []


def test_every_picture_is_found_by_its_content_id(days: dict[str, Facts]) -> None:
    message = opened(days["week"])
    html = message.get_body(("html",))
    assert html is not None
    wanted = set(re.findall(r'src="cid:([^"]+)"', html.get_content()))
    pictures = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert {str(part["Content-ID"]).strip("<>") for part in pictures} == wanted
    assert len(wanted) == 3
    assert all(part.get_content().startswith(b"\x89PNG") for part in pictures)


def test_the_pdf_is_attached_under_the_reports_name(days: dict[str, Facts]) -> None:
    (attached,) = opened(days["ordinary"]).iter_attachments()
    assert attached.get_filename() == "weir-daily-2024-03-04.pdf"
    assert attached.get_content() == PDF


def test_headers_say_who_when_and_whether_to_open_it(days: dict[str, Facts]) -> None:
    message = opened(days["crowded"])
    assert message["Subject"] == "Weir daily report 2024-03-04: act now (3 critical, 3 high)"
    assert message["From"] == "weir@example.com"
    assert message["To"] == "soc@example.com, boss@example.com"
    assert message["Date"] == "Tue, 05 Mar 2024 06:00:00 +0000"
    assert message["Message-ID"] == "<weir-daily-2024-03-04.1709618400000000@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert opened(days["crowded"], message_id="<a@b>")["Message-ID"] == "<a@b>"


@pytest.mark.parametrize("day", ["ordinary", "empty", "crowded", "week"])
def test_the_mail_is_small_and_its_lines_are_short(days: dict[str, Facts], day: str) -> None:
    whole = mail(days[day], PDF, **ENDS)
    assert max(map(len, whole.split(b"\r\n"))) <= 998
    assert b"\n" not in whole.replace(b"\r\n", b"")
    html = opened(days[day]).get_body(("html",))
    assert html is not None
    assert len(html.as_bytes()) < 100_000


def test_the_same_report_is_the_same_mail(days: dict[str, Facts]) -> None:
    assert mail(days["empty"], PDF, **ENDS) == mail(days["empty"], PDF, **ENDS)


def test_the_text_part_tells_the_whole_report(days: dict[str, Facts]) -> None:
    told = text(days["ordinary"])
    for part in parts(days["ordinary"]):
        assert part.title.upper() in told
    assert "LOOK AT THIS." in told
    assert "- 1 high alert." in told
    assert "10.0.0.5 contacted 1,994 ports of 10.0.0.9 within 23 s; usual is 2." in told
    body = opened(days["ordinary"]).get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == told


def test_a_calm_subject_is_calm(days: dict[str, Facts]) -> None:
    calm = {**days["empty"], "verdict": {"level": "well", "words": "All well", "points": []}}
    assert subject(calm) == "Weir daily report 2024-03-04: all well"


@pytest.mark.parametrize(
    "address", ["nobody", "a@b\r\nBcc: victim@example.com", "", "@example.com", "a b@example.com", "x@y, z@w"]
)
def test_what_is_no_address_is_refused_by_name(days: dict[str, Facts], address: str) -> None:
    with pytest.raises(SettingsError, match="WEIR_MAIL_TO"):
        mail(days["empty"], PDF, sender="weir@example.com", recipients=[address])
    with pytest.raises(SettingsError, match="WEIR_MAIL_FROM"):
        mail(days["empty"], PDF, sender=address, recipients=["soc@example.com"])
