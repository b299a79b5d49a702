"""Where the platform keeps things on this machine: all below ``.local`` of the checkout, but one.

PostgreSQL refuses to run as root, and its own user may not enter root's home. So where root starts
the site, the database lives in ``/var/lib/weir``, in a folder named after the checkout.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

SOCKET_PATH_MAX = 100  # bytes; a Unix socket's path ends at 107, and the server adds its own name


@dataclass(frozen=True)
class Places:
    """The folders and files of one site; nothing is created here."""

    home: Path

    @property
    def local(self) -> Path:
        """All that running leaves behind; may be deleted while nothing runs."""
        return self.home / ".local"

    @property
    def logs(self) -> Path:
        """One log file for each service."""
        return self.local / "logs"

    @property
    def run(self) -> Path:
        """The lock, and a note for each running service."""
        return self.local / "run"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.local / "airflow"

    @property
    def aws(self) -> Path:
        """State of the AWS stand-in."""
        return self.local / "aws"

    @property
    def spool(self) -> Path:
        """Sealed capture segments of the sensors."""
        return self.local / "spool"

    @property
    def outbox(self) -> Path:
        """Mails that were sent, one ``.eml`` each."""
        return self.local / "outbox"

    @property
    def shell(self) -> Path:
        """What another shell reads to ask the running site."""
        return self.local / "site.env"

    @property
    def reports(self) -> Path:
        """The reports of the last demo, as files to open."""
        return self.local / "reports"

    @property
    def training(self) -> Path:
        """The DVC workspace the training DAG uses, apart from the data scientist's own."""
        return self.local / "training"

    @property
    def cache(self) -> Path:
        """Caches of libraries that would write into the user's home."""
        return self.local / "cache"

    @property
    def database(self) -> Path:
        """PostgreSQL's data."""
        return self._database_home() / "postgres"

    @property
    def sockets(self) -> Path:
        """PostgreSQL's socket; a short path, as the kernel demands."""
        beside = self._database_home() / "sockets"
        if len(os.fsencode(beside)) <= SOCKET_PATH_MAX:
            return beside
        return Path("/tmp") / f"weir-{os.getuid()}-{self._name()}"  # noqa: S108  made with mode 0700 and checked

    @property
    def capture(self) -> Path:
        """The sensor's program."""
        return self.home / "build" / "capture" / "bin" / "weir-capture"

    def _database_home(self) -> Path:
        return Path("/var/lib/weir") / self._name() if os.geteuid() == 0 else self.local

    def _name(self) -> str:
        return hashlib.sha256(os.fsencode(self.home)).hexdigest()[:8]
