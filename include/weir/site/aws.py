"""The AWS stand-in: ministack, in an environment of its own, and what Weir needs in it.

Nothing else in Weir knows of it: everybody talks to AWS through boto3 and ``AWS_ENDPOINT_URL``.
The credentials are words without meaning, given only to processes of the site.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weir.errors import SiteError
from weir.site.places import Places
from weir.site.ports import HOST, Ports
from weir.site.processes import Service

REGION = "eu-central-1"
BUCKET = "weir"
ALERTS = "weir-alerts"  # both the topic and the queue that listens to it
MAIL_FROM = "weir@example.org"
MAIL_TO = "operator@example.org"
NO_FILE = Path(__file__).with_name("__init__.py")  # an empty file; some clients refuse one that does not exist
ANSWER_S = 5.0
MESSAGES_AT_ONCE = 10  # the most SQS gives


@dataclass(frozen=True)
class Resources:
    """What the site made in the stand-in."""

    bucket: str
    topic: str
    queue: str


def client_env(ports: Ports) -> dict[str, str]:
    """What a process of the site needs to reach the stand-in, and never the real AWS."""
    return {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{ports.aws}",
        "AWS_ACCESS_KEY_ID": "weir-demo",
        "AWS_SECRET_ACCESS_KEY": "weir-demo",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(NO_FILE),
        "AWS_SHARED_CREDENTIALS_FILE": str(NO_FILE),
    }


def service(places: Places, ports: Ports, env: dict[str, str]) -> Service:
    """The stand-in, to be started; its state lives in ``.local/aws``."""
    places.aws.mkdir(parents=True, exist_ok=True)
    settings = {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(ports.aws),
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(places.aws / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(places.aws / "s3"),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",  # that listener would be open to the network
        "SMTP_HOST": f"{HOST}:{ports.mail}",
        "LOG_LEVEL": "WARNING",
    }
    python = places.local / "aws-venv" / "bin" / "python"
    return Service("aws", [str(python), "-m", "ministack"], {**env, **settings}, places.aws, grace_s=10.0)


def is_ready(ports: Ports) -> bool:
    """Whether the stand-in answers."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{ports.aws}/_ministack/health", timeout=ANSWER_S):
            return True
    except (urllib.error.URLError, OSError):
        return False


def client(name: str, ports: Ports) -> Any:
    """A boto3 client for the stand-in that reads nothing from this process's environment."""
    import boto3
    from botocore.config import Config

    env = client_env(ports)
    session = boto3.session.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    config = Config(proxies={}, retries={"mode": "standard", "max_attempts": 5})
    return session.client(name, endpoint_url=env["AWS_ENDPOINT_URL"], config=config)


def create(ports: Ports) -> Resources:
    """Make bucket, topic, queue and mail identities; what exists is kept."""
    s3 = client("s3", ports)
    if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    sns, sqs = client("sns", ports), client("sqs", ports)
    topic = sns.create_topic(Name=ALERTS)["TopicArn"]
    queue = sqs.create_queue(QueueName=ALERTS)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    ses = client("ses", ports)
    for address in (MAIL_FROM, MAIL_TO):
        ses.verify_email_identity(EmailAddress=address)
    return Resources(BUCKET, topic, queue)


def delivered(ports: Ports, resources: Resources) -> list[dict[str, Any]]:
    """Take all alert messages that the topic has delivered so far."""
    sqs = client("sqs", ports)
    messages: list[dict[str, Any]] = []
    while batch := sqs.receive_message(QueueUrl=resources.queue, MaxNumberOfMessages=MESSAGES_AT_ONCE).get("Messages", []):
        for message in batch:
            messages.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=resources.queue, ReceiptHandle=message["ReceiptHandle"])
    return messages


def download(ports: Ports, key: str, path: Path) -> Path:
    """Copy one object of the bucket to a file; SiteError when there is none."""
    from botocore.exceptions import ClientError

    try:
        whole = client("s3", ports).get_object(Bucket=BUCKET, Key=key)["Body"].read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise SiteError(f"s3://{BUCKET}/{key}: {code}; the DAG that writes it has failed, see its log") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole)
    return path
