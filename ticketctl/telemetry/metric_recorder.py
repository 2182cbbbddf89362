"""Add up what metrics record, since the process started.

OpenTelemetry's SDK takes some 15 microseconds for each value, and a batch of ten tickets records sixty.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from threading import Lock
from typing import NamedTuple

from ticketctl.telemetry.protocols import Attributes, Metric

_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(30.0, 60.0, 300.0, 900.0, 3600.0),
)
"""Bounds of histograms of seconds: those of the semantic conventions, and longer ones because messages wait long."""
_COUNTS = tuple(float(4**power) for power in range(14))
"""Bounds of other histograms: those that the semantic conventions have for tokens."""

Key = tuple[tuple[str, str | int | float | bool], ...]
"""Attributes in the order of their names."""


class Histogram:
    """The distribution of values: `counts[i]` are at most `bounds[i]`, and the last count is of those above all."""

    __slots__ = ("bounds", "counts", "maximum", "minimum", "total")

    def __init__(self, unit: str) -> None:
        self.bounds = _SECONDS if unit == "s" else _COUNTS
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")

    def add(self, value: float) -> None:
        """Add one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)


class Series(NamedTuple):
    """A metric with its current values by attributes; a histogram's are in `histograms`, all others in `numbers`."""

    metric: Metric
    numbers: dict[Key, float]
    histograms: dict[Key, Histogram]


class MetricRecorder:
    """Keeps the values of all metrics. Threads may record at the same time."""

    def __init__(self) -> None:
        self.started = time.time_ns()
        self._series: dict[str, Series] = {}
        self._lock = Lock()

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        """Add to a counter, replace a gauge's value, or add to a histogram."""
        key = tuple(sorted(attributes.items()))
        with self._lock:
            _, numbers, histograms = self._series.setdefault(metric.name, Series(metric, {}, {}))
            if metric.kind == "histogram":
                if key not in histograms:
                    histograms[key] = Histogram(metric.unit)
                histograms[key].add(value)
            elif metric.kind == "gauge":
                numbers[key] = value
            else:
                numbers[key] = numbers.get(key, 0) + value

    def read(self) -> Iterator[Series]:
        """Yield the metrics that have values. Nothing is recorded meanwhile, so read at once."""
        with self._lock:
            yield from self._series.values()
