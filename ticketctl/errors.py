"""What can go wrong, drawn as a tree. The command line renders each in one place, with its exit status.

TicketctlError            1  a bug: nothing should raise it bare
├── InvalidInputError     2  what was typed or sent cannot be used as it is
│   └── ConflictError     2  it does not fit the state that a ticket is in
├── NotFoundError         3  no such ticket or message
├── ConfigError           4  a setting is wrong, missing, or needs an extra that is not installed
├── DatabaseError         5  the database cannot be reached, refuses, or answers late
│   └── StaleSchemaError  5  its tables are older or newer than this program
├── QueueError            6  the queue cannot be reached or refuses
├── ProviderError         7  the AI provider cannot be reached, refuses, or answers nonsense
└── UnsafeError           8  records failed, or a configuration under test is not safe
"""

from typing import ClassVar


class TicketctlError(Exception):
    """What happened, in one line; `hint` tells what to do next."""

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InvalidInputError(TicketctlError):
    """What was typed or sent cannot be used as it is."""

    exit_status = 2


class ConflictError(InvalidInputError):
    """What was asked for does not fit the state that the ticket is in."""


class NotFoundError(TicketctlError):
    """There is no such ticket or message."""

    exit_status = 3


class ConfigError(TicketctlError):
    """A setting is wrong or missing, or needs an extra that is not installed."""

    exit_status = 4


class DatabaseError(TicketctlError):
    """The database cannot be reached, refuses, or answers late."""

    exit_status = 5


class StaleSchemaError(DatabaseError):
    """The database's tables are older or newer than this program."""


class QueueError(TicketctlError):
    """The queue cannot be reached or refuses."""

    exit_status = 6


class ProviderError(TicketctlError):
    """The AI provider cannot be reached, refuses, or answers nonsense."""

    exit_status = 7


class UnsafeError(TicketctlError):
    """Records failed, or a configuration under test is not safe."""

    exit_status = 8
