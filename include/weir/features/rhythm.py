"""How regular the flows of one service are: the mark of beacons, brute force and polling.

A service is one source, one destination address and one destination port. All functions take
``group``, the service of each flow as a code from 0, and give one value per service.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GAPS_MIN = 5  # fewer gaps than this look regular by chance
WIDE_SPAN_SHARE = 0.5  # a service seen over half of the hour counts as seen all along

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def repeated(service: Ints) -> tuple[Ints, Ints]:
    """The flows whose service has more than ``GAPS_MIN`` flows.

    Returns
    -------
    kept : int64, their positions
    group : int64, the service of each, counted from 0 over the services that are kept
    """
    enough = np.bincount(service) > GAPS_MIN
    kept = np.flatnonzero(enough[service])
    return kept, (np.cumsum(enough) - 1)[service[kept]]


def gaps(start_us: Ints, group: Ints) -> tuple[Ints, Ints]:
    """Times between the starts of neighbouring flows of each service, in us, and their services."""
    order = np.lexsort((start_us, group))
    start_us, group = start_us[order], group[order]
    inside = group[1:] == group[:-1]
    return np.diff(start_us)[inside], group[1:][inside]


def steadiness(values: Ints, group: Ints) -> Floats:
    """1 - MAD / median of each service's values, not below 0; 0 where the median is 0."""
    middle = _Sorted(values.astype(np.float64), group).quantile(0.5)
    spread = _Sorted(np.abs(values - middle[group]), group).quantile(0.5)
    steady = np.zeros(len(middle))
    np.divide(spread, middle, out=steady, where=middle > 0)
    return np.where(middle > 0, np.clip(1 - steady, 0, 1), 0)


def beacon(start_us: Ints, sizes: Ints, group: Ints, sources: Ints, hour_us: int) -> Floats:
    """How much each service looks like a machine that calls home.

    Mean of three shares (gaps alike, gaps symmetrical around their median, sizes alike), times the
    share of half an hour it was seen over, minus half the decimal logarithm of the number of
    sources that use the destination, not below 0; 0 where starts coincide (a median gap of 0).

    Parameters
    ----------
    start_us, sizes : int64, shape (n,), start in us and IP bytes sent of each flow
    group : int64, shape (n,), service of each flow; each with more than ``GAPS_MIN`` flows
    sources : int64, shape (services,), hosts that contacted the destination in the hour

    Notes
    -----
    After the beacon analysis of RITA (Active Countermeasures), which asks the same of a day and
    adds the span as a fourth share; as a factor it keeps a busy minute from looking like a beacon.
    """
    between, of = gaps(start_us, group)
    inner = _Sorted(between.astype(np.float64), of)
    low, middle, high = (inner.quantile(q) for q in (0.25, 0.5, 0.75))
    skew = np.zeros(len(middle))
    np.divide(low + high - 2 * middle, high - low, out=skew, where=high > low)
    times = _Sorted(start_us.astype(np.float64), group)
    span = (times.quantile(1.0) - times.quantile(0.0)) / (hour_us * WIDE_SPAN_SHARE)
    marks = steadiness(between, of) + (1 - np.abs(skew)) + steadiness(sizes, group)
    called = marks / 3 * np.minimum(span, 1) - 0.5 * np.log10(sources)
    return np.where(middle > 0, np.clip(called, 0, 1), 0)


class _Sorted:
    """Values in order inside each group, so that a quantile of every group is two look-ups."""

    def __init__(self, values: Floats, group: Ints) -> None:
        self.counts = np.bincount(group)
        self.first = np.cumsum(self.counts) - self.counts
        self.values = values[np.lexsort((values, group))]

    def quantile(self, share: float) -> Floats:
        """Each group's quantile, linear between neighbours; every group holds a value."""
        place = (self.counts - 1) * share
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, self.counts - 1)
        left, right = self.values[self.first + below], self.values[self.first + above]
        found: Floats = left + (right - left) * (place - below)
        return found
