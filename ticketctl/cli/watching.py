"""`--watch`: show a result again and again on a terminal."""

import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import InvalidInputError

SECONDS = 2.0
"""Pause between two redraws."""

WatchOption = Annotated[
    bool, typer.Option("--watch", help="Redraw every two seconds, until you press Ctrl-C.")
]


def watch(draw: Callable[[], object], *, is_watched: bool) -> None:
    """Draw once, or with `is_watched` until the person interrupts it.

    Raises:
        InvalidInputError: It is to be redrawn, but the output is not a terminal.
    """
    if not is_watched:
        draw()
        return
    if not output.is_terminal():
        raise InvalidInputError(
            "--watch redraws a terminal, and the output is none", hint="leave out --watch"
        )
    from ticketctl.runtime import open_database

    console = output.make_console()
    try:
        with open_database(load_settings()):  # an embedded server stays up from one redraw to the next
            while True:
                console.clear()
                draw()
                sys.stdout.flush()
                time.sleep(SECONDS)
    except KeyboardInterrupt:
        output.print_message("")
