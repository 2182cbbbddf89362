"""What `train` and `eval` share: their options, training with a progress bar, and a warning about labels."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.rendering import output

if TYPE_CHECKING:
    from ticketctl.ai.evaluation.dataset import LabeledText
    from ticketctl.ai.offline.engine.model import Model
    from ticketctl.ai.taxonomy.schema import Taxonomy
    from ticketctl.settings import Settings

_SHOWN = 5
"""Labels that a message names at most."""

TextColumnOption = Annotated[str, typer.Option(metavar="NAME", help="The column with the texts.")]
SamplesArgument = Annotated[Path | None, typer.Argument(metavar="[FILE.csv|jsonl]", show_default=False)]
LabelColumnOption = Annotated[str, typer.Option(metavar="NAME", help="The column with their categories.")]


def train_model(samples: "Sequence[LabeledText]", settings: "Settings") -> "Model":
    """Train the offline engine on labelled texts, with a progress bar on a terminal.

    Raises:
        ConfigError: The embedding model that the settings name cannot be used.
    """
    from ticketctl.ai.offline.engine.training import PROGRESS_STEPS, train
    from ticketctl.ai.providers.factory import load_encoder

    encoder = load_encoder(settings)
    with output.show_progress(PROGRESS_STEPS + (len(samples) if encoder else 0)) as step:
        return train(samples, step, encoder)


def warn_of_unknown(labels: Collection[str], taxonomy: "Taxonomy") -> None:
    """Warn of labels that are not categories of the taxonomy."""
    unknown = set(labels) - {category.name for category in taxonomy.categories}
    if unknown:
        error_reporting.warn(f"labels that are not categories of the taxonomy: {join_some(unknown)}")


def join_some(labels: Collection[str]) -> str:
    """Return the first labels in alphabetical order, and how many more there are."""
    shown = ", ".join(sorted(labels)[:_SHOWN])
    return f"{shown} and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else shown
