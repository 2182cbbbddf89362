"""Exceptions as words: they are kept as text at once, since keeping them would keep everything in their frames."""

import traceback
from collections.abc import Iterator
from typing import TypedDict


class ErrorInfo(TypedDict):
    """An exception's class name and whole text, where it was raised, and the chain of (class, text) behind it."""

    error_type: str
    error: str
    where: str | None
    chain: list[tuple[str, str]]


def describe(error: BaseException, where: str | None = None) -> ErrorInfo:
    """Put an exception into words; a group says what is in it."""
    chain = [(type(link).__name__, _text(link)) for link in _chain(error, set())]
    text = _text(error)
    if isinstance(error, BaseExceptionGroup):
        text = "; ".join([text, *(f"{type(leaf).__name__}: {_text(leaf)}" for leaf in _leaves(error))])
    return {"error_type": type(error).__name__, "error": text, "where": where, "chain": chain}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001 a stranger's exception may be unable to say what it is
        return f"(its own text cannot be had: {type(problem).__name__})"


def frames(error: BaseException) -> list[tuple[str, int]]:
    """Return file and line of every frame that the exception came through, innermost first."""
    return [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)][::-1]


def _chain(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inside = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for link in (*inside, error.__cause__, error.__context__):
        if link is not None:
            yield from _chain(link, seen)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
