"""One suite for all channels, and what each does in its own way."""

import email
import email.policy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from weir.errors import DeliveryError
from weir.notify.base import Message, Notifier
from weir.notify.folder import Folder
from weir.notify.ses import Ses
from weir.notify.sns import Sns

HOSTILE: list[str] = [*json.loads((Path(__file__).parents[1] / "hostile.json").read_text()), "a" * 65_536]
SENDER, READER = "weir@example.com", "soc@example.com"
PLAIN = Message(
    "a1", "Weir: high alert a1", "10.0.0.5 contacted 1,994 ports\n", "high: 1,994 ports", {"severity": "high", "sensor": "lab"}
)


@dataclass
class Channel:
    """A member, one that must fail, and what arrived: subject, text and number of messages."""

    notifier: Notifier
    broken: Notifier
    arrived: Callable[[], list[tuple[str, str]]]


def sns_channel() -> Channel:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def arrived() -> list[tuple[str, str]]:
        got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [(body["Subject"], body["Message"]) for body in (json.loads(one["Body"]) for one in got)]

    return Channel(Sns(topic), Sns(topic + "-gone"), arrived)


def ses_channel() -> Channel:
    boto3.client("ses").verify_email_identity(EmailAddress=SENDER)

    def arrived() -> list[tuple[str, str]]:
        mails = [email.message_from_string(sent.raw_data, policy=email.policy.default) for sent in ses_sent()]
        return [(mail["Subject"], mail.get_body(("plain",)).get_content()) for mail in mails]  # type: ignore[attr-defined]

    return Channel(Ses(SENDER, [READER]), Ses("nobody@example.com", [READER]), arrived)


def ses_sent() -> list[Any]:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.ses import ses_backends

    return list(ses_backends[DEFAULT_ACCOUNT_ID]["eu-central-1"].sent_messages)


def folder_channel(folder: Path) -> Channel:
    (folder / "file").write_text("a file is no folder")

    def arrived() -> list[tuple[str, str]]:
        facts = [json.loads(path.read_text()) for path in (folder / "out").glob("*.json")]
        return [(fact["subject"], fact["text"]) for fact in facts]

    return Channel(Folder(folder / "out"), Folder(folder / "file" / "out"), arrived)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in (("AWS_DEFAULT_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the discard port
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(params=["sns", "ses", "folder"])
def channel(request: pytest.FixtureRequest, tmp_path: Path) -> Channel:
    members = {"sns": sns_channel, "ses": ses_channel, "folder": lambda: folder_channel(tmp_path)}
    return members[request.param]()


def test_a_message_arrives_whole_and_once(channel: Channel) -> None:
    assert channel.notifier.send(PLAIN)
    assert [(subject, text.strip()) for subject, text in channel.arrived()] == [(PLAIN.subject, PLAIN.text.strip())]


def test_a_channel_that_fails_says_which_message_and_what_to_do(channel: Channel) -> None:
    with pytest.raises(DeliveryError, match=r"^a1: .*(run again|does not take it)"):
        channel.broken.send(PLAIN)
    assert channel.arrived() == []


def test_hostile_text_arrives_as_text(channel: Channel) -> None:
    for text in HOSTILE:
        channel.notifier.send(Message("a1", f"Weir {text}", f"seen: {text}", text, {"severity": "low"}))
        subject, body = channel.arrived()[-1]
        assert subject.isprintable()
        assert len(subject) <= 100
        wanted = f"seen: {text}".encode("utf-8", "replace").decode()
        assert "".join(body.split())[:1000] == "".join(wanted.split())[:1000]  # mail may change line ends


def test_subscribers_of_a_topic_can_filter_by_severity() -> None:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="pager")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"severity": ["critical"]})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicy": policy})
    for severity in ("low", "critical"):
        Sns(topic).send(Message(severity, severity, "text", "short", {"severity": severity}))
    (got,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(got["Body"])["Subject"] == "critical"
    assert json.loads(got["Body"])["MessageAttributes"]["severity"]["Value"] == "critical"


def test_a_phone_gets_the_short_form() -> None:
    notifier = Sns(boto3.client("sns").create_topic(Name="alerts")["TopicArn"])
    asked: list[Any] = []
    notifier._sns.meta.events.register("provide-client-params.sns.Publish", lambda params, **_: asked.append(params))
    notifier.send(PLAIN)
    assert asked[0]["MessageStructure"] == "json"
    assert json.loads(asked[0]["Message"]) == {"default": PLAIN.text, "email": PLAIN.text, "sms": PLAIN.short}


def test_a_text_beyond_the_limit_of_sns_is_cut_and_says_so() -> None:
    channel = sns_channel()
    channel.notifier.send(Message("a1", "s", "ü" * 300_000))
    ((_, text),) = channel.arrived()
    assert text.endswith("(cut here)\n")


def test_a_report_by_ses_keeps_every_part() -> None:
    boto3.client("ses").verify_email_identity(EmailAddress=SENDER)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = SENDER, READER, "report"
    mail.set_content("text")
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="report.pdf")
    Ses(SENDER, [READER]).send(Message("daily", "report", "text", mail=mail.as_bytes()))
    (sent,) = ses_sent()
    assert sent.raw_data.encode() == mail.as_bytes()
    assert READER in sent.destinations


def test_nobody_to_mail_to_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(DeliveryError, match="WEIR_MAIL_TO"):
        Ses(SENDER, []).send(PLAIN)


def test_a_report_in_the_outbox_opens_in_a_mail_program(tmp_path: Path) -> None:
    path = Folder(tmp_path).send(Message("daily-2024-03-04", "s", "t", mail=b"From: a@example.com\r\n\r\nhello"))
    assert Path(path).name == "daily-2024-03-04.eml"
    assert email.message_from_bytes(Path(path).read_bytes()).get_payload() == "hello"


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "..", "", "a/b", "x" * 500, "\u202e"])
def test_a_name_stays_inside_the_outbox(tmp_path: Path, name: str) -> None:
    path = Path(Folder(tmp_path / "out").send(Message(name, "s", "t")))
    assert path.resolve().parent == (tmp_path / "out").resolve()


@pytest.mark.usefixtures("nobody_listens")
def test_an_unreachable_endpoint_is_a_delivery_error() -> None:
    with pytest.raises(DeliveryError, match="AWS_ENDPOINT_URL"):
        Sns("arn:aws:sns:eu-central-1:123456789012:alerts").send(PLAIN)
