"""`train`: train the offline engine on labelled texts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli.corrections import choose_source, label_texts, read_corrections
from ticketctl.cli.labelled_texts import (
    LabelColumnOption,
    SamplesArgument,
    TextColumnOption,
    train_model,
    warn_of_unknown,
)
from ticketctl.cli.options import JsonOption
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.ai.evaluation.dataset import LabeledText
    from ticketctl.ai.offline.engine.model import Model
    from ticketctl.ai.taxonomy.schema import Taxonomy


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("train")(train)


def train(
    file: SamplesArgument = None,
    *,
    to: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="The file to write.", show_default=False)
    ],
    text_column: TextColumnOption = "text",
    label_column: LabelColumnOption = "label",
    from_corrections: Annotated[
        bool, typer.Option("--from-corrections", help="Train on what people decided, instead of a file.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Train without the examples of the taxonomy.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the offline engine on labelled texts.

    The taxonomy's examples are added if all labels are its categories. The same texts give the same model file, byte
    for byte. TICKETCTL_AI_EMBEDDINGS adds the vectors of an embedding model. Piped, the columns are: file, labels, texts, bytes.
    """
    from ticketctl.ai.evaluation.dataset import load_dataset
    from ticketctl.ai.offline.engine.artifact import serialize
    from ticketctl.ai.providers.factory import load_taxonomy

    settings = load_settings()
    taxonomy = load_taxonomy(settings)
    choose_source(file, from_corrections=from_corrections, option="--from-corrections")
    if file is None:
        samples = label_texts(read_corrections(None))
    else:
        samples = load_dataset(file, text_column, label_column)
    if not replace:
        samples = [*_list_examples(taxonomy, samples), *samples]
    if to.is_dir() or not to.parent.is_dir():
        raise InvalidInputError(f"{to} cannot be written", hint="name a file in a folder that exists")
    model = train_model(samples, settings)
    data = serialize(model)
    try:
        to.write_bytes(data)
    except OSError as error:
        raise InvalidInputError(
            f"{to} cannot be written: {error.strerror}", hint="name another file"
        ) from None
    _print_model(to, model, len(samples), len(data), as_json=as_json)
    warn_of_unknown(set(model.labels), taxonomy)


def _print_model(to: Path, model: "Model", texts: int, size: int, *, as_json: bool) -> None:
    embeddings = model.dense.model if model.dense else None
    if as_json:
        form = {"file": str(to), "labels": len(model.labels), "texts": texts, "bytes": size}
        output.print_json(form | {"embeddings": embeddings})
    elif not output.is_terminal():
        output.print_rows([[to, len(model.labels), texts, size]])
    else:
        added = f", with the embeddings of {embeddings}" if embeddings else ""
        output.print_rows([[f"{to}: {len(model.labels)} labels from {texts:,} texts, {size:,} bytes{added}"]])
        output.print_message(f"next: TICKETCTL_AI_MODEL_FILE={to} ticketctl work")


def _list_examples(taxonomy: "Taxonomy", samples: "Sequence[LabeledText]") -> "list[LabeledText]":
    """Return the taxonomy's examples if all labels are its categories; otherwise they are of another subject."""
    from ticketctl.ai.evaluation.dataset import LabeledText
    from ticketctl.ai.offline.classifier import category_texts

    if {sample.label for sample in samples} - {category.name for category in taxonomy.categories}:
        return []
    return [LabeledText(text, label) for text, label in category_texts(taxonomy)]
