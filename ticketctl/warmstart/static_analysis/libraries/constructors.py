"""The table of constructors whose results are bound to an event loop; the data are in constructors.toml."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from ticketctl.warmstart.static_analysis.libraries.tables import read_table

ENTERED = "enter_async_context"
"""What an exit stack returns is open until the stack is closed, whatever it is."""
CLIENT_NAME = re.compile(
    r"Async\w*(Client|Pool|Redis|Connection)|Async(OpenAI|AzureOpenAI|Anthropic|OpenSearch|Elasticsearch)"
)
"""How libraries name their asynchronous clients: httpx.AsyncClient, psycopg_pool.AsyncConnectionPool ..."""


@lru_cache(maxsize=1)
def load_constructors() -> dict[str, dict[str, Any]]:
    """Return the table: properties by qualified name."""
    return read_table("constructors.toml")


@lru_cache(maxsize=1)
def load_shared() -> frozenset[str]:
    """Return the functions that use a client which their library keeps for the life of the process."""
    return frozenset(name for name, one in load_constructors().items() if one.get("shared"))


def is_client(name: str) -> bool:
    """Return whether calling this name creates a client or pool that keeps connections of one event loop.

    A name that is not in the table counts as one if it is called like one.
    """
    properties = load_constructors().get(name)
    if properties is not None:
        return not properties.get("keeps_nothing") and not properties.get("shared")
    last = name.rpartition(".")[2]
    return last == ENTERED or CLIENT_NAME.fullmatch(last) is not None


def is_left_open(name: str) -> bool:
    """Return whether an object that no code closes keeps its sockets open until the garbage collector runs."""
    return bool(load_constructors().get(name, {}).get("left_open"))


def find_initializer(name: str) -> str | None:
    """Return the method without which closing the object does nothing; None if there is no such method."""
    initializer: str | None = load_constructors()[name].get("initializer")
    return initializer


def find_renewer(name: str) -> str | None:
    """Return the method that gives a closed object new connections, so that each run may open it and close it again."""
    properties = load_constructors().get(name, {})
    renewer: str | None = properties.get("initializer") if properties.get("renewed") else None
    return renewer


def list_openers(name: str) -> Sequence[str]:
    """Return the methods without which the object has no connection; empty where it may have one from the start."""
    methods: Sequence[str] = load_constructors().get(name, {}).get("opened_by", ())
    return methods


def find_ender(name: str) -> str | None:
    """Return the method that closes the object when it ends; None if there is no such method."""
    ender: str | None = load_constructors().get(name, {}).get("ended_by")
    return ender


def list_own_models(name: str) -> Sequence[str]:
    """Return the classes of models that use a client of their own instead of the one that the library shares."""
    models: Sequence[str] = load_constructors()[name].get("own_models", ())
    return models


def list_async_methods(name: str) -> Sequence[str]:
    """Return the methods that use the client which the library shares; empty where any use does."""
    methods: Sequence[str] = load_constructors()[name].get("methods", ())
    return methods


def has_own_client(name: str, arguments: Iterable[str | None]) -> bool:
    """Return whether one of the arguments replaces the client that the library shares."""
    own = load_constructors()[name].get("own_client")
    return own is not None and own in arguments


def can_reopen(name: str) -> bool:
    """Return whether the object opens new connections when it is used after it was closed, or whether it is unknown."""
    properties = load_constructors().get(name)
    return properties is None or bool(properties.get("reopens", True))
