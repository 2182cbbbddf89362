"""Options and arguments of `doctor`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ticketctl.cli.commands import simulate_handler
from ticketctl.cli.options import choice
from ticketctl.errors import InvalidInputError

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
PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[DIR|FILE...]",
        help="A folder, or files of which each counts as a handler. Default: this folder.",
        show_default=False,
    ),
]
PathOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", exists=True, file_okay=False, help="The folder, as the argument."),
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


def resolve_paths(
    paths: Sequence[Path], folder: Path | None, *, has_handler: bool
) -> tuple[Path, list[Path]]:
    """Return the folder to analyze, and the files in it that count as handlers; no files: the handlers are looked for.

    `folder` is the value of `--path`. Without it, files belong to the working directory if they are below it, because
    their imports start there, and else to the folder that they share.

    Raises:
        InvalidInputError: A path is not there or is no Python file, or the paths and options contradict each other.
    """
    for path in paths:
        if not path.exists():
            raise InvalidInputError(
                f"there is no file or folder {path}", hint="name a folder, or Python files"
            )
    if any(path.is_dir() for path in paths):
        if len(paths) > 1 or folder is not None:
            raise InvalidInputError(
                "doctor looks at one folder at a time", hint=f"ticketctl doctor {paths[0]}"
            )
        return paths[0], []
    for path in paths:
        if path.suffix != ".py":
            raise InvalidInputError(
                f"{path} is not a Python file", hint="name a folder, or files that end in .py"
            )
    if paths and has_handler:
        raise InvalidInputError(
            "--handler and a file both name the handler",
            hint="ticketctl doctor --path DIR --handler MODULE:FUNCTION",
        )
    files = [path.resolve() for path in paths]
    home = folder or Path.cwd()
    if all(path.is_relative_to(home.resolve()) for path in files):
        return home, files
    if folder is not None:
        raise InvalidInputError(f"the files are not in the folder {folder}", hint="leave out --path")
    return Path(os.path.commonpath([path.parent for path in files])), files
