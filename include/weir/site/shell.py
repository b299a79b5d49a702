"""What another shell needs to ask a running site, such as for the packets of an alert: ``. .local/site.env``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from weir.site.places import Places

HANDED_ON = ("AWS_", "NO_PROXY", "WEIR_")


@contextmanager
def offered(places: Places, env: Mapping[str, str]) -> Iterator[None]:
    """A file of exports that exists as long as the site runs; ``weir`` is on the path of who reads it."""
    lines = [f"export {name}={shlex.quote(env[name])}" for name in sorted(env) if name.startswith(HANDED_ON)]
    lines.append(f'export PATH={shlex.quote(str(places.home / ".venv" / "bin"))}:"$PATH"')
    places.shell.write_text("\n".join([*lines, ""]))
    try:
        yield
    finally:
        places.shell.unlink(missing_ok=True)
