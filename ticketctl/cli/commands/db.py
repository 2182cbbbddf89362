"""`db`: migrate the database, run the embedded server, open psql."""

import os
from typing import TYPE_CHECKING

import typer

from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import ConfigError

if TYPE_CHECKING:
    from ticketctl.postgres.embedded import EmbeddedServer
    from ticketctl.runtime import Database

commands = typer.Typer(help="Migrate the database, and run the embedded server.", no_args_is_help=True)


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
    import shutil
    import subprocess

    from ticketctl import event_loops
    from ticketctl.runtime import embedded_server, get_address, get_credentials

    address = get_address(opened.settings)
    program = str(embedded_server(load_settings()).psql) if opened.embedded else shutil.which("psql")
    if program is None:
        raise ConfigError("psql is not installed", hint="install PostgreSQL's client programs")
    now = event_loops.run(get_credentials(opened))
    given = {"PGUSER": now.user, "PGPASSWORD": now.password}
    environment = os.environ | {name: value for name, value in given.items() if value}
    command = [program, address.without_password, *arguments]
    status = subprocess.run(command, check=False, env=environment).returncode  # noqa: S603 - the user asked for psql
    raise typer.Exit(status)
