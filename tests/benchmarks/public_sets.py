"""The offline engine beside scikit-learn: `python -m tests.benchmarks.public_sets FOLDER...`, from the checkout's root.

Each folder is a labelled set with a training and a test split (see `labelled_sets`). Every engine learns from the same
texts and is judged on the same test split in one run. A line has: set, training texts, labels, engine, accuracy,
macro F1, expected calibration error, seconds of training.

scikit-learn runs with TF-IDF of words and word pairs (1, 2) and of character n-grams within words (3 to 5), sublinear;
all else are its defaults, but for `max_iter` of the logistic regression. LinearSVC gives no probability, so that it has
no calibration error. It is no dependency of the project: install it, or measure with `--engines ticketctl`.

    --sizes 250,500,1000 --seeds 5    learn from random samples of these sizes instead, and average over the seeds
    --engines ticketctl               only these: ticketctl, LinearSVC, LogisticRegression
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.labelled_sets import load_split, take_sample
from ticketctl import event_loops
from ticketctl.ai.evaluation.dataset import LabeledText
from ticketctl.ai.evaluation.metrics import Prediction, evaluate_predictions
from ticketctl.ai.evaluation.runner import classify_dataset
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.taxonomy.loader import taxonomy_from_labels

Rows = Sequence[LabeledText]


class Figures(NamedTuple):
    """What an engine reached on one test split. `ece` is None without probabilities; `seconds` is the training."""

    accuracy: float
    macro_f1: float
    ece: float | None
    seconds: float


def measure_ticketctl(learnt: Rows, test: Rows) -> Figures:
    started = time.perf_counter()
    model = train(learnt)
    seconds = time.perf_counter() - started
    provider = OfflineProvider(taxonomy_from_labels(model.labels), trained_model=model)
    run = event_loops.run(classify_dataset(provider, test, max_concurrency=1))
    found = evaluate_predictions(run.predictions, 0.6)
    return Figures(found.accuracy, found.macro_f1, found.ece, seconds)


def measure_linear_svc(learnt: Rows, test: Rows) -> Figures:
    from sklearn.svm import LinearSVC

    return _measure_sklearn(LinearSVC(), learnt, test)


def measure_logistic_regression(learnt: Rows, test: Rows) -> Figures:
    from sklearn.linear_model import LogisticRegression

    return _measure_sklearn(LogisticRegression(max_iter=1000), learnt, test)


def _measure_sklearn(estimator, learnt: Rows, test: Rows) -> Figures:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    characters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5))
    pipeline = make_pipeline(make_union(words, characters), estimator)
    started = time.perf_counter()
    pipeline.fit([row.text for row in learnt], [row.label for row in learnt])
    seconds = time.perf_counter() - started
    texts = [row.text for row in test]
    labels = pipeline.predict(texts)
    has_probabilities = hasattr(pipeline, "predict_proba")
    confidences = pipeline.predict_proba(texts).max(axis=1) if has_probabilities else [1.0] * len(texts)
    found = evaluate_predictions(
        [
            Prediction(text=row.text, expected=row.label, predicted=str(label), confidence=float(confidence))
            for row, label, confidence in zip(test, labels, confidences, strict=True)
        ],
        0.6,
    )
    return Figures(found.accuracy, found.macro_f1, found.ece if has_probabilities else None, seconds)


ENGINES: dict[str, Callable[[Rows, Rows], Figures]] = {
    "ticketctl": measure_ticketctl,
    "LinearSVC": measure_linear_svc,
    "LogisticRegression": measure_logistic_regression,
}
ROW = "{:<14}{:>7}{:>8}  {:<20}{:>9}{:>10}{:>8}{:>8}{:>11}\n"


def main() -> None:
    options = _read_options()
    engines = options.engines.split(",")
    header = ("set", "texts", "labels", "engine", "accuracy", "macro F1", "ECE", "worst", "seconds")
    sys.stdout.write(ROW.format(*header))
    for folder in options.folders:
        everything, test = load_split(folder, "train"), load_split(folder, "test")
        for size in options.sizes or [len(everything)]:
            samples = (
                [take_sample(everything, size, seed) for seed in range(options.seeds)]
                if options.sizes
                else [everything]
            )
            labels = len({row.label for row in samples[0]})
            for engine in engines:
                figures = [ENGINES[engine](sample, test) for sample in samples]
                sys.stdout.write(_format_row(folder.name, size, labels, engine, figures))
                sys.stdout.flush()


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.public_sets", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--engines", default=",".join(ENGINES))
    return parser.parse_args()


def _format_row(name: str, size: int, labels: int, engine: str, figures: Sequence[Figures]) -> str:
    """Return a line with the means over the samples, and the worst calibration error among them."""
    errors = [found.ece for found in figures if found.ece is not None]
    return ROW.format(
        name,
        size,
        labels,
        engine,
        f"{statistics.fmean(found.accuracy for found in figures):.4f}",
        f"{statistics.fmean(found.macro_f1 for found in figures):.4f}",
        f"{statistics.fmean(errors):.4f}" if errors else "-",
        f"{max(errors):.4f}" if errors else "-",
        f"{statistics.fmean(found.seconds for found in figures):.1f}",
    )


if __name__ == "__main__":
    main()
