"""The person who uses the command line, as the history names them."""

import os
from typing import TYPE_CHECKING

from ticketctl.errors import ConfigError, InvalidInputError

if TYPE_CHECKING:
    from ticketctl.tickets.history import Actor

VARIABLE = "TICKETCTL_USER"
ME = "@me"
"""Stands for the person who uses the command line, where a command takes a name."""


def current_actor() -> "Actor":
    """Return the person that TICKETCTL_USER names, else the login name.

    Raises:
        ConfigError: TICKETCTL_USER is no name.
    """
    from ticketctl.tickets.decisions import check_name
    from ticketctl.tickets.history import Actor

    name = os.environ.get(VARIABLE) or _login_name()
    try:
        check_name("user", name)
    except InvalidInputError as error:
        raise ConfigError(f"{VARIABLE}: {error}", hint=error.hint) from None
    return Actor.person(name)


def resolve_name(name: str) -> str:
    """Return the name of a person; `@me` is the one who uses the command line. Raise as `current_actor`."""
    return current_actor().name if name == ME else name


def _login_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run under a user id without an account
        return f"user {os.getuid()}"
