"""The offline engine, measured: `python -m tests.benchmarks.ai_engine`, from the root of the checkout.

Prints a figure a line, with what it may be at most or must be at least. What needs the labelled data beside the
checkout is left out where they are absent, and that is said. Takes about a minute.
"""

import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ticketctl import event_loops
from ticketctl.ai.evaluation.dataset import LabeledText, load_dataset
from ticketctl.ai.evaluation.metrics import evaluate_predictions
from ticketctl.ai.evaluation.runner import classify_dataset
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.offline.engine.artifact import serialize
from ticketctl.ai.offline.engine.model import Model
from ticketctl.ai.offline.engine.training import PROGRESS_STEPS, train
from ticketctl.ai.taxonomy.loader import taxonomy_from_labels

DATA = Path(__file__).parents[3] / "shared" / "data"
ROUNDS = 15

IMPORT = """
import sqlalchemy.ext.asyncio, asyncpg, msgspec, ticketctl.processing.pipeline
import time
started = time.perf_counter()
import ticketctl.ai.offline.provider
print(time.perf_counter() - started)
"""


def main() -> None:
    """Measure everything."""
    show("import beside the worker's own, ms", import_cost(), "<= 15")
    if not DATA.is_dir():
        sys.stdout.write(f"left out: the labelled data are not there ({DATA})\n")
        return
    everything, test = (load_dataset(DATA / f"banking77_{part}.csv") for part in ("train", "test"))
    small = [
        sample
        for sample in first(everything, 10)
        if sample.label in sorted({s.label for s in everything})[:20]
    ]
    show(
        "training 20 labels x 10 examples, ms",
        statistics.median(timed(small) for _ in range(5)) * 1000,
        "~ 150",
    )
    event_loops.run(on_banking("10 examples a label", list(first(everything, 10)), test, ">= 0.72"))
    event_loops.run(on_banking("all examples", everything, test, ">= 0.915"))


async def on_banking(
    name: str, rows: Sequence[LabeledText], test: Sequence[LabeledText], accuracy: str
) -> None:
    """Train, judge the test set, and print what came out."""
    started = time.perf_counter()
    model = train(rows, Progress())
    show(f"{name}: training, s", time.perf_counter() - started, "<= 180")
    trials = await classify_dataset(
        OfflineProvider(taxonomy_from_labels(model.labels), trained_model=model), test, max_concurrency=1
    )
    found = evaluate_predictions(trials.predictions, 0.6)
    show(f"{name}: accuracy", found.accuracy, accuracy)
    show(f"{name}: macro F1", found.macro_f1, "")
    show(f"{name}: calibration error", found.ece, "<= 0.05")
    show(f"{name}: share automated at 0.6", found.threshold.automated, "")
    show(f"{name}: accuracy of that share", found.threshold.accuracy, "")
    show(f"{name}: artifact, bytes", len(serialize(model)), "<= 1,000,000")
    show(f"{name}: judging one text, ms (median)", judging(model, test), "<= 1")


class Progress:
    """A dot for each step of a training, on a terminal."""

    def __init__(self) -> None:
        self._left = PROGRESS_STEPS

    def __call__(self) -> None:
        self._left -= 1
        if sys.stderr.isatty():
            sys.stderr.write("." if self._left else "\n")
            sys.stderr.flush()


def judging(model: Model, test: Sequence[LabeledText]) -> float:
    """Milliseconds of engine time for a short text."""
    taken = []
    for sample in test[:500]:
        started = time.perf_counter()
        model.predict(sample.text)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def timed(rows: Sequence[LabeledText]) -> float:
    """Seconds that a training takes."""
    started = time.perf_counter()
    train(rows)
    return time.perf_counter() - started


def first(rows: Sequence[LabeledText], most: int) -> Iterator[LabeledText]:
    """The first so many of each label, in the order of the file."""
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row.label] += 1
        if seen[row.label] <= most:
            yield row


def import_cost() -> float:
    """Milliseconds that importing the offline provider adds to what a worker has imported already."""
    taken = [
        float(subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True).stdout)
        for _ in range(ROUNDS)
    ]
    return statistics.median(taken) * 1000


def show(what: str, figure: float, wanted: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{what:<52}{figure:>12,.4g}  {wanted}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
