"""What is mailed can be opened afterwards."""

import email
import smtplib
from email import policy
from email.message import EmailMessage

import pytest

from weir.site import mailbox


@pytest.fixture
def box(tmp_path):
    with mailbox.opened(tmp_path, 0) as opened:
        yield opened


def letter(text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "weir@example.org", "operator@example.org", "Daily"
    mail.set_content(text)
    mail.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="pdf", filename="report.pdf")
    return mail


def test_a_mail_with_an_attachment_comes_out_as_it_went_in(box, tmp_path):
    sent = letter(".a line that begins with a dot\r\n..two\r\n")
    with smtplib.SMTP(*box.server_address) as client:
        client.send_message(sent)
    kept = email.message_from_bytes(mailbox.mails(tmp_path)[0].read_bytes(), policy=policy.default)
    assert kept["Subject"] == "Daily"
    assert kept.get_body().get_content().splitlines() == [".a line that begins with a dot", "..two"]
    assert next(kept.iter_attachments()).get_content() == bytes(range(256)) * 40


def test_mails_are_numbered_in_the_order_they_came(box, tmp_path):
    with smtplib.SMTP(*box.server_address) as client:
        for text in ("first", "second"):
            client.send_message(letter(text))
    assert [path.name for path in mailbox.mails(tmp_path)] == ["0001.eml", "0002.eml"]
    assert b"second" in mailbox.mails(tmp_path)[1].read_bytes()


def test_a_client_that_leaves_in_the_middle_of_a_mail_leaves_no_mail(box, tmp_path):
    client = smtplib.SMTP(*box.server_address)
    client.docmd("MAIL", "FROM:<a@example.org>")
    client.docmd("RCPT", "TO:<b@example.org>")
    client.docmd("DATA")
    client.send(b"half a mail\r\n")
    client.close()
    with smtplib.SMTP(*box.server_address) as other:
        other.send_message(letter("whole"))
    assert len(mailbox.mails(tmp_path)) == 1


def test_an_unknown_verb_is_refused(box):
    with smtplib.SMTP(*box.server_address) as client:
        assert client.docmd("EXPN", "everybody")[0] == 502
