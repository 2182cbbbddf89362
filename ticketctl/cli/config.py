"""`config`: the settings in force."""

import os
from typing import Annotated

import typer

from ticketctl.cli import output
from ticketctl.cli.session import load_settings

commands = typer.Typer(help="The settings.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group of this module."""
    app.add_typer(commands, name="config")


@commands.command()
def show(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show every setting: its value, where that comes from, and what it means.

    Piped, the columns are: variable, value, source, meaning.
    """
    from ticketctl import settings as settings_module

    loaded = load_settings()
    rows = [
        (variable, _shown(name, getattr(loaded, name)), _source(variable, name, loaded), meaning)
        for name, (variable, meaning) in zip(
            settings_module.NAMES, settings_module.meanings().items(), strict=True
        )
    ]
    if as_json:
        output.print_json(
            [
                {"variable": variable, "value": value, "source": source, "meaning": meaning}
                for variable, value, source, meaning in rows
            ]
        )
    elif output.on_terminal():
        output.print_table(("VARIABLE", "VALUE", "FROM", "MEANING"), rows)
    else:
        output.print_rows(rows)


def _shown(name: str, value: object) -> str:
    """The value as it may be shown: a URL less its password."""
    if value is None:
        return ""
    if name == "database_url":
        from ticketctl.db.address import Address

        return Address.parse(str(value)).without_password
    return str(value)


def _source(variable: str, name: str, loaded: object) -> str:
    if os.environ.get(variable):
        return "environment"
    from ticketctl.settings import Settings

    return "default" if getattr(loaded, name) == getattr(Settings(), name) else "file"
