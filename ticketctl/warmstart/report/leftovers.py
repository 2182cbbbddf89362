"""What a census found, with the lines of the source that it points to."""

from collections.abc import Sequence
from dataclasses import dataclass

from ticketctl.warmstart.child.ipc import Message
from ticketctl.warmstart.report import source_locator
from ticketctl.warmstart.report.model import Zombie

TASKS = ("task", "cancelled task")
"""The kinds that are work which its loop did not finish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """One zombie: the report's fields, and those that only the causes speak of.

    kind: "transport", "socket", "task", "cancelled task", "future", "primitive", "resource" or
        "asynchronous generator".
    loop: the number of the loop that it is bound to.
    keeper: the line that made what keeps it, or began the task, as `file:line`.
    """

    zombie: Zombie
    kind: str
    loop: int
    keeper: str | None


def remains_of(told: Sequence[Message], invocation: int) -> list[Remains]:
    """Make remains of what the child told, save for cancelled tasks that would never have ended by themselves."""
    return [_remains(one, invocation) for one in told if not _is_service(one)]


def _is_service(told: Message) -> bool:
    definition, line = told["definition"], told["line"]
    if told["kind"] != "cancelled task" or not definition or not line:
        return False
    shown, _, number = line.rpartition(":")
    return bool(shown == definition["shown"]) and source_locator.is_endless(definition["file"], int(number))


def _remains(told: Message, invocation: int) -> Remains:
    keeper = _keeper(told)
    begun = keeper if told["kind"] in TASKS else None
    zombie = Zombie(
        invocation=invocation,
        type=told["type"],
        owner=told["owner"],
        peer=told["peer"],
        created_at=begun or told["line"] or keeper,
    )
    return Remains(zombie=zombie, kind=told["kind"], loop=told["loop"], keeper=keeper)


def _keeper(told: Message) -> str | None:
    definition = told["definition"]
    if not definition:
        return None
    if told["kind"] in TASKS:
        return _begun(told, definition)
    line = source_locator.made_at(definition["file"], tuple(definition["names"]))
    return f"{definition['shown']}:{line}" if line else None


def _begun(told: Message, definition: Message) -> str | None:
    """Return the line that begins the task: in the file of its coroutine, or else in another of the user's."""
    for file, shown in [(definition["file"], definition["shown"]), *told["elsewhere"]]:
        if line := source_locator.begun_at(file, definition["names"][-1]):
            return f"{shown}:{line}"
    return None
