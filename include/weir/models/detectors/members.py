"""The detectors there are. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from weir.models.detectors.base import Detector
from weir.models.detectors.ecod import Ecod
from weir.models.detectors.iforest import IsolationForest
from weir.models.detectors.pair import Pair
from weir.models.detectors.record import Record
from weir.models.detectors.zscore import ZScore

DETECTORS: dict[str, Callable[[], Detector]] = {
    "ecod": Ecod,
    "iforest": IsolationForest,
    "pair": Pair,
    "record": Record,
    "zscore": ZScore,
}
