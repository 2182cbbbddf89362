"""`config`: show the settings, and write files to start from."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ticketctl.cli.lazy_group import CommandGroup
from ticketctl.cli.options import JsonOption
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import InvalidInputError

HIDDEN = "********"
TAXONOMY_FILE = "taxonomy.toml"

commands = typer.Typer(
    cls=CommandGroup, help="Show the settings, and write a settings file.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the group of this module."""
    app.add_typer(commands, name="config")


@commands.command()
def show(*, as_json: JsonOption = False) -> None:
    """Show every setting with its value, source and meaning.

    Piped, the columns are: variable, value, source, meaning.
    """
    from ticketctl import settings as settings_module

    loaded = load_settings()
    rows = [
        (variable, _mask(name, getattr(loaded, name)), _source(variable, name, loaded), meaning)
        for name, (variable, meaning) in zip(
            settings_module.NAMES, settings_module.describe_settings().items(), strict=True
        )
    ]
    if as_json:
        output.print_json(
            [
                {"variable": variable, "value": value, "source": source, "meaning": meaning}
                for variable, value, source, meaning in rows
            ]
        )
    elif output.is_terminal():
        output.print_definitions(
            (f"{variable}={value}", (f"{meaning} [{source}]",)) for variable, value, source, meaning in rows
        )
    else:
        output.print_rows(rows)


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to write them.")] = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Write a commented ticketctl.toml and taxonomy.toml.

    They hold the settings, and the categories, teams and rules for tickets. Prints the names of the two files.
    """
    from ticketctl.ai.taxonomy.loader import DEFAULT
    from ticketctl.settings import FILE

    written = {folder / FILE: _template(), folder / TAXONOMY_FILE: DEFAULT.read_text("utf-8")}
    existing = [str(path) for path in written if path.exists()]
    if existing and not force:
        raise InvalidInputError(f"{' and '.join(existing)} would be replaced", hint="--force replaces them")
    try:
        for path, text in written.items():
            path.write_text(text, "utf-8")
    except OSError as error:
        raise InvalidInputError(
            f"{error.filename} cannot be written: {error.strerror}", hint="name a folder that exists"
        ) from None
    output.print_rows([path] for path in written)
    if output.is_terminal():
        output.print_message("next: edit them, then run ticketctl config show")


def _template() -> str:
    """Return a settings file with every setting commented out, except the taxonomy."""
    import msgspec

    from ticketctl import settings as settings_module

    defaults, describe_settings = settings_module.Settings(), settings_module.describe_settings()
    lines = ["# Settings of ticketctl. An environment variable wins over its line here.", ""]
    for name, (variable, meaning) in zip(settings_module.NAMES, describe_settings.items(), strict=True):
        default = getattr(defaults, name)
        line = f"# {name} = {msgspec.json.encode('' if default is None else default).decode()}"
        lines += [
            f"# {variable}: {meaning}",
            line if name != "taxonomy" else f'{name} = "{TAXONOMY_FILE}"',
            "",
        ]
    return "\n".join(lines)


def _mask(name: str, value: object) -> str:
    """Return the value without secrets: a URL loses its password."""
    from ticketctl.settings import SECRETS

    if value is None:
        return ""
    if name in SECRETS:
        return HIDDEN
    if name == "database_url":
        from ticketctl.postgres.address import Address

        return Address.parse(str(value)).without_password
    return str(value)


def _source(variable: str, name: str, loaded: object) -> str:
    if os.environ.get(variable):
        return "environment"
    from ticketctl.settings import Settings

    return "default" if getattr(loaded, name) == getattr(Settings(), name) else "file"
