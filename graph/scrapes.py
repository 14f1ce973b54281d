"""How often Prometheus reads the sidecars: from the times of the samples themselves.

Any server that speaks PromQL knows these, also one that keeps the samples of others and knows no targets. Two samples
are enough; a count of samples in a window is too low until the window is full.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Iterable, Mapping

from graph.rows import Series

METRIC = "istio_requests_total"
WINDOW = "5m"
"""Two samples must be in it: intervals up to half of it are seen."""

MOST_READ = f"topk(1, count_over_time({METRIC}[{WINDOW}]))"
"""The series with the most samples: one of those that are read most often, and are there longest."""


def samples_query(labels: Mapping[str, str]) -> str:
    """The samples of the series with these labels, each with its time."""
    matchers = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(labels.items()))
    return f"{METRIC}{{{matchers}}}[{WINDOW}]"


def interval(found: Iterable[Series]) -> float | None:
    """Seconds between two samples: the median, so that a missed reading or a restart is no matter. None: too few."""
    times = max(([at for at, _ in series.points] for series in found), key=len, default=[])
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return statistics.median(gaps) if gaps else None
