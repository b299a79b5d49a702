"""Mail through Amazon SES, as a whole MIME message.

The first version of the API is used: it takes raw messages just as the second does, and local
stand-ins keep their attachments only there. Recipients are always given apart from the message,
so nothing inside it can add one.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage

from weir.errors import DeliveryError
from weir.notify.base import Message, sendable


class Ses:
    """Sends mail from one verified address to a fixed list of recipients."""

    def __init__(self, sender: str, recipients: Sequence[str], region: str | None = None) -> None:
        import boto3

        self.sender = sender
        self.recipients = tuple(recipients)
        self._ses = boto3.client("ses", region_name=region)

    def send(self, message: Message) -> str:
        """Send ``mail``, or the text as a plain mail; the id is SES's MessageId."""
        from botocore.exceptions import BotoCoreError, ClientError

        if not self.recipients:
            raise DeliveryError(f"{message.name}: nobody to mail it to; set WEIR_MAIL_TO, then run again")
        try:
            answer = self._ses.send_raw_email(
                Source=self.sender,
                Destinations=list(self.recipients),
                RawMessage={"Data": message.mail or self._plain(sendable(message))},
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise DeliveryError(
                f"{message.name}: SES refused mail from {self.sender}: {code}; verify the sender in SES "
                f"(and, in its sandbox, each recipient), then run again"
            ) from error
        except BotoCoreError as error:
            raise DeliveryError(
                f"{message.name}: SES cannot be reached: {error}; check AWS_ENDPOINT_URL and the network, then run again"
            ) from error
        return str(answer["MessageId"])

    def _plain(self, message: Message) -> bytes:
        mail = EmailMessage()
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Subject"] = message.subject
        mail.set_content(message.text, cte="quoted-printable")  # every relay passes it on unchanged
        return mail.as_bytes()
