"""`doctor`: check a handler's source, its installed libraries, and our own settings for warm-start problems."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ticketctl.cli.commands.doctor_options import (
    AskOption,
    ExplainOption,
    FormatOption,
    HandlerOption,
    IgnoreOption,
    PathOption,
    PathsArgument,
    SameAsJsonOption,
    SelectOption,
    list_rules,
    resolve_paths,
)
from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.verdicts import print_finding
from ticketctl.cli.resources import load_settings
from ticketctl.errors import ConfigError, InvalidInputError, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.settings import Settings
    from ticketctl.warmstart.static_analysis.analyzer import Analysis
    from ticketctl.warmstart.static_analysis.doctor_config import DoctorConfig
    from ticketctl.warmstart.static_analysis.finding import SourceFinding

MAX_NAMES = 5
"""Unresolved names that the summary lists."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("doctor")(doctor)


def doctor(
    paths: PathsArgument = None,
    *,
    handler: HandlerOption = None,
    path: PathOption = None,
    ask: AskOption = False,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    explain: ExplainOption = None,
    form: FormatOption = None,
    as_json: SameAsJsonOption = False,
) -> None:
    """Check code and settings for warm-start problems.

    Looks at Python files, at the versions of installed libraries, and at ticketctl's own settings. It finds the
    handlers in SAM, Serverless, CDK and Terraform files and by their shape, and runs none of the code. The exit status
    is 8 if a finding breaks warm starts.

    A comment `# ticketctl: ignore[RULE] REASON` suppresses a finding; `[tool.ticketctl.doctor]` in pyproject.toml sets
    select, ignore and exclude. Piped, the columns are: place, rule, breaks or risk, cause, fix.
    """
    if explain is not None:
        _explain(explain)
        return
    from ticketctl.diagnostics.settings_checks import check_settings

    folder, files = resolve_paths(paths or (), path, has_handler=handler is not None)
    config = _read_config(folder, tuple(select or ()), tuple(ignore or ()))
    analysis = _analyze(folder, handler, files)
    settings = load_settings()
    findings = [
        one
        for one in (
            *_suppress(analysis),
            *check_settings(settings, os.environ),
            *(_ask(settings) if ask else ()),
        )
        if config.applies_to(one)
    ]
    _print(analysis, findings, folder, "json" if as_json else form or "text")
    broken = [one for one in findings if one.breaks]
    if broken:
        count = f"{len(broken)} findings break" if len(broken) > 1 else "1 finding breaks"
        raise UnsafeError(
            f"{count} warm starts, first {broken[0].rule} at {broken[0].place}",
            hint=f"ticketctl doctor --explain {broken[0].rule}"
            if broken[0].rule in list_rules()
            else "ticketctl simulate-warm-starts shows it happen",
        )


def _explain(name: str) -> None:
    from ticketctl.warmstart.static_analysis.rule_catalog import RULES

    rule = RULES.get(name)
    if rule is None:
        raise InvalidInputError(
            f"there is no rule {name!r}", hint=f"the rules are {', '.join(sorted(RULES))}"
        )
    example = "\n".join(f"    {line}" for line in rule.example.rstrip().splitlines())
    typer.echo(
        f"{rule.id}\n\n{rule.summary}\n\nWhy: {rule.why}\n\nFix: {rule.fix}\n\nExample of code that it finds:\n\n{example}"
    )


def _read_config(folder: Path, select: tuple[str, ...], ignore: tuple[str, ...]) -> "DoctorConfig":
    from ticketctl.warmstart.static_analysis.doctor_config import DoctorConfigError, read_config

    try:
        return read_config(folder).override(select=select, ignore=ignore)
    except DoctorConfigError as error:
        raise ConfigError(str(error), hint="see `ticketctl doctor --help`") from None


def _analyze(folder: Path, handler: str | None, files: "Sequence[Path]") -> "Analysis":
    from ticketctl.warmstart.static_analysis.analyzer import HandlerNotFoundError, analyze

    try:
        return analyze(folder, handler, files=files)
    except HandlerNotFoundError as error:
        raise InvalidInputError(str(error), hint=f"--path names its folder; here it is {folder}") from None


def _suppress(analysis: "Analysis") -> "list[SourceFinding]":
    from ticketctl.warmstart.static_analysis.suppressions import apply_suppressions

    return apply_suppressions(analysis.findings, analysis.lines)


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


def _print(analysis: "Analysis", findings: "Sequence[SourceFinding]", folder: Path, form: str) -> None:
    from ticketctl import __version__
    from ticketctl.cli.rendering.source_findings import render_github, render_sarif

    if form == "json":
        output.print_json(
            {
                "files": analysis.files,
                "findings": [one.to_json() for one in findings],
                "file_count": analysis.file_count,
                "unresolved": analysis.unresolved,
            }
        )
    elif form == "sarif":
        output.print_json(render_sarif(findings, folder, __version__))
    elif form == "github":
        for line in render_github(findings, folder):
            typer.echo(line)
    elif output.is_terminal():
        for one in findings:
            print_finding(
                f"{one.place}  {one.rule} ({_name_gravity(one)})", {"cause": one.cause, "fix": one.fix}
            )
        if not findings:
            output.print_message("no findings")
    else:
        output.print_rows([one.place, one.rule, _name_gravity(one), one.cause, one.fix] for one in findings)
    if form != "json":
        output.print_message(_summarize(analysis))


def _summarize(analysis: "Analysis") -> str:
    """Return how much of the folder was analyzed: a handler that is not found must not look like a sound one."""
    files = "1 file" if analysis.file_count == 1 else f"{analysis.file_count} files"
    summary = f"looked at {len(analysis.files)} of {files}"
    if analysis.unresolved:
        more = len(analysis.unresolved) - MAX_NAMES
        names = ", ".join(analysis.unresolved[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
        summary += f", could not resolve {names}"
    return summary


def _name_gravity(one: "SourceFinding") -> str:
    return "breaks" if one.breaks else "risk"
