"""Leftovers of a census, with the lines of the user's source that made them."""

from collections.abc import Mapping, Sequence

from ticketctl.warmstart.child.ipc import DefinitionInfo, LeftoverInfo
from ticketctl.warmstart.report import source_locator
from ticketctl.warmstart.report.model import Leftover

TASK_KINDS = ("task", "cancelled task")
"""Kinds of leftovers that are work which their event loop did not finish."""


def locate_leftovers(answers: Sequence[LeftoverInfo], invocation: int) -> list[Leftover]:
    """Return the leftovers that the child reported, each with its line of the user's source.

    Tasks that were cancelled in an endless loop are left out: they are services, and end with their event loop.
    """
    return [_locate(one, invocation) for one in answers if not _is_service(one)]


def add_task_starts(tasks: Mapping[str, int], coroutines: Mapping[str, DefinitionInfo]) -> dict[str, int]:
    """Return the words for pending tasks with the lines that start them, where the coroutine's file does it."""
    return {_add_start(words, coroutines.get(words)): count for words, count in tasks.items()}


def _add_start(words: str, coroutine: DefinitionInfo | None) -> str:
    line = coroutine and source_locator.find_task_start(coroutine["file"], coroutine["names"][-1])
    return f"{words}, started at {coroutine['shown']}:{line}" if coroutine and line else words


def _is_service(answer: LeftoverInfo) -> bool:
    definition, line = answer["definition"], answer["line"]
    if answer["kind"] != "cancelled task" or not definition or not line:
        return False
    shown, _, number = line.rpartition(":")
    return bool(shown == definition["shown"]) and source_locator.is_endless(definition["file"], int(number))


def _locate(answer: LeftoverInfo, invocation: int) -> Leftover:
    kept_at = _locate_owner(answer)
    started_at = kept_at if answer["kind"] in TASK_KINDS else None
    return Leftover(
        invocation=invocation,
        type=answer["type"],
        owner=answer["owner"],
        peer=answer["peer"],
        created_at=started_at or answer["line"] or kept_at,
        kind=answer["kind"],
        loop=answer["loop"],
        kept_at=kept_at,
    )


def _locate_owner(answer: LeftoverInfo) -> str | None:
    definition = answer["definition"]
    if not definition:
        return None
    if answer["kind"] in TASK_KINDS:
        return _locate_task_start(answer, definition)
    file, names = definition["file"], tuple(definition["names"])
    # a variable that is a container itself keeps what is put into it; keys that are names look like attributes
    is_container = f".{names[-1]}[" in f".{answer['owner']}" or source_locator.is_dictionary(file, names)
    line = source_locator.find_insertion(file, names) if is_container else None
    line = line or source_locator.find_assignment(file, names)
    return f"{definition['shown']}:{line}" if line else None


def _locate_task_start(answer: LeftoverInfo, definition: DefinitionInfo) -> str | None:
    """Return the line that starts the task: in the file of its coroutine, or else in another file of the user's."""
    for file, shown in [(definition["file"], definition["shown"]), *answer["elsewhere"]]:
        if line := source_locator.find_task_start(file, definition["names"][-1]):
            return f"{shown}:{line}"
    return None
