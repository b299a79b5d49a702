"""Alerts through Amazon SNS, which passes them on to mail, SMS, push, queues and functions.

Subscribers filter by the attributes, so that only critical alerts wake somebody.
"""

from __future__ import annotations

import json

from weir.errors import DeliveryError
from weir.notify.base import Message, sendable

TEXT_MOST = 20_000  # characters; SNS takes 262,144 bytes, and the text goes in twice, each letter at most 6 bytes as JSON


class Sns:
    """Publishes to one topic."""

    def __init__(self, topic: str) -> None:
        import boto3

        self.topic = topic
        region = topic.split(":")[3] if topic.count(":") >= 5 else None
        self._sns = boto3.client("sns", region_name=region or None)

    def send(self, message: Message) -> str:
        """Publish; the id is SNS's MessageId. Texts beyond the limit of SNS are cut, and say so."""
        from botocore.exceptions import BotoCoreError, ClientError

        message = sendable(message)
        text = message.text if len(message.text) <= TEXT_MOST else message.text[:TEXT_MOST] + "\n(cut here)\n"
        bodies = {"default": text, "email": text, "sms": message.short or message.subject}
        try:
            answer = self._sns.publish(
                TopicArn=self.topic,
                Subject=message.subject,
                Message=json.dumps(bodies),
                MessageStructure="json",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
                },
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise DeliveryError(
                f"{message.name}: topic {self.topic} refused it: {code}; "
                f"check WEIR_SNS_TOPIC and the right sns:Publish, then run again"
            ) from error
        except BotoCoreError as error:
            raise DeliveryError(
                f"{message.name}: topic {self.topic} cannot be reached: {error}; "
                f"check AWS_ENDPOINT_URL and the network, then run again"
            ) from error
        return str(answer["MessageId"])
