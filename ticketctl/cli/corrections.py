"""What `corrections`, `train`, `eval` and `stats` share: people's decisions, read from the database."""

from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli.resources import run_with
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.ai.evaluation.dataset import LabeledText
    from ticketctl.tickets.corrections import Correction
    from ticketctl.tickets.operator_resources import OperatorResources

SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="AGE|DATE", help="Only decisions since then: 30d, 2026-01-31."),
]


def read_corrections(since: str | None) -> "Sequence[Correction]":
    """Return the last decision on each ticket's category since a time.

    Raises:
        InvalidInputError: There is none.
    """
    from datetime import UTC, datetime

    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets.durations import parse_since

    start = None if since is None else parse_since(since, now=datetime.now(UTC))

    async def work(resources: "OperatorResources") -> "Sequence[Correction]":
        return await resources.decisions.list_corrections(start)

    corrections = run_with(open_operator_resources, work)
    if not corrections:
        raise InvalidInputError(
            "no person has decided on a category yet", hint="ticketctl review, approve and set --category do"
        )
    return corrections


def label_texts(corrections: "Sequence[Correction]") -> "list[LabeledText]":
    """Return the requesters' own words with the categories that people chose; card and account numbers are masked."""
    from ticketctl.ai.evaluation.dataset import LabeledText
    from ticketctl.ai.offline.classifier import read_mail
    from ticketctl.ai.offline.extraction import mask_secrets

    return [
        LabeledText(mask_secrets(read_mail(one.text)).strip() or "-", one.category) for one in corrections
    ]


def choose_source(file: object, *, from_corrections: bool, option: str) -> None:
    """Raise InvalidInputError unless exactly one of a file and the corrections is the source of labelled texts."""
    if (file is None) != from_corrections:
        raise InvalidInputError(
            f"name either a file or {option}",
            hint="a file is CSV or JSON Lines with the columns text and label",
        )
