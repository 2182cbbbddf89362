"""`simulate-warm-starts`."""

import typer


def register(app: typer.Typer) -> None:
    pass
