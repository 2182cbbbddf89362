"""Options of `doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from ticketctl.cli.commands import simulate_handler
from ticketctl.cli.options import choice

FORMATS = ("text", "json", "github", "sarif")


def list_rules() -> list[str]:
    """Return the ids of all rules about source code."""
    from ticketctl.warmstart.static_analysis.rule_catalog import RULES

    return list(RULES)


HandlerOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        callback=simulate_handler.check_handler,
        help="Only what this handler imports. Default: all handlers of the folder.",
    ),
]
PathOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", exists=True, file_okay=False, help="The folder. Default: this one."),
]
AskOption = Annotated[
    bool, typer.Option("--ask", help="Ask the configured queue and database how they are set up, too.")
]
SelectOption = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="RULE", help="Only this rule; repeatable.", autocompletion=list_rules),
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="RULE", help="Not this rule; repeatable.", autocompletion=list_rules),
]
ExplainOption = Annotated[
    str | None,
    typer.Option("--explain", metavar="RULE", help="Explain a rule and exit.", autocompletion=list_rules),
]
FormatOption = Annotated[
    str | None, choice(FORMATS, "--format", help="How to print the findings; default text.")
]
SameAsJsonOption = Annotated[bool, typer.Option("--json", help="Same as --format json.")]
