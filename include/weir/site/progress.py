"""What the user sees while waiting: the stage, how long it has run, and what it waits for.

On a terminal the last line moves; elsewhere each stage gets one plain line, and another one now and
then while it lasts, so that a log shows that something still happens.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.status import Status

PLAIN_EVERY_S = 15.0  # between two lines of one stage where the output is no terminal


class Progress:
    """Tells of stages, one after another."""

    def __init__(self, out: TextIO, begun: float | None = None) -> None:
        from rich.console import Console

        self._console = Console(file=out, highlight=False, soft_wrap=True)
        self._begun = time.monotonic() if begun is None else begun
        self._stage = ""
        self._stage_begun = self._begun
        self._told = 0.0
        self._status: Status | None = None

    @contextmanager
    def stage(self, words: str) -> Iterator[None]:
        """One stage; its line is printed with its duration when it ends."""
        self._stage, self._stage_begun, self._told = words, time.monotonic(), time.monotonic()
        if self._console.is_terminal:
            with self._console.status(words) as self._status:
                yield
            self._status = None
        else:
            yield
        self.say(f"{self._clock()}  {words} ({time.monotonic() - self._stage_begun:.0f} s)")

    def waits_for(self, what: str) -> None:
        """Say what the stage waits for; call it as often as you like."""
        lasted = time.monotonic() - self._stage_begun
        line = f"{self._stage} … {lasted:.0f} s, waiting for {what}"
        if self._status is not None:
            self._status.update(f"{self._clock()}  {line}")
        elif time.monotonic() - self._told > PLAIN_EVERY_S:
            self._told = time.monotonic()
            self.say(f"{self._clock()}  {line}")

    def say(self, words: str) -> None:
        """Print a line that stays."""
        self._console.print(words, markup=False)

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._begun), 60)
        return f"{minutes:d}:{seconds:02d}"
