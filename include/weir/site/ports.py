"""The ports of the site, and who holds one that is not free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weir.errors import SettingsError, SiteError

HOST = "127.0.0.1"
VARIABLE = "WEIR_PORTS"
FIRST_PORT = 28600  # below the kernel's ephemeral range and, in /etc/services, nobody's
LOWEST, HIGHEST = 1024, 65535
STEP = 10  # what a message proposes to go up by


@dataclass(frozen=True)
class Ports:
    """Three neighbours: Airflow, the AWS stand-in, and the mail catcher."""

    first: int = FIRST_PORT

    @property
    def airflow(self) -> int:
        """Airflow's pages and API."""
        return self.first

    @property
    def aws(self) -> int:
        """The AWS stand-in."""
        return self.first + 1

    @property
    def mail(self) -> int:
        """The mail catcher (SMTP)."""
        return self.first + 2

    def named(self) -> dict[str, int]:
        """Each port with the words a message uses for it."""
        return {"Airflow": self.airflow, "the AWS stand-in": self.aws, "the mail catcher": self.mail}


def read(environ: Mapping[str, str]) -> Ports:
    """The ports from ``WEIR_PORTS``, the first of three; SettingsError when it is no port."""
    text = environ.get(VARIABLE, "") or str(FIRST_PORT)
    if not text.isdigit() or not LOWEST <= int(text) <= HIGHEST - 2:
        raise SettingsError(f"{VARIABLE}={text!r}: not a port; give the first of three free ones, from {LOWEST} to {HIGHEST - 2}")
    return Ports(int(text))


def check_free(ports: Ports) -> None:
    """SiteError naming the first port that is taken, by whom, and what to do."""
    for name, port in ports.named().items():
        if not is_free(port):
            raise SiteError(
                f"port {port} for {name} is taken by {holder(port)}; end that, "
                f"or choose the first of three other ports: {VARIABLE}={ports.first + STEP} bin/demo"
            )


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise SiteError(f"port {port} cannot be opened on {HOST}: {error.strerror}") from error
    return True


def holder(port: int) -> str:
    """The process that listens on ``port``, in words; from /proc, so others' may stay unknown."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, sockets):
            return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return "another user's process"


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in sockets for entry in (process / "fd").iterdir())
    except OSError:  # ended meanwhile, or not ours to look into
        return False


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            local, state, inode = fields[1], fields[3], fields[9]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:  # 0A: LISTEN, include/net/tcp_states.h
                inodes.add(inode)
    return inodes
