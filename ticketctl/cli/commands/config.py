"""`config`: the settings in force, and files to begin with."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import InvalidInputError

HIDDEN = "********"
TAXONOMY_FILE = "taxonomy.toml"

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
    elif output.on_terminal():
        output.print_table(("VARIABLE", "VALUE", "FROM", "MEANING"), rows)
    else:
        output.print_rows(rows)


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write them.")] = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a commented ticketctl.toml and taxonomy.toml: the settings, and what tickets may be about.

    Prints the names of the two files.
    """
    from ticketctl.ai.taxonomy.loader import DEFAULT
    from ticketctl.settings import FILE

    written = {folder / FILE: _template(), folder / TAXONOMY_FILE: DEFAULT.read_text("utf-8")}
    there = [str(path) for path in written if path.exists()]
    if there and not force:
        raise InvalidInputError(f"{' and '.join(there)} would be replaced", hint="--force replaces them")
    try:
        for path, text in written.items():
            path.write_text(text, "utf-8")
    except OSError as error:
        raise InvalidInputError(
            f"{error.filename} cannot be written: {error.strerror}", hint="name a folder that exists"
        ) from None
    output.print_rows([path] for path in written)
    if output.on_terminal():
        output.say("next: change them, then ticketctl config show")


def _template() -> str:
    """Every setting with its meaning, left at its default; the taxonomy alone is named."""
    import msgspec

    from ticketctl import settings as settings_module

    defaults, describe_settings = settings_module.Settings(), settings_module.describe_settings()
    lines = ["# The settings of ticketctl. A variable of the environment wins over its line here.", ""]
    for name, (variable, meaning) in zip(settings_module.NAMES, describe_settings.items(), strict=True):
        default = getattr(defaults, name)
        line = f"# {name} = {msgspec.json.encode('' if default is None else default).decode()}"
        lines += [
            f"# {variable}: {meaning}",
            line if name != "taxonomy" else f'{name} = "{TAXONOMY_FILE}"',
            "",
        ]
    return "\n".join(lines)


def _shown(name: str, value: object) -> str:
    """The value as it may be shown: no secret, and a URL less its password."""
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
