"""`train` and `eval`: learn from labelled texts, and see how good a provider is on others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.options import BudgetOption
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import InvalidInputError, NotFoundError, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ticketctl.ai.evaluation.dataset import LabeledText
    from ticketctl.ai.evaluation.runner import EvaluationRun
    from ticketctl.ai.offline.engine.model import Model
    from ticketctl.ai.providers.factory import ProviderFactory
    from ticketctl.ai.taxonomy.schema import Taxonomy
    from ticketctl.settings import Settings

PROVIDERS = ("offline", "openai", "anthropic")
_NAMED = 5  # labels that a warning names

Samples = Annotated[Path, typer.Argument(metavar="FILE.csv|jsonl", show_default=False)]
TextColumn = Annotated[str, typer.Option(metavar="NAME", help="The column with the texts.")]
LabelColumn = Annotated[str, typer.Option(metavar="NAME", help="The column with their categories.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("train")(train)
    app.command("eval")(evaluate)


def train(
    file: Samples,
    *,
    to: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="The file to write.", show_default=False)
    ],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    as_json: AsJson = False,
) -> None:
    """Train the offline engine on labelled texts, and write what it learned to a file.

    The same texts give the same file, to the last byte. Piped, the columns are: file, labels, texts, bytes.
    """
    from ticketctl.ai.evaluation.dataset import load_dataset
    from ticketctl.ai.offline.engine.artifact import serialize
    from ticketctl.ai.providers.factory import load_taxonomy

    taxonomy = load_taxonomy(load_settings())
    samples = load_dataset(file, text_column, label_column)
    if to.is_dir() or not to.parent.is_dir():
        raise InvalidInputError(f"{to} cannot be written", hint="name a file in a folder that exists")
    model = _learned(samples)
    data = serialize(model)
    try:
        to.write_bytes(data)
    except OSError as error:
        raise InvalidInputError(
            f"{to} cannot be written: {error.strerror}", hint="name another file"
        ) from None
    if as_json:
        output.print_json(
            {"file": str(to), "labels": len(model.labels), "texts": len(samples), "bytes": len(data)}
        )
    elif not output.on_terminal():
        output.print_rows([[to, len(model.labels), len(samples), len(data)]])
    else:
        output.print_rows(
            [[f"{to}: {len(model.labels)} labels from {len(samples):,} texts, {len(data):,} bytes"]]
        )
        output.say(f"next: TICKETCTL_AI_MODEL_FILE={to} ticketctl work")
    _warn_of_unknown(set(model.labels), taxonomy)


def evaluate(
    file: Samples,
    *,
    provider: Annotated[str | None, typer.Option(help=f"One of: {', '.join(PROVIDERS)}.")] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    train: Annotated[
        Path | None, typer.Option("--train", metavar="FILE", help="Train the offline engine on these first.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="Use what ticketctl train wrote.")
    ] = None,
    fail_under: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit with 8 where the accuracy is lower.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Show what changed since an earlier eval --json.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first texts of the file.")] = None,
    budget: BudgetOption = None,
    as_json: AsJson = False,
) -> None:
    """Ask a provider for the category of labelled texts, and tell how good and how honest it is.

    Where the texts have labels that the taxonomy lacks, --train or --model brings a vocabulary of its own.
    Piped, lines begin with what they are: a figure, a label, a confusion or a change.
    """
    from ticketctl.ai.evaluation.dataset import load_dataset
    from ticketctl.cli.rendering import evaluation

    if provider is not None and provider not in PROVIDERS:
        raise InvalidInputError(
            f"there is no provider {provider!r}", hint=f"it can be {', '.join(PROVIDERS)}"
        )
    if train is not None and model is not None:
        raise InvalidInputError("--train and --model exclude each other", hint="leave one of them out")
    settings = load_settings(ai_provider=provider)
    samples = load_dataset(file, text_column, label_column)[:limit]
    before = None if compare is None else evaluation.read_predictions(compare)
    trained = _given(train, model, text_column, label_column)
    taxonomy = _vocabulary(settings, trained, {sample.label for sample in samples})
    providers = _providers(settings, taxonomy, trained, budget)
    trials = _tried(providers, samples, settings)
    report = evaluation.report(trials, settings, taxonomy, providers.budget.spent, before)
    evaluation.print_report(report, as_json=as_json)
    if trials.degraded:
        error_reporting.warn(
            f"{trials.degraded} of {len(trials.predictions)} answers are the offline engine's"
        )
    if trials.stopped is not None:
        raise trials.stopped
    if fail_under is not None and report["accuracy"] < fail_under:
        raise UnsafeError(
            f"the accuracy {report['accuracy']:.4f} is below {fail_under:g}",
            hint="--json tells each text and what was said of it; --compare, what changed since",
        )


def _learned(samples: "Sequence[LabeledText]") -> "Model":
    from ticketctl.ai.offline.engine.training import PROGRESS_STEPS, train

    with output.progress(PROGRESS_STEPS) as step:
        return train(samples, step)


def _given(train: Path | None, model: Path | None, text_column: str, label_column: str) -> "Model | None":
    """The model that was asked for, instead of the one that the settings name."""
    from ticketctl.ai.evaluation.dataset import load_dataset
    from ticketctl.ai.offline.engine.artifact import deserialize

    if train is not None:
        return _learned(load_dataset(train, text_column, label_column))
    if model is None:
        return None
    try:
        return deserialize(model.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {model}", hint="ticketctl train writes one") from None
    except OSError as error:
        raise InvalidInputError(
            f"{model} cannot be read: {error.strerror}", hint="name another file"
        ) from None


def _vocabulary(settings: "Settings", trained: "Model | None", labels: "Collection[str]") -> "Taxonomy":
    """The categories to choose from: the model's own, else the taxonomy's."""
    from ticketctl.ai.providers.factory import load_taxonomy
    from ticketctl.ai.taxonomy.loader import taxonomy_from_labels

    taxonomy = load_taxonomy(settings) if trained is None else taxonomy_from_labels(trained.labels)
    known = {category.name for category in taxonomy.categories}
    if not known & set(labels):
        raise InvalidInputError(
            f"the file's labels are none of the categories: {_some(labels)}",
            hint="name its label column, train on such labels with --train FILE, or set TICKETCTL_TAXONOMY",
        )
    _warn_of_unknown(labels, taxonomy)
    return taxonomy


def _providers(
    settings: "Settings", taxonomy: "Taxonomy", trained: "Model | None", budget: float | None
) -> "ProviderFactory":
    from ticketctl.ai.budget import Budget
    from ticketctl.ai.providers.factory import ProviderFactory
    from ticketctl.tickets.pricing import parse_prices

    return ProviderFactory(
        settings, taxonomy, trained_model=trained, budget=Budget(parse_prices(settings), budget)
    )


def _tried(
    providers: "ProviderFactory", samples: "Sequence[LabeledText]", settings: "Settings"
) -> "EvaluationRun":
    from ticketctl import event_loops
    from ticketctl.ai.evaluation.runner import classify_dataset

    async def work() -> "EvaluationRun":
        async with providers.open_provider() as provider:
            return await classify_dataset(
                provider, samples, max_concurrency=settings.ai_concurrency, on_progress=done
            )

    with output.progress(len(samples)) as done:
        return event_loops.run(work())


def _warn_of_unknown(labels: "Collection[str]", taxonomy: "Taxonomy") -> None:
    unknown = set(labels) - {category.name for category in taxonomy.categories}
    if unknown:
        error_reporting.warn(f"labels that are no category of the taxonomy: {_some(unknown)}")


def _some(labels: "Collection[str]") -> str:
    shown = ", ".join(sorted(labels)[:_NAMED])
    return f"{shown} and {len(labels) - _NAMED} more" if len(labels) > _NAMED else shown
