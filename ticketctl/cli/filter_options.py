"""The options of a command that come from the declared filters."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import wraps
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Annotated, Any

import typer

from ticketctl.cli import completion
from ticketctl.cli.actor import resolve_name
from ticketctl.cli.options import choice
from ticketctl.tickets.filters import FILTERS, FilterSpec, TicketFilter, parse_filter

WANTED = "wanted"
"""The parameter of a command that gets the filter."""

_COMPLETIONS: Mapping[str, Callable[[], list[str]]] = MappingProxyType(
    {"category": completion.list_categories, "team": completion.list_teams}
)


def with_filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the command's parameter `wanted` by one option per declared filter.

    Typer reads a command's options from its signature, so the wrapper carries a signature of its own.
    """

    @wraps(command)
    def run(**options: Any) -> None:
        texts = {name: options.pop(name) for name in FILTERS}
        command(**options, **{WANTED: read_filter(texts)})

    parameters = list(_parameters(command))
    run.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined] # inspect reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def read_filter(texts: Mapping[str, Any]) -> TicketFilter:
    """Return the filter that texts from the command line mean. Raise InvalidInputError."""
    names = texts.get("assignee")
    chosen = {**texts, "assignee": [resolve_name(name) for name in names]} if names else texts
    return parse_filter(chosen, now=datetime.now(UTC))


def _parameters(command: Callable[..., None]) -> Iterator[Parameter]:
    for parameter in signature(command).parameters.values():
        if parameter.name == WANTED:
            for name, spec in FILTERS.items():
                yield Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=_option(spec))
        else:
            yield parameter.replace(kind=Parameter.KEYWORD_ONLY)


def _option(spec: FilterSpec) -> Any:
    kind = list[str] | None if spec.is_repeatable else str | None
    if spec.choices:
        return Annotated[kind, choice(spec.choices, help=spec.help)]
    if spec.name == "priority":
        return Annotated[kind, choice(completion.list_priorities, help=spec.help)]
    complete = _COMPLETIONS.get(spec.name)
    return Annotated[kind, typer.Option(metavar=spec.metavar, help=spec.help, autocompletion=complete)]
