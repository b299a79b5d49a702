"""A pair of autoencoders: columns that do not follow from the others are strange."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from weir.models.detectors.base import Detector, Parts
from weir.models.graph import Graph

NARROW, WIDE = (64, 16, 64), (256, 64, 256)
CLIP = 8.0  # encoded values beyond this many standard deviations say nothing more
NOISE = 0.05
BATCH = 256
PEAK_RATE, WEIGHT_DECAY = 4e-3, 1e-5
STEPS_PER_ROW = 30 / BATCH
LEAST_RESIDUAL = 1e-4  # of a column the net reproduces exactly

Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


class Pair(Detector):
    """Mean over columns of ln(1 + squared residual / usual squared residual), averaged over two nets.

    A narrow net knows only what is common, a wide one also what is particular; both learn to undo
    a little noise. The logarithm keeps one wild column from owning the order of the strangest
    rows, and the division lets columns speak that are nearly always reproduced.

    Parameters
    ----------
    effort : multiplies the number of training steps, which is between 3,000 and 12,000 by rows
        (half of it for the wide net, which costs more); below 1 only for tests
    """

    def __init__(self, effort: float = 1.0) -> None:
        self.effort = effort

    def fit(self, x: NDArray[np.float32], seed: int) -> Self:
        """Train both nets, on one thread so that the same rows and seed give the same nets."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        clipped = np.clip(x, -CLIP, CLIP).astype(np.float32)
        steps = min(12_000, max(3_000, int(STEPS_PER_ROW * len(x))))
        with threadpool_limits(1):
            narrow = train(clipped, NARROW, int(steps * self.effort), np.random.default_rng(seed))
            wide = train(clipped, WIDE, int(steps * self.effort / 2), np.random.default_rng(seed + 1000))
            self._nets = [(net, _usual_residual(net, clipped)) for net in (narrow, wide)]
        return self

    def to_onnx(self, graph: Graph, x: str) -> Parts:
        """Add the arithmetic to a graph."""
        clipped = graph.add("Clip", x, graph.constant(np.float32(-CLIP)), graph.constant(np.float32(CLIP)))
        scores, rebuilt = [], []
        for layers, residual in self._nets:
            rebuilt.append(_forward_onnx(graph, layers, clipped))
            off = graph.add("Sub", rebuilt[-1], clipped)
            ratio = graph.add("Div", graph.add("Mul", off, off), graph.constant(residual))
            scores.append(graph.mean_log(ratio, len(residual)))
        half = graph.constant(np.float32(0.5))
        return Parts(graph.add("Mul", graph.add("Add", *scores), half), graph.add("Mul", graph.add("Add", *rebuilt), half))


def _forward_onnx(graph: Graph, layers: Layers, x: str) -> str:
    for number, (weights, bias) in enumerate(layers):
        if number:
            x = graph.add("Mul", x, graph.add("Sigmoid", x))
        x = graph.add("Gemm", x, graph.constant(weights), graph.constant(bias))
    return x


def _usual_residual(layers: Layers, x: NDArray[np.float32]) -> NDArray[np.float32]:
    total = np.zeros(x.shape[1])
    for first in range(0, len(x), 8192):
        part = x[first : first + 8192]
        total += ((forward(layers, part)[-1] - part) ** 2).sum(axis=0, dtype=np.float64)
    return (total / len(x) + LEAST_RESIDUAL).astype(np.float32)


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    value: NDArray[np.float32] = np.float32(1) / (np.float32(1) + np.exp(np.clip(-x, -60, 60)))
    return value


def forward(layers: Layers, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """What enters each layer before its activation, and last the output; hidden layers use x * sigmoid(x)."""
    values = [x]
    for number, (weights, bias) in enumerate(layers):
        inside = values[-1] * _sigmoid(values[-1]) if number else values[-1]
        values.append((inside @ weights + bias).astype(np.float32, copy=False))
    return values


def train(x: NDArray[np.float32], hidden: tuple[int, ...], steps: int, random: np.random.Generator) -> Layers:
    """Weights of a net that gives back ``x`` from ``x`` with noise (AdamW, one-cycle rate, squared error)."""
    widths = [x.shape[1], *hidden, x.shape[1]]
    bound = [width**-0.5 for width in widths]
    flat = _Flat.of([(a, b) for a, b in pairwise(widths)])
    for (weights, bias), limit in zip(flat.layers, bound, strict=False):
        weights[:] = random.uniform(-limit, limit, weights.shape)
        bias[:] = random.uniform(-limit, limit, bias.shape)
    slope = _Flat.of([(a, b) for a, b in pairwise(widths)])
    adam = _AdamW(len(flat.values))
    for step in range(steps):
        batch = x[random.integers(0, len(x), BATCH)]
        noisy = batch + np.float32(NOISE) * random.standard_normal(batch.shape, dtype=np.float32)
        _slope(flat.layers, noisy, batch, slope.layers)
        adam.step(flat.values, slope.values, _rate(step / steps))
    return flat.layers


def _slope(layers: Layers, x: NDArray[np.float32], target: NDArray[np.float32], out: Layers) -> None:
    """Write the slope of the mean squared error by every weight into ``out``."""
    values = forward(layers, x)
    back = (values[-1] - target) * np.float32(2 / target.size)
    for number in reversed(range(len(layers))):
        before = values[number]
        gate = _sigmoid(before) if number else np.float32(1)
        out[number][0][:] = (before * gate).T @ back
        out[number][1][:] = back.sum(axis=0)
        if number:
            back = (back @ layers[number][0].T) * (gate * (1 + before * (1 - gate)))


def _rate(done: float) -> float:
    """One cycle: up to the peak at 30 % of the steps, then down to almost nothing, both along a cosine."""
    low, end, top = PEAK_RATE / 25, PEAK_RATE / 250_000, 0.3
    if done < top:
        return low + (PEAK_RATE - low) * (1 - math.cos(math.pi * done / top)) / 2
    return end + (PEAK_RATE - end) * (1 + math.cos(math.pi * (done - top) / (1 - top))) / 2


@dataclass
class _Flat:
    """All weights of a net in one vector, and the same memory as layers, so that a step is a few vector operations."""

    values: NDArray[np.float32]
    layers: Layers

    @classmethod
    def of(cls, shapes: list[tuple[int, int]]) -> _Flat:
        values = np.zeros(sum(a * b + b for a, b in shapes), np.float32)
        layers, at = [], 0
        for a, b in shapes:
            layers.append((values[at : at + a * b].reshape(a, b), values[at + a * b : at + a * b + b]))
            at += a * b + b
        return cls(values, layers)


class _AdamW:
    """Loshchilov and Hutter, 2019, with the usual betas."""

    def __init__(self, size: int) -> None:
        self._mean, self._square, self._step = np.zeros(size, np.float32), np.zeros(size, np.float32), 0

    def step(self, values: NDArray[np.float32], slope: NDArray[np.float32], rate: float) -> None:
        self._step += 1
        self._mean += np.float32(0.1) * (slope - self._mean)
        self._square += np.float32(0.001) * (slope * slope - self._square)
        scale = rate / (1 - 0.9**self._step)
        values *= np.float32(1 - rate * WEIGHT_DECAY)
        values -= np.float32(scale) * self._mean / (np.sqrt(self._square / np.float32(1 - 0.999**self._step)) + np.float32(1e-8))
