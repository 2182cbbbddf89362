"""Read labelled sets that stand beside the checkout: folders with a training and a test split.

A split is a file `NAME.csv` with the columns `text` and `label`, or a folder `NAME/` with the files `seq.in` and `label`,
one text or label a line, as github.com/jianguoz/Few-Shot-Intent-Detection has them.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from ticketctl.ai.evaluation.dataset import LabeledText, load_dataset


def load_split(folder: Path, *names: str) -> list[LabeledText]:
    """Return the first split of these names that the folder has."""
    for name in names:
        for file in (folder / f"{name}.csv", folder / f"{folder.name}_{name}.csv"):
            if file.is_file():
                return load_dataset(file)
        if (folder / name / "seq.in").is_file():
            texts, labels = (
                (folder / name / part).read_text("utf-8").splitlines() for part in ("seq.in", "label")
            )
            return [
                LabeledText(text.strip(), label.strip())
                for text, label in zip(texts, labels, strict=True)
                if text.strip()
            ]
    raise SystemExit(f"error: {folder} has no split named {' or '.join(names)}")


def take_sample(rows: Sequence[LabeledText], size: int, seed: int) -> list[LabeledText]:
    """Return so many rows, drawn at random without replacement, in the order of the file."""
    chosen = random.Random(seed).sample(range(len(rows)), min(size, len(rows)))  # noqa: S311  (a sample)
    return [rows[at] for at in sorted(chosen)]
