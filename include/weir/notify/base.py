"""The promise of every channel: a message goes out whole, or DeliveryError says what to do.

Which members exist: ``sns`` (alerts to people and programs), ``ses`` (reports and alerts by mail),
``folder`` (a machine without AWS). They share one suite, tests/notify/test_members.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from weir.words import header

SUBJECT_MOST = 100  # characters, the limit of SNS


@dataclass(frozen=True)
class Message:
    """What is sent.

    ``name`` says which alert or report it is, in letters, digits, ``-``, ``_`` and ``.``. Channels
    that carry mail send ``mail`` (a whole MIME message) where there is one; the others send
    ``text``, and ``short`` where only a line fits. ``attributes`` is what receivers filter by.
    """

    name: str
    subject: str
    text: str
    short: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    mail: bytes | None = None


class Notifier(Protocol):
    """One way out."""

    def send(self, message: Message) -> str:
        """Hand the message over; returns the id the channel gave it.

        Raises
        ------
        DeliveryError
            names the message, the channel and what to do. The message may be sent again.
        """


def sendable(message: Message) -> Message:
    """The message with a subject that is safe as a header, and texts that can be written as UTF-8.

    Every channel sends this, so that all receivers see the same.
    """
    subject = header(message.subject, SUBJECT_MOST) or "Weir"
    return replace(message, subject=subject, text=_writable(message.text), short=_writable(message.short))


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
