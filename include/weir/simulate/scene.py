"""Where somebody does something: the tape, the office, the dice; and what nearly every habit begins with."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from weir.simulate import messages
from weir.simulate.office import Host, Office, path
from weir.simulate.talk import Turn, ask
from weir.simulate.tape import Tape
from weir.simulate.wire import US_PER_S

US_PER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a habit takes place."""

    tape: Tape
    office: Office
    rng: Random

    def size(self, median: float, spread: float, most: int) -> int:
        """Bytes, log-normal around a median, never above ``most``."""
        return min(int(self.rng.lognormvariate(0.0, spread) * median) + 1, most)

    def many(self, steepness: float, most: int) -> int:
        """A number from 1 on, mostly 1, seldom large (Pareto), never above ``most``."""
        return min(int(self.rng.paretovariate(steepness)), most)

    def pause(self, mean_s: float) -> int:
        """Microseconds, exponential around a mean in seconds."""
        return int(self.rng.expovariate(1.0 / mean_s) * US_PER_S)


def look_up(scene: Scene, client: Host, at_us: int, name: str, address: str | None) -> int:
    """Ask the office's name server; returns when the answer came."""
    way, ident = path(client, scene.office.servers["dns"], 53, scene.rng), scene.rng.getrandbits(16)
    ask(scene.tape, way, at_us, messages.dns_question(name, ident), messages.dns_answer(name, ident, address))
    if scene.rng.random() < 0.5:
        six = path(client, scene.office.servers["dns"], 53, scene.rng)
        ask(
            scene.tape,
            six,
            at_us + 90,
            messages.dns_question(name, ident ^ 1, is_v6=True),
            messages.dns_answer(name, ident ^ 1, None, is_v6=True),
        )
    if scene.rng.random() < 0.3:  # not in the cache: the name server asks outside
        out = path(scene.office.servers["dns"], scene.office.outside[scene.rng.randrange(8)], 53, scene.rng)
        ask(scene.tape, out, at_us + 200, messages.dns_question(name, ident ^ 2), messages.dns_answer(name, ident ^ 2, address))
    return at_us + way.rtt_us


def tls_turns(scene: Scene, name: str, exchanges: int, median: int, most: int) -> list[Turn]:
    """What is said in a TLS connection: the handshake, then questions and answers of about ``median`` bytes."""
    rng = scene.rng
    turns = [
        Turn(True, 517, 200, messages.tls_hello(name, rng)),
        Turn(False, rng.randint(2_400, 5_200), 3_000, messages.TLS_SERVER_HELLO),
    ]
    turns.append(Turn(True, rng.randint(64, 126), 1_500, messages.TLS_DATA))
    for _ in range(exchanges):
        turns.append(Turn(True, scene.size(420, 0.7, 20_000), scene.pause(0.4), messages.TLS_DATA))
        turns.append(Turn(False, scene.size(median, 1.6, most), rng.randint(2, 120) * US_PER_MS, messages.TLS_DATA))
    return turns
