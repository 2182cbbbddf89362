"""Print an evaluation, and read an earlier one."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ticketctl.cli.input import read_text
from ticketctl.cli.rendering import output
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from ticketctl.ai.evaluation.metrics import Prediction
    from ticketctl.ai.evaluation.runner import EvaluationRun
    from ticketctl.ai.taxonomy.schema import Taxonomy
    from ticketctl.settings import Settings

_WORST = 10  # labels and confusions that a terminal shows
_FIGURES = ("tickets", "provider", "model", "accuracy", "macro_f1", "ece")


def build_evaluation(
    trials: "EvaluationRun",
    settings: "Settings",
    taxonomy: "Taxonomy",
    cost: float | None,
    before: "Sequence[Prediction] | None",
) -> dict[str, Any]:
    """Return the JSON form: shares are 0 to 1, latencies milliseconds, `cost` None if a price is unknown."""
    from ticketctl.ai.evaluation.metrics import changed_predictions, evaluate_predictions

    form: dict[str, Any] = msgspec.to_builtins(
        evaluate_predictions(trials.predictions, taxonomy.thresholds.category)
    )
    offline = settings.ai_provider == "offline"
    embeddings = "".join(trials.model.partition("+")[1:])
    model = f"offline{embeddings}" if offline else settings.ai_model_classify or settings.ai_model
    times = sorted(trials.milliseconds)
    form |= {
        "provider": settings.ai_provider,
        "model": model,
        "latency_ms": {
            "mean": statistics.fmean(times),
            "p50": statistics.median(times),
            "p95": times[len(times) * 95 // 100],
        },
        "input_tokens": trials.input_tokens,
        "output_tokens": trials.output_tokens,
        "cost": cost,
        "degraded": trials.degraded,
        "stopped": None if trials.stopped is None else str(trials.stopped),
        "predictions": trials.predictions,
    }
    if before is not None:
        form["changes"] = [
            {"text": new.text, "expected": new.expected, "before": old.predicted, "after": new.predicted}
            for old, new in changed_predictions(before, trials.predictions)
        ]
    return form


def read_predictions(path: Path) -> "list[Prediction]":
    """Return the predictions of a saved JSON form. Raises InvalidInputError if the file is not one."""
    from ticketctl.ai.evaluation.metrics import Prediction

    try:
        predictions = msgspec.json.decode(read_text(str(path)))["predictions"]
        return msgspec.convert(predictions, list[Prediction])
    except (msgspec.MsgspecError, KeyError, TypeError, RecursionError):
        raise InvalidInputError(
            f"{path} is not a saved evaluation", hint="ticketctl eval FILE --json > before.json writes one"
        ) from None


def print_evaluation(form: dict[str, Any], *, as_json: bool) -> None:
    """Print an evaluation."""
    if as_json:
        output.print_json(form)
    elif output.is_terminal():
        _print_tables(form)
    else:
        output.print_rows(_lines(form))


def _lines(form: dict[str, Any]) -> Iterator[Sequence[object]]:
    for name in (*_FIGURES, "input_tokens", "output_tokens", "cost", "degraded"):
        yield name, form[name]
    for group in ("threshold", "latency_ms"):
        for name, value in form[group].items():
            yield f"{group}.{name}", value
    for label, score in form["labels"].items():
        yield "label", label, score["precision"], score["recall"], score["f1"], score["tickets"]
    for pair in form["confusions"]:
        yield "confusion", pair["expected"], pair["predicted"], pair["tickets"]
    for change in form.get("changes", ()):
        yield "change", change["expected"], change["before"], change["after"], change["text"]


def _print_tables(form: dict[str, Any]) -> None:
    threshold, latency = form["threshold"], form["latency_ms"]
    tokens, cost = form["input_tokens"] + form["output_tokens"], form["cost"]
    rows = [
        ("accuracy", f"{form['accuracy']:.1%} of {form['tickets']:,} tickets"),
        ("macro F1", f"{form['macro_f1']:.3f}"),
        ("calibration error", f"{form['ece']:.3f}"),
        (
            f"at confidence {threshold['value']:g}",
            f"{threshold['automated']:.1%} need no review; {threshold['accuracy']:.1%} of these are right",
        ),
        (
            "latency",
            f"median {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms",
        ),
        ("provider", f"{form['provider']}, model {form['model']}"),
    ]
    if tokens:
        rows.append(("cost", f"{tokens:,} tokens, {'no price known' if cost is None else f'{cost:.4f}'}"))
    output.print_table(("FIGURE", "VALUE"), rows)
    _print_labels(form["labels"])
    _print_confusions(form["confusions"])
    if "changes" in form:
        _print_changes(form["changes"])


def _print_labels(labels: dict[str, Any]) -> None:
    worst = sorted(labels.items(), key=lambda entry: entry[1]["f1"])[:_WORST]
    output.make_console().print(f"\nthe {len(worst)} weakest of {len(labels)} labels", style="bold")
    output.print_table(
        ("F1", "PRECISION", "RECALL", "TICKETS", "LABEL"),
        [
            (f"{s['f1']:.2f}", f"{s['precision']:.2f}", f"{s['recall']:.2f}", str(s["tickets"]), label)
            for label, s in worst
        ],
    )


def _print_confusions(confusions: Sequence[dict[str, Any]]) -> None:
    if not confusions:
        return
    output.make_console().print("\nconfusions", style="bold")
    output.print_table(
        ("TICKETS", "LABEL", "PREDICTED"),
        [(str(p["tickets"]), p["expected"], p["predicted"] or "(nothing fits)") for p in confusions[:_WORST]],
    )


def _print_changes(changes: Sequence[dict[str, Any]]) -> None:
    better = sum(change["after"] == change["expected"] for change in changes)
    worse = sum(change["before"] == change["expected"] for change in changes)
    output.make_console().print(
        f"\n{len(changes)} changed: {better} are right now, {worse} were right before", style="bold"
    )
    if not changes:
        return
    output.print_table(
        ("LABEL", "BEFORE", "NOW", "TEXT"),
        [
            (c["expected"], c["before"] or "(nothing fits)", c["after"] or "(nothing fits)", c["text"])
            for c in changes
        ],
    )
