"""A mailbox for one machine: takes mail by SMTP on 127.0.0.1 and keeps each as an ``.eml`` file.

It knows the few verbs of RFC 5321 that a relay needs, asks for no password and sends nothing on.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weir.site.ports import HOST
from weir.store import put

LINE_BYTES = 4096  # four times RFC 5321's limit of 1000
MAIL_BYTES = 40 * 1024 * 1024  # what SES takes
QUIET_S = 30.0  # a client that says nothing for so long is gone


class _Session(socketserver.StreamRequestHandler):
    timeout = QUIET_S
    server: Mailbox

    def handle(self) -> None:
        self._say("220 weir mailbox")
        while line := self.rfile.readline(LINE_BYTES):
            verb = line[:4].upper().decode("ascii", "replace").strip()
            if verb == "DATA":
                self._take()
            elif verb == "QUIT":
                self._say("221 bye")
                return
            elif verb in ("EHLO", "HELO", "MAIL", "RCPT", "RSET", "NOOP"):
                self._say("250 ok")
            else:
                self._say("502 not known here")

    def _take(self) -> None:
        self._say("354 go on, end with a dot")
        whole = bytearray()
        while (line := self.rfile.readline(LINE_BYTES)) not in (b".\r\n", b".\n", b""):
            # A leading dot was doubled by the client (RFC 5321, 4.5.2).
            whole += line[1:] if line.startswith(b".") else line
            if len(whole) > MAIL_BYTES:
                self._say("552 too big")
                return
        if line:
            self.server.keep(bytes(whole))
            self._say("250 kept")

    def _say(self, words: str) -> None:
        self.wfile.write(words.encode() + b"\r\n")


class Mailbox(socketserver.ThreadingTCPServer):
    """The server; ``folder`` gets ``0001.eml``, ``0002.eml`` … in the order of arrival."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._one_at_a_time = threading.Lock()
        super().__init__((HOST, port), _Session)

    def keep(self, mail: bytes) -> None:
        """Write one mail."""
        with self._one_at_a_time:
            put(self.folder / f"{len(mails(self.folder)) + 1:04d}.eml", mail)


def mails(folder: Path) -> list[Path]:
    """All mails that were kept, in order."""
    return sorted(folder.glob("*.eml"))


@contextmanager
def opened(folder: Path, port: int) -> Iterator[Mailbox]:
    """A mailbox that takes mail until the context is left; port 0 chooses a free one."""
    with Mailbox(folder, port) as mailbox:
        threading.Thread(target=mailbox.serve_forever, name="mailbox", daemon=True).start()
        try:
            yield mailbox
        finally:
            mailbox.shutdown()
