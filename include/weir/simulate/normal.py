"""An ordinary day: what people and machines of an office do, and how often.

A habit puts one session on the tape. Sizes, pauses and numbers are heavy-tailed, as measured
traffic is (Crovella and Bestavros 1997), so that what is normal is wide: large downloads, pages of
two dozen servers, uploads of photos, calls, long silent connections, failures. Much of it is as
regular as a beacon, and benign.
"""

from __future__ import annotations

from collections.abc import Callable

from weir.simulate.noise import call_neighbours, fail, find_neighbours, join_group, knock_in_vain, reach
from weir.simulate.office import Host
from weir.simulate.scene import Scene
from weir.simulate.web import browse, call_service, prefetch, upload, wait_for_news
from weir.simulate.work import call, desktop, find_peers, mail, mistype, print_out, share_files, shell, transfer

Habit = Callable[[Scene, Host, int], None]

HABITS: tuple[tuple[float, Habit], ...] = (
    (28, browse), (3, prefetch), (3, wait_for_news), (2, call_service), (1, upload),
    (6, mail), (5, share_files), (1.5, shell), (1, transfer), (0.8, find_peers), (0.8, print_out),
    (0.7, desktop), (0.6, call), (0.4, mistype),
    (4, call_neighbours), (3, find_neighbours), (3, fail), (1.5, join_group), (1.5, knock_in_vain), (1.5, reach),
)  # fmt: skip
"""How often each habit is followed, relative to the others."""
