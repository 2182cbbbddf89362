"""Exceptions as text. They are described at once: to keep an exception is to keep all that its frames refer to."""

import traceback
from collections.abc import Iterator

from .ipc import ErrorInfo


def describe(error: BaseException, raised_at: str | None = None) -> ErrorInfo:
    """Return an exception's class names and texts; the text of an exception group lists the exceptions in it."""
    chain = [(type(link).__name__, _text(link)) for link in _walk_chain(error, set())]
    text = _text(error)
    if isinstance(error, BaseExceptionGroup):
        text = "; ".join([text, *(f"{type(leaf).__name__}: {_text(leaf)}" for leaf in _leaves(error))])
    return {"error_type": type(error).__name__, "error": text, "raised_at": raised_at, "chain": chain}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001 the __str__ of a user's exception may itself raise anything
        return f"(no text: its __str__ raises {type(problem).__name__})"


def frames(error: BaseException) -> list[tuple[str, int]]:
    """Return file and line of every frame in the exception's traceback, innermost first."""
    return [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)][::-1]


def _walk_chain(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """Yield the exception, those in its group, its cause and its context, each once."""
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inside = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for link in (*inside, error.__cause__, error.__context__):
        if link is not None:
            yield from _walk_chain(link, seen)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
