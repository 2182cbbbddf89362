"""`serve`: run the HTTP API on this machine."""

import asyncio
import logging
import secrets
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli.options import ServerPoolOption
from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.log_lines import ErrorLineFormatter
from ticketctl.cli.resources import load_settings
from ticketctl.cli.signals import stop_on_signals
from ticketctl.errors import ConfigError, InvalidInputError

if TYPE_CHECKING:
    from ticketctl.api.server import ApiServer
    from ticketctl.runtime import Database


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("serve")(serve)


def serve(
    *,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Where to listen. Without tokens, only on this machine.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 8000,
    no_token: Annotated[
        bool,
        typer.Option("--no-token", help="Make no token: every program on this machine may read and write."),
    ] = False,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Log each request on stderr; piped, as JSON.")
    ] = False,
    pool: ServerPoolOption = None,
) -> None:
    """Serve the HTTP API on this machine.

    Without TICKETCTL_API_TOKENS it makes a token that is valid until it stops, and prints it. /docs describes the API.
    The first Ctrl-C lets requests in flight finish, a second one stops at once. Piped, the only line is the server's
    URL, and after a tab the token if it made one.
    """
    from ticketctl import event_loops
    from ticketctl.runtime import open_database

    settings = load_settings(server_pool=pool)
    try:
        from ticketctl.api.server import ApiServer
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"ticketctl serve needs the extra api, which is not installed (no module {error.name})",
            hint="pip install 'ticketctl[api]'",
        ) from None
    if no_token and settings.api_tokens is not None:
        raise InvalidInputError("--no-token contradicts the setting api_tokens", hint="omit one of them")
    own_token = None if no_token or settings.api_tokens is not None else secrets.token_urlsafe()
    server = ApiServer(settings, host, port, own_token=own_token)
    try:
        with open_database(settings) as opened:
            _log(access_log=access_log)
            event_loops.run(_serve(server, opened, own_token))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        server.close()


async def _serve(server: "ApiServer", database: "Database", own_token: str | None) -> None:
    def started() -> None:
        if output.is_terminal():
            output.print_rows([[server.url], *([[f"token: {own_token}"]] if own_token else [])])
            output.print_message("/docs describes the API; Ctrl-C stops the server")
        else:
            output.print_rows([[server.url] if own_token is None else [server.url, own_token]])
        sys.stdout.flush()

    with stop_on_signals(server):
        await server.run(database, started)


def _log(*, access_log: bool) -> None:
    """Log errors: one line each on a terminal, else JSON with the traceback; --debug logs everything anyway."""
    from ticketctl.api import request_log
    from ticketctl.telemetry.logs import JsonFormatter

    if access_log:
        request_log.log.setLevel(logging.INFO)
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        return
    handler = logging.StreamHandler()
    handler.setFormatter(ErrorLineFormatter() if sys.stderr.isatty() else JsonFormatter())
    handler.setLevel(logging.INFO if access_log else logging.WARNING)
    logging.getLogger().addHandler(handler)
