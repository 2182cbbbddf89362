"""Two sides of a comparison, measured in turns: a machine that slows down slows both."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

Measure = Callable[[], float]
"""Does the work once and answers what it took: seconds, or a count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is measured against what.

    `budget` is the ratio that ours may have, None where none was set. `share` is the number of pairs measured
    for each pair asked for: more for what takes milliseconds, less for what takes seconds. `unit` is "s", or the
    name of what is counted.
    """

    what: str
    ours: Measure
    against: str
    baseline: Measure
    budget: float | None
    share: float = 1.0
    unit: str = "s"


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians; `ratio` is that of the ratios pair by pair, not the ratio of the medians."""

    ours: float
    baseline: float
    ratio: float
    pairs: int


def measure(comparison: Comparison, pairs: int) -> Figures:
    """Measure both sides in turns, after one turn of each that does not count."""
    comparison.ours(), comparison.baseline()
    measured = [
        (comparison.ours(), comparison.baseline()) for _ in range(max(1, round(pairs * comparison.share)))
    ]
    return Figures(
        ours=median(ours for ours, _ in measured),
        baseline=median(baseline for _, baseline in measured),
        ratio=median(ours / baseline for ours, baseline in measured),
        pairs=len(measured),
    )


@contextmanager
def stopwatch() -> Iterator[Measure]:
    """Yield what tells the seconds from here until the end of the block."""
    started = time.perf_counter()
    ended: list[float] = []
    yield lambda: ended[0] - started
    ended.append(time.perf_counter())


def run_program(
    command: Sequence[str], environment: Mapping[str, str], given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end. Raises RuntimeError with what it said, where it did not succeed."""
    done = subprocess.run(command, env=environment, input=given, capture_output=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {said}")
    return done


def timed_program(command: Sequence[str], environment: Mapping[str, str], given: bytes = b"") -> float:
    """Seconds that a whole process takes, from its start to its end. Raises as `run_program`."""
    with stopwatch() as elapsed:
        run_program(command, environment, given)
    return elapsed()
