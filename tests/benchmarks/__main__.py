"""The budgets, measured: `python -m tests.benchmarks`, from the root of the checkout.

Prints one table: ours and what it is measured against as medians, the ratio as the median of the ratios pair by
pair, the budget, and whether it is met. Both sides take turns in one run, so that a noisy machine disturbs both.
No time is judged: the exit status is 0 unless something does not run.

    python -m tests.benchmarks                          everything; filling a million tickets takes the longest
    python -m tests.benchmarks --skip list              all but that
    python -m tests.benchmarks --only help --pairs 30   one, more closely
    python -m tests.benchmarks --only throughput-limit --tickets 2000
    python -m tests.benchmarks --json FILE              also written to a file
    python -m tests.benchmarks --against FILE           each ratio with that of an earlier file, in brackets

It needs the extra `embedded`: a server of its own runs meanwhile, in a temporary folder.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from tests.benchmarks import (
    importing,
    listing,
    memory,
    prompt,
    simulator,
    soak,
    starts,
    telemetry,
    throughput,
    waiting,
    warm,
)
from tests.benchmarks.bench import Bench, running_bench
from tests.benchmarks.measure import Comparison, Figures, measure

Benchmark = Callable[[Bench], AbstractContextManager[list[Comparison]]]

BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "first-invocation": starts.first_invocation,
        "help": starts.help_text,
        "prompt": prompt.prompt,
        "warm-null": warm.null,
        "warm-runner": warm.runner,
        "telemetry": telemetry.telemetry,
        "soak-null": soak.null,
        "soak-runner": soak.runner,
        "batch": waiting.batch,
        "backends": waiting.backends,
        "matrix": simulator.matrix,
        "list": listing.listing,
        "throughput": throughput.throughput,
        "throughput-peer": throughput.peer,
        "throughput-limit": throughput.limit,
        "memory": memory.memory,
        "import": importing.importing,
    }
)
ROW = "{:<49}{:>13}  {:<37}{:>13}{:>13}{:>8}  {:<7}{:>5}\n"
HEADER = ROW.format("what", "ours", "against", "baseline", "ratio", "budget", "", "pairs")


def main() -> None:
    """Run what was asked for, and print its rows as they come."""
    options = _options()
    earlier = _read_ratios(options.against)
    rows: list[dict[str, object]] = []
    for name in [name for name in os.environ if name.startswith(("TICKETCTL_", "AWS_", "PG"))]:
        del os.environ[name]  # a developer's own settings must not be measured
    sys.stdout.write(HEADER)
    with running_bench(options.tickets) as bench:
        for name in options.only or BENCHMARKS:
            if name in options.skip:
                continue
            with BENCHMARKS[name](bench) as comparisons:
                for comparison in comparisons:
                    figures = measure(comparison, options.pairs)
                    sys.stdout.write(_row(comparison, figures, earlier.get(comparison.what)))
                    sys.stdout.flush()
                    row = {"what": comparison.what, "against": comparison.against, "unit": comparison.unit}
                    rows.append(row | {"budget": comparison.budget} | asdict(figures))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--pairs", type=int, default=6, help="pairs to measure, about (default: 6)")
    parser.add_argument(
        "--tickets", type=int, default=10_000, help="tickets that are drained (default: 10000; at least 100)"
    )
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="only this; may be repeated")
    parser.add_argument(
        "--skip", action="append", choices=BENCHMARKS, default=[], help="all but this; may be repeated"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    parser.add_argument("--against", type=Path, metavar="FILE", help="a file of --json to compare with")
    return parser.parse_args()


def _read_ratios(file: Path | None) -> dict[str, float]:
    """Return the ratios of an earlier run by what was measured."""
    return {} if file is None else {row["what"]: row["ratio"] for row in json.loads(file.read_text("utf-8"))}


def _row(comparison: Comparison, figures: Figures, earlier: float | None) -> str:
    budget = comparison.budget
    return ROW.format(
        comparison.what,
        _shown(figures.ours, comparison.unit),
        comparison.against,
        _shown(figures.baseline, comparison.unit),
        f"{figures.ratio:.2f}" if earlier is None else f"{figures.ratio:.2f} ({earlier:.2f})",
        "none" if budget is None else f"{budget:g}",
        "" if budget is None else "met" if figures.ratio <= budget else "missed",
        figures.pairs,
    )


def _shown(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:g} {unit}"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


main()
