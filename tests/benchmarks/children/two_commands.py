"""The least that a command line with Typer can be: two commands, everything at its default."""

import sys
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def add(subject: str, *, urgent: Annotated[bool, typer.Option(help="Say so in capitals.")] = False) -> None:
    """Add a line."""
    sys.stdout.write(f"{subject.upper() if urgent else subject}\n")


@app.command()
def remove(number: Annotated[int, typer.Argument(help="The line's number.")]) -> None:
    """Remove a line."""
    sys.stdout.write(f"{number}\n")


app()
