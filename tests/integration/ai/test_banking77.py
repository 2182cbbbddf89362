"""The offline engine on a public data set: questions to an online bank, 77 labels."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ticketctl.ai.evaluation.dataset import load_dataset
from ticketctl.ai.evaluation.metrics import evaluate_predictions
from ticketctl.ai.evaluation.runner import classify_dataset
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.offline.engine.artifact import serialize
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.taxonomy.loader import taxonomy_from_labels

CHECKOUT = Path(__file__).parents[3]
DATA = CHECKOUT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the labelled data stand beside the project's own checkout only"
)


def samples(name):
    return load_dataset(DATA / f"banking77_{name}.csv")


def first(rows, most):
    seen = Counter()
    for row in rows:
        seen[row.label] += 1
        if seen[row.label] <= most:
            yield row


async def figures(rows):
    model = train(rows)
    provider = OfflineProvider(taxonomy_from_labels(row.label for row in rows), trained_model=model)
    trials = await classify_dataset(provider, samples("test"))
    return evaluate_predictions(trials.predictions, 0.6), serialize(model)


async def test_accuracy_with_forty_examples_per_label():
    found, artifact = await figures(list(first(samples("train"), 40)))
    assert found.accuracy >= 0.86
    assert found.ece <= 0.05
    assert found.threshold.accuracy > found.accuracy
    assert len(artifact) <= 1_000_000


async def test_accuracy_with_ten_examples_per_label():
    found, _ = await figures(list(first(samples("train"), 10)))
    assert found.accuracy >= 0.72
    assert found.ece <= 0.05


PROGRAM = """
import csv, hashlib, sys
from ticketctl.ai.offline.engine.artifact import serialize
from ticketctl.ai.offline.engine.training import train
with open(sys.argv[1], encoding="utf-8", newline="") as file:
    rows = [(row["text"], row["label"]) for row in csv.DictReader(file)][::25]
model = train(rows)
predictions = "".join(f"{model.predict(text)}" for text, _ in rows)
print(hashlib.sha256(serialize(model) + predictions.encode()).hexdigest())
"""


def test_every_python_version_trains_the_same_model():
    pythons = {sys.executable, *filter(None, (shutil.which(f"python3.{minor}") for minor in range(11, 16)))}
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
    found = {}
    for python in sorted(pythons):
        command = [python, "-c", PROGRAM, str(DATA / "banking77_train.csv")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0 or python == sys.executable:
            found[python] = done.stdout or done.stderr
    assert len(set(found.values())) == 1, found
