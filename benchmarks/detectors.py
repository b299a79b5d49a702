"""The detectors compared: what they find on NSL-KDD, and what a row costs.

    python benchmarks/detectors.py quality NSL_FOLDER      AUC and recall on KDDTest+, learned from normal rows of KDDTrain+
    python benchmarks/detectors.py cost                    one row and many rows, against scikit-learn

NSL_FOLDER holds KDDTrain+.txt.xz and KDDTest+.txt.xz (University of New Brunswick; cannot be shipped). Its difficulty
column leaks the answer and is dropped; test-21 are the rows below difficulty 21, where no false positive rate may be
stated, as the easy normal rows are gone.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weir.models.detectors.members import DETECTORS
from weir.models.graph import INPUT, Graph, session
from weir.models.preprocess import Encoder

WORDS = (1, 2, 3)  # protocol, service, flag
LABEL, DIFFICULTY = 41, 42
HARD = 21
SEED = 0
FITTED = 0.8  # of the normal training rows; the others set the threshold


def nsl(folder: Path) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64], Any]:
    """Column names, normal training rows, test rows, and the test rows' labels and difficulty."""
    import pandas as pd

    train, test = (pd.read_csv(folder / f"KDD{part}+.txt.xz", header=None) for part in ("Train", "Test"))
    for column in WORDS:
        codes = {word: code for code, word in enumerate(sorted(set(train[column]) | set(test[column])))}
        train[column], test[column] = train[column].map(codes), test[column].map(codes)
    facts = test[[LABEL, DIFFICULTY]]
    normal = train[train[LABEL] == "normal"]
    rows = (part.drop(columns=[LABEL, DIFFICULTY]).to_numpy(np.float64) for part in (normal, test))
    return tuple(f"word {i}" if i in WORDS else f"number {i}" for i in range(LABEL)), *rows, facts


def quality(folder: Path) -> None:
    """One line per detector: AUC, recall at 1 % false positives, and what 1 % promised came to."""
    from sklearn.metrics import roc_auc_score

    names, normal, test, facts = nsl(folder)
    normal = np.random.default_rng(SEED).permutation(normal)
    cut = int(FITTED * len(normal))
    encoder = Encoder.fit(names, normal[:cut], codes=[f"word {i}" for i in WORDS])
    attack, hard = (facts[LABEL] != "normal").to_numpy(), (facts[DIFFICULTY] < HARD).to_numpy()
    print("| detector | AUC test+ | AUC test-21 | recall at 1 % | false positives at promised 1 % | fit s |")
    print("|---|---|---|---|---|---|")
    for name, make in DETECTORS.items():
        detector = make()
        fitting = encoder.unscaled() if detector.works_on_logs else encoder
        began = time.process_time()
        detector.fit(fitting.encode(normal[:cut]), SEED)
        spent = time.process_time() - began
        scores, held_back = detector.score(fitting.encode(test)), detector.score(fitting.encode(normal[cut:]))
        recall = (scores[attack] > np.quantile(scores[~attack], 0.99)).mean()
        false = (scores[~attack] > np.quantile(held_back, 0.99)).mean()
        auc = roc_auc_score(attack, scores), roc_auc_score(attack[hard], scores[hard])
        print(f"| {name} | {auc[0]:.3f} | {auc[1]:.3f} | {recall:.2f} | {false:.3f} | {spent:.1f} |", flush=True)


def cost() -> None:
    """Whole graphs (encoding, detector) on 81 columns of heavy-tailed numbers; scikit-learn's forest beside them."""
    from sklearn.ensemble import IsolationForest as Reference

    random = np.random.default_rng(SEED)
    x = np.exp(random.normal(size=(200_000, 81)) * 2 + 4)
    names = tuple(f"number {i}" for i in range(x.shape[1]))
    encoder = Encoder.fit(names, x[:20_000])
    print("| graph | kB | one row p50 µs | p99 µs | rows/s, one thread | opening ms |\n|---|---|---|---|---|---|")
    for name, make in DETECTORS.items():
        detector = make()
        fitting = encoder.unscaled() if detector.works_on_logs else encoder
        detector.fit(fitting.encode(x[:20_000]), SEED)
        graph = Graph(x.shape[1])
        whole = graph.bytes({"score": (detector.to_onnx(graph, fitting.to_onnx(graph)).score, np.float32)})
        began = time.perf_counter()
        run = session(whole)
        opening = time.perf_counter() - began
        figures = _figures(lambda rows, run=run: run.run(None, {INPUT: rows}), x)
        print(f"| {name} | {len(whole) / 1e3:.0f} | {figures} | {opening * 1e3:.0f} |", flush=True)
    forest = Reference(n_estimators=200, max_samples=256, random_state=SEED).fit(encoder.encode(x[:20_000]))
    encoded = encoder.encode(x)
    print(f"| scikit-learn's forest, without encoding | | {_figures(forest.score_samples, encoded, times=200)} | |")


def _figures(score: Callable[[Any], Any], x: NDArray[Any], times: int = 3000) -> str:
    one = []
    for i in range(times):
        row = x[i : i + 1]
        began = time.perf_counter()
        score(row)
        one.append(time.perf_counter() - began)
    spent = []
    for _ in range(3):
        began = _cpu()
        score(x)
        spent.append(_cpu() - began)
    return f"{np.median(one) * 1e6:.0f} | {np.quantile(one, 0.99) * 1e6:.0f} | {len(x) / min(spent):,.0f}"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Read the command line."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("what", choices=["quality", "cost"])
    reader.add_argument("folder", nargs="?", type=Path)
    given = reader.parse_args()
    if given.what == "cost":
        cost()
    elif given.folder:
        quality(given.folder)
    else:
        sys.exit("quality needs the folder of NSL-KDD")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
