"""Messages as files in a folder: the outbox of a machine without AWS.

``<name>.eml`` opens in any mail program, ``<name>.json`` holds what a topic would have received.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

from weir.errors import DeliveryError, StoreError
from weir.notify.base import Message, sendable
from weir.store import put

NAME_MOST = 100  # characters; file systems allow 255 bytes
NOT_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")


class Folder:
    """Writes each message whole or not at all; the same message again replaces its file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, message: Message) -> str:
        """Write the files; the id is the path of the one to open."""
        name = NOT_A_NAME.sub("_", message.name)[:NAME_MOST].strip(".") or "message"
        facts = {key: value for key, value in asdict(sendable(message)).items() if key != "mail"}
        path = self.folder / f"{name}.json"
        try:
            put(path, json.dumps(facts, indent=1, sort_keys=True).encode())
            if message.mail is not None:
                path = self.folder / f"{name}.eml"
                put(path, message.mail)
        except (StoreError, OSError) as error:
            raise DeliveryError(f"{message.name}: the outbox {self.folder} does not take it: {error}") from error
        return str(path)
