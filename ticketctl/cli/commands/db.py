"""`db`: migrate, back up and restore the database, run the embedded server, open psql."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli.lazy_group import CommandGroup
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import ConfigError, InvalidInputError

if TYPE_CHECKING:
    from ticketctl.postgres.backup import ClientPrograms
    from ticketctl.postgres.embedded import EmbeddedServer
    from ticketctl.runtime import Database

commands = typer.Typer(
    cls=CommandGroup, help="Migrate and back up the database; run the server.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the group of this module."""
    app.add_typer(commands, name="db")


@commands.command()
def upgrade() -> None:
    """Create the tables, or migrate them to this version."""
    from ticketctl import event_loops
    from ticketctl.runtime import open_database, upgrade

    with open_database(load_settings()) as opened:
        revision = event_loops.run(upgrade(opened))
    output.print_rows([[f"the tables have revision {revision}"] if output.is_terminal() else [revision]])


@commands.command()
def current() -> None:
    """Print the revision of the tables."""
    from ticketctl import event_loops
    from ticketctl.runtime import get_revision, open_database

    with open_database(load_settings()) as opened:
        revision = event_loops.run(get_revision(opened))
    output.print_rows([[revision or "none"]])


@commands.command()
def url() -> None:
    """Print the database's URL without its password.

    The embedded server's URL works while that server runs.
    """
    from ticketctl.runtime import get_address, open_database

    with open_database(load_settings()) as opened:
        output.print_rows([[get_address(opened.settings).without_password]])


@commands.command()
def start() -> None:
    """Start the embedded server and keep it running.

    The next commands start faster then. Prints the server's URL.
    """
    from ticketctl import event_loops
    from ticketctl.runtime import open_database, prepare_tables

    address = _embedded().start()
    with open_database(load_settings()) as opened:
        event_loops.run(prepare_tables(opened))
    output.print_rows([[address]])


@commands.command()
def stop() -> None:
    """Stop the embedded server that db start keeps running."""
    stopped = _embedded().stop()
    output.print_message("stopped" if stopped else "in use: it stops when the last command that uses it ends")


@commands.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def shell(context: typer.Context) -> None:
    """Open psql on the database; psql gets the arguments."""
    from ticketctl.runtime import open_database

    with open_database(load_settings()) as opened:
        _psql(opened, context.args)


@commands.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write all tickets, messages and results to a file.

    Commands and workers may run meanwhile: the file has the state of one moment. Piped, the columns are: file, bytes.
    """
    from ticketctl import event_loops
    from ticketctl.postgres.backup import write_backup
    from ticketctl.runtime import open_database, prepare_tables

    if file.exists() and not force:
        raise InvalidInputError(f"{file} would be replaced", hint="--force replaces it")
    with open_database(load_settings()) as opened:
        event_loops.run(prepare_tables(opened))
        size = write_backup(_client_programs(opened), file)
    output.print_rows([[f"{file} ({size:,} bytes)"] if output.is_terminal() else [file, size]])


@commands.command()
def restore(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="What db backup wrote.", exists=True, dir_okay=False, show_default=False
        ),
    ],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the tickets that are in the database.")
    ] = False,
) -> None:
    """Fill the database from a backup, and migrate the tables to this version.

    It happens in one transaction: if it fails, the database is as it was. Stop the workers first. Restore only files
    that you have written: a backup can hold code that the database runs.
    """
    from ticketctl import event_loops
    from ticketctl.postgres.backup import read_revision, restore_backup
    from ticketctl.runtime import get_revision, open_database, upgrade

    with open_database(load_settings()) as opened:
        programs = _client_programs(opened)
        wanted, current = read_revision(programs, file), event_loops.run(get_revision(opened))
        if current is not None and not replace:
            raise InvalidInputError(
                "the database has tables already", hint="--replace replaces their content"
            )
        if current is not None and current != wanted:
            raise InvalidInputError(
                f"the backup has tables of revision {wanted}, the database of {current}",
                hint="restore it into an empty database: TICKETCTL_HOME, or TICKETCTL_DATABASE_URL, names another one",
            )
        restore_backup(programs, file)
        revision = event_loops.run(upgrade(opened))
    output.print_rows(
        [[f"restored; the tables have revision {revision}"] if output.is_terminal() else [revision]]
    )


def _embedded() -> "EmbeddedServer":
    from ticketctl.runtime import embedded_server

    settings = load_settings()
    if settings.database_url is not None:
        raise ConfigError(
            "TICKETCTL_DATABASE_URL names a database, so there is no embedded server to start or stop",
            hint="unset it to use the embedded server",
        )
    return embedded_server(settings)


def _psql(opened: "Database", arguments: list[str]) -> None:
    """Run psql as a child process, so that the embedded server runs as long as psql does."""
    import subprocess

    programs = _client_programs(opened)
    command = [programs.find("psql"), programs.url, *arguments]
    status = subprocess.run(command, check=False, env=os.environ | programs.environment).returncode  # noqa: S603 - the user asked for psql
    raise typer.Exit(status)


def _client_programs(opened: "Database") -> "ClientPrograms":
    from ticketctl import event_loops
    from ticketctl.postgres.backup import ClientPrograms
    from ticketctl.runtime import embedded_server, get_address, get_credentials

    def find(name: str) -> str:
        if opened.embedded:
            return str(embedded_server(load_settings()).find_program(name))
        program = shutil.which(name)
        if program is None:
            raise ConfigError(f"{name} is not installed", hint="install PostgreSQL's client programs")
        return program

    login = event_loops.run(get_credentials(opened))
    given = {"PGUSER": login.user, "PGPASSWORD": login.password}
    environment = {name: value for name, value in given.items() if value}
    return ClientPrograms(find, get_address(opened.settings).without_password, environment)
