"""`eval`: measure how well a provider classifies labelled texts, and how well it knows when it is wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.corrections import choose_source, label_texts, read_corrections
from ticketctl.cli.labelled_texts import (
    LabelColumnOption,
    SamplesArgument,
    TextColumnOption,
    join_some,
    train_model,
    warn_of_unknown,
)
from ticketctl.cli.options import BudgetOption, JsonOption, choice
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import InvalidInputError, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ticketctl.ai.evaluation.dataset import LabeledText
    from ticketctl.ai.evaluation.runner import EvaluationRun
    from ticketctl.ai.offline.engine.model import Model
    from ticketctl.ai.providers.factory import ProviderFactory
    from ticketctl.ai.taxonomy.schema import Taxonomy
    from ticketctl.settings import Settings

PROVIDERS = ("offline", "openai", "anthropic")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("eval")(evaluate)


def evaluate(
    file: SamplesArgument = None,
    *,
    provider: Annotated[
        str | None, choice(PROVIDERS, help="The provider. Default: TICKETCTL_AI_PROVIDER, else offline.")
    ] = None,
    text_column: TextColumnOption = "text",
    label_column: LabelColumnOption = "label",
    train: Annotated[
        Path | None,
        typer.Option("--train", metavar="FILE", help="Train the offline engine on this file first."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="Use a model file of ticketctl train.")
    ] = None,
    corrections: Annotated[
        bool, typer.Option("--corrections", help="Measure on what people decided, instead of a file.")
    ] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0, max=1, help="Exit with status 8 if the accuracy is lower."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Compare with an earlier eval --json.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first texts of the file.")] = None,
    budget: BudgetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a provider classifies labelled texts.

    Shows accuracy, F1 scores, calibration, latency and cost. Labels that the taxonomy lacks need --train or
    --model, whose labels then replace the taxonomy's categories.

    Piped, the first column says what a line is: the name of a figure, label, confusion or change.
    """
    from ticketctl.ai.evaluation.dataset import load_dataset
    from ticketctl.cli.rendering import evaluation

    if train is not None and model is not None:
        raise InvalidInputError("--train and --model exclude each other", hint="leave one of them out")
    settings = load_settings(ai_provider=provider)
    choose_source(file, from_corrections=corrections, option="--corrections")
    if file is None:
        samples = label_texts(read_corrections(None))[:limit]
    else:
        samples = load_dataset(file, text_column, label_column)[:limit]
    before = None if compare is None else evaluation.read_predictions(compare)
    trained = _load_model(settings, train, model, text_column, label_column)
    taxonomy = _choose_taxonomy(settings, trained, {sample.label for sample in samples})
    providers = _make_providers(settings, taxonomy, trained, budget)
    trials = _classify_all(providers, samples, settings)
    report = evaluation.build_evaluation(trials, settings, taxonomy, providers.budget.spent, before)
    evaluation.print_evaluation(report, as_json=as_json)
    _report_problems(trials, report["accuracy"], fail_under)


def _report_problems(trials: "EvaluationRun", accuracy: float, fail_under: float | None) -> None:
    """Warn of answers of the offline engine. Raise what stopped the evaluation, or UnsafeError for the accuracy."""
    if trials.degraded:
        error_reporting.warn(
            f"{trials.degraded} of {len(trials.predictions)} answers came from the offline engine, because the provider failed"
        )
    if trials.stopped is not None:
        raise trials.stopped
    if fail_under is not None and accuracy < fail_under:
        raise UnsafeError(
            f"the accuracy {accuracy:.4f} is below {fail_under:g}",
            hint="--json lists each text with its prediction; --compare shows what changed",
        )


def _load_model(
    settings: "Settings", train: Path | None, model: Path | None, text_column: str, label_column: str
) -> "Model | None":
    """Return the model of --train or --model, or None to use the one in the settings."""
    from ticketctl.ai.evaluation.dataset import load_dataset
    from ticketctl.ai.offline.engine.artifact import load_model

    if train is not None:
        return train_model(load_dataset(train, text_column, label_column), settings)
    if model is None:
        return None
    try:
        return load_model(model)
    except FileNotFoundError:
        raise InvalidInputError(f"there is no file {model}", hint="ticketctl train writes one") from None
    except OSError as error:
        raise InvalidInputError(
            f"{model} cannot be read: {error.strerror}", hint="name another file"
        ) from None


def _choose_taxonomy(settings: "Settings", trained: "Model | None", labels: "Collection[str]") -> "Taxonomy":
    """Return a taxonomy with the model's labels as categories, else the configured one."""
    from ticketctl.ai.providers.factory import load_taxonomy
    from ticketctl.ai.taxonomy.loader import taxonomy_from_labels

    taxonomy = load_taxonomy(settings) if trained is None else taxonomy_from_labels(trained.labels)
    known = {category.name for category in taxonomy.categories}
    if not known & set(labels):
        raise InvalidInputError(
            f"none of the file's labels is a category: {join_some(labels)}",
            hint="name the label column, train on such labels with --train FILE, or set TICKETCTL_TAXONOMY",
        )
    warn_of_unknown(labels, taxonomy)
    return taxonomy


def _make_providers(
    settings: "Settings", taxonomy: "Taxonomy", trained: "Model | None", budget: float | None
) -> "ProviderFactory":
    from ticketctl.ai.budget import Budget
    from ticketctl.ai.providers.factory import ProviderFactory
    from ticketctl.tickets.pricing import parse_prices

    return ProviderFactory(
        settings,
        taxonomy,
        trained_model=trained,
        budget=Budget(parse_prices(settings), budget),
        raise_account_errors=True,  # the offline engine's figures in place of the model's would mislead
    )


def _classify_all(
    providers: "ProviderFactory", samples: "Sequence[LabeledText]", settings: "Settings"
) -> "EvaluationRun":
    from ticketctl import event_loops
    from ticketctl.ai.evaluation.runner import classify_dataset

    async def work() -> "EvaluationRun":
        async with providers.open_provider() as provider:
            return await classify_dataset(
                provider, samples, max_concurrency=settings.ai_concurrency, on_progress=done
            )

    with output.show_progress(len(samples)) as done:
        return event_loops.run(work())
