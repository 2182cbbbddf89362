"""Out-of-scope texts and `target_precision`: `python -m tests.benchmarks.out_of_scope FILE`, from the checkout's root.

FILE is data_full.json of CLINC150 (github.com/clinc/oos-eval). The engine learns from the split `train`. For each
`target_precision` the table shows which share of texts is automated: in scope, and out of scope, where automation is
wrong. The value is chosen on the validation splits (`val`, `oos_val`): the lowest one that automates at most 7 % out of
scope and at least 80 % in scope. It is then judged once on the test splits (`test`, `oos_test`).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ticketctl.ai.offline.engine.calibration import TARGETS
from ticketctl.ai.offline.engine.model import Model, ScoredLabel
from ticketctl.ai.offline.engine.training import train

MAX_OUT_OF_SCOPE = 0.07
MIN_IN_SCOPE = 0.8
ROW = "{:<12}{:>8}{:>11}{:>10}{:>10}{:>13}{:>13}\n"

Rows = Sequence[tuple[str, str]]
Scored = Sequence[tuple[ScoredLabel, str]]


class Shares(NamedTuple):
    """Shares of texts that need no review: of those in scope, of those out of scope; and how many are right."""

    in_scope: float
    out_of_scope: float
    precision: float


def main() -> None:
    """Choose on the validation splits, and judge on the test splits."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.out_of_scope")
    parser.add_argument("file", type=Path)
    splits: dict[str, Rows] = json.loads(parser.parse_args().file.read_text("utf-8"))
    model = train([(text, label) for text, label in splits["train"]])
    sys.stdout.write(ROW.format("split", "target", "threshold", "", "in scope", "out of scope", "precision"))
    scored = {name: _score(model, splits[name]) for name in ("val", "oos_val")}
    found = {
        target: _show(model, "validation", target, scored["val"], scored["oos_val"]) for target in TARGETS
    }
    chosen = [
        target
        for target, shares in found.items()
        if shares.out_of_scope <= MAX_OUT_OF_SCOPE and shares.in_scope >= MIN_IN_SCOPE
    ]
    if not chosen:
        sys.stdout.write("no target keeps both limits on the validation splits\n")
        return
    scored = {name: _score(model, splits[name]) for name in ("test", "oos_test")}
    _show(model, "test", chosen[0], scored["test"], scored["oos_test"])


def _score(model: Model, rows: Rows) -> Scored:
    return [(model.predict(text), label) for text, label in rows]


def _show(model: Model, split: str, target: float, in_scope: Scored, out_of_scope: Scored) -> Shares:
    """Print and return the shares at the threshold of a target; 1.01 automates nothing."""
    threshold = model.threshold_for(target) or 1.01
    passed = [(s, label) for s, label in in_scope if s.in_scope and s.confidence >= threshold]
    wrong = [s for s, _ in out_of_scope if s.in_scope and s.confidence >= threshold]
    right = sum(s.label == label for s, label in passed)
    shares = Shares(
        len(passed) / len(in_scope), len(wrong) / len(out_of_scope), right / len(passed) if passed else 0.0
    )
    figures = (f"{share:.1%}" for share in shares)
    sys.stdout.write(ROW.format(split, target, threshold, "", *figures))
    sys.stdout.flush()
    return shares


if __name__ == "__main__":
    main()
