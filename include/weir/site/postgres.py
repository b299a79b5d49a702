"""PostgreSQL for Airflow's own records: a private server that listens on a Unix socket only.

No port and no password: whoever may enter the socket's folder (mode 0700) may connect.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from weir.errors import SiteError
from weir.site.places import Places
from weir.site.processes import Service

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

USER = "weir"
DATABASE = "airflow"
UNPRIVILEGED = "postgres"  # the account Debian's package makes; used where root starts the site
PROGRAMS = Path("/usr/lib/postgresql")
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "80",
    "synchronous_commit": "off",  # a killed process loses nothing; a power cut may lose a moment of a demo
    "log_min_messages": "warning",
}


def programs() -> Path:
    """The folder of the newest server Debian installed; SiteError when there is none."""
    versions = sorted((p for p in PROGRAMS.glob("*/bin") if (p / "initdb").exists()), key=lambda p: int(p.parent.name))
    if not versions:
        raise SiteError(f"no PostgreSQL in {PROGRAMS}; bin/setup installs it (Debian's package postgresql)")
    return versions[-1]


def prepare(places: Places) -> None:
    """Make the database folder, whole or not at all; what exists is kept."""
    _private(places.sockets)
    if (places.database / "PG_VERSION").exists():
        return
    half = places.database.with_name("postgres.half-made")
    shutil.rmtree(half, ignore_errors=True)
    _private(half)
    made = subprocess.run(
        [
            *_unprivileged(), programs() / "initdb", "--pgdata", half, "--username", USER,
            "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
        ],
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise SiteError(f"{half}: the database could not be made: {made.stderr.strip()}; mend that and start again")
    half.rename(places.database)


def service(places: Places, env: dict[str, str]) -> Service:
    """The server, to be started."""
    settings = {**SETTINGS, "unix_socket_directories": str(places.sockets)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [*_unprivileged(), str(programs() / "postgres"), "-D", str(places.database), *options]
    # INT is PostgreSQL's fast stop: it ends its clients' sessions in order and does not wait for them.
    return Service("postgres", command, env, Path("/"), stop="INT")


def is_ready(places: Places) -> bool:
    """Whether the server answers."""
    import psycopg2

    try:
        with connected(places):
            return True
    except psycopg2.OperationalError:
        return False


def fresh(places: Places, version: str, migrate: Callable[[str], None]) -> str:
    """Make Airflow's database anew and return its address.

    The tables are made once for each ``version`` of Airflow, by ``migrate(address)``, and copied
    from then on, which takes a tenth of the time.
    """
    pattern = f"{DATABASE}_{version}"
    with connected(places) as run:
        run.execute("SELECT count(*) FROM pg_database WHERE datname = %s", (pattern,))
        found = run.fetchone()
        if not found or not found[0]:
            run.execute("DROP DATABASE IF EXISTS half_made WITH (FORCE)")
            run.execute("CREATE DATABASE half_made")
            migrate(address(places, "half_made"))
            run.execute(f'ALTER DATABASE half_made RENAME TO "{pattern}"')
        run.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        run.execute(f'CREATE DATABASE {DATABASE} TEMPLATE "{pattern}"')
    return address(places, DATABASE)


def address(places: Places, database: str) -> str:
    """What SQLAlchemy connects to."""
    return f"postgresql+psycopg2://{USER}@/{database}?host={places.sockets}"


@contextmanager
def connected(places: Places) -> Iterator[cursor]:
    """A cursor on the server's own database, each statement by itself."""
    import psycopg2

    connection = psycopg2.connect(host=str(places.sockets), user=USER, dbname="postgres", connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as run:
            yield run
    finally:
        connection.close()


def _private(folder: Path) -> None:
    """Make a folder that only the server's account (and root) may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    elif folder.stat().st_uid != os.getuid():
        raise SiteError(f"{folder} belongs to somebody else; remove it or work in a checkout with a shorter path")
    folder.chmod(0o700)


def _unprivileged() -> list[str]:
    """What to put before a command so that it runs as PostgreSQL wants: not as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--init-groups", "--"]
