"""`doctor`: what is known to go wrong with a handler's source, its installed libraries, and our own settings."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli.commands import simulate_handler
from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.verdicts import print_finding
from ticketctl.cli.resources import load_settings
from ticketctl.errors import InvalidInputError, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.settings import Settings
    from ticketctl.warmstart.static_analysis.analyzer import Analysis
    from ticketctl.warmstart.static_analysis.finding import SourceFinding


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("doctor")(doctor)


def doctor(
    *,
    handler: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            callback=simulate_handler.check_handler,
            help="Only what this handler's import brings in. Default: all that look like a handler.",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", exists=True, file_okay=False, help="The handler's folder. Default: this one."
        ),
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the configured queue and database how they are set up, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check code and settings for warm-start problems.

    Looks at Python files, at the versions of installed libraries, and at ticketctl's own settings. The exit status
    is 8 where something is found that breaks.

    Piped, the columns are: place, rule, breaks or risk, cause, fix.
    """
    from ticketctl.diagnostics.settings_checks import check_settings

    folder = path or Path.cwd()
    inspection = _inspect(folder, handler)
    settings = load_settings()
    advice = [*inspection.findings, *check_settings(settings, os.environ), *(_ask(settings) if ask else ())]
    if as_json:
        found = [one.to_json() for one in advice]
        output.print_json({"files": inspection.files, "findings": found})
    elif output.is_terminal():
        _show(advice, len(inspection.files))
    else:
        output.print_rows([one.place, one.rule, _gravity(one), one.cause, one.fix] for one in advice)
    broken = [one for one in advice if one.breaks]
    if broken:
        raise UnsafeError(
            f"{len(broken)} found that break, first {broken[0].rule} at {broken[0].place}",
            hint="ticketctl simulate-warm-starts --handler MODULE:FUNCTION --event FILE shows it happen",
        )


def _inspect(folder: Path, handler: str | None) -> "Analysis":
    from ticketctl.warmstart.static_analysis.analyzer import HandlerNotFoundError, analyze

    try:
        return analyze(folder, handler)
    except HandlerNotFoundError as error:
        raise InvalidInputError(str(error), hint=f"--path names its folder; here it is {folder}") from None


def _ask(settings: "Settings") -> "list[SourceFinding]":
    from ticketctl import event_loops
    from ticketctl.diagnostics.settings_checks import ServerLimits, check_server_limits
    from ticketctl.runtime import open_database, open_operator_resources

    with open_database(settings) as found:

        async def asked() -> ServerLimits:
            async with open_operator_resources(found) as resources:
                limit = await resources.operations.get_connection_limit()
                return ServerLimits(await resources.queue.get_policy(), limit)

        return check_server_limits(settings, os.environ, event_loops.run(asked()))


def _show(advice: "Sequence[SourceFinding]", files: int) -> None:
    for one in advice:
        print_finding(f"{one.place}  {one.rule} ({_gravity(one)})", {"cause": one.cause, "fix": one.fix})
    if not advice:
        output.print_message(f"nothing found in {files} file{'' if files == 1 else 's'}, nor in the settings")


def _gravity(one: "SourceFinding") -> str:
    return "breaks" if one.breaks else "risk"
