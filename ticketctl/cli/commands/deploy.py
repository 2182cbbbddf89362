"""`deploy`: the template of a stack on AWS, and the packages of its functions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.options import LoopOption, PoolOption
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.deployment.target import PACKAGES, Architecture
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ticketctl.deployment.package import Package

commands = typer.Typer(
    help="AWS: a stack's template, and the packages of its functions.", no_args_is_help=True
)

ArchitectureOption = Annotated[
    Architecture,
    typer.Option("--architecture", help="The functions' processor; the same for init and package."),
]
MEGABYTE = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the group of this module."""
    app.add_typer(commands, name="deploy")


@commands.command()
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write it; made where it is not there.")
    ],
    *,
    architecture: ArchitectureOption = Architecture.X86_64,
    function_timeout: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=1, max=900, help="What one invocation may take.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Messages of one invocation at most.")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", min=0, max=300, help="Wait that long for a batch to fill."),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=2, max=1000, help="Execution environments of the worker at most. AWS's least is 2."),
    ] = None,
    pool: PoolOption = None,
    loop: LoopOption = None,
) -> None:
    """Write a SAM template: API, queue and worker, with outbox, migration and alarms.

    What is not given comes from your settings. The queue's visibility timeout follows from them: six times the
    worker's timeout, and the window. No secret is written.

    Prints the names of the files.
    """
    from ticketctl.deployment.target import this_python
    from ticketctl.deployment.template import stack

    settings = load_settings(
        function_timeout=function_timeout,
        batch_size=batch_size,
        window=window,
        concurrency=concurrency,
        pool=pool,
        loop=loop,
    )
    written = {folder / name: text for name, text in stack(settings, this_python(architecture)).items()}
    _write(written)
    output.print_rows([path] for path in written)
    if output.on_terminal():
        output.say(f"next: cd {folder} && ticketctl deploy package --architecture {architecture}")


def _write(written: "Mapping[Path, str]") -> None:
    there = [str(path) for path in written if path.exists()]
    if there:
        raise InvalidInputError(
            f"{' and '.join(there)} would be replaced", hint="name a new folder, or move it away"
        )
    try:
        for path, text in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise InvalidInputError(
            f"{error.filename} cannot be written: {error.strerror}", hint="name a folder that can be written"
        ) from None


@commands.command()
def package(
    *,
    folder: Annotated[
        Path, typer.Option("--output", metavar="DIR", file_okay=False, help="Where to put the packages.")
    ] = Path(PACKAGES),
    architecture: ArchitectureOption = Architecture.X86_64,
    include: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A file of yours for /var/task, such as a taxonomy and the ticketctl.toml that names it. "
            "May be given more than once.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build the functions' packages, the same to the byte each time.

    They are for the version of Python that runs this, and hold the versions of what is installed here.

    Piped, the columns are: package, file, bytes, bytes unzipped, SHA-256 in base64 as Lambda shows it.
    """
    from ticketctl.deployment.package import PARTS, build
    from ticketctl.deployment.target import this_python

    target = this_python(architecture)
    _warn_of_files_left_out(include or ())
    with output.progress(len(PARTS)) as advance:
        built = []
        for part in PARTS:
            built.append(build(part, target, folder, include or ()))
            advance()
    _show(built, as_json=as_json)
    if output.on_terminal():
        output.say("next: sam deploy, in the folder of the template")


def _warn_of_files_left_out(include: "Sequence[Path]") -> None:
    """A function has no file of this machine, and would go by the built-in taxonomy without a word."""
    settings = load_settings()
    included = {path.absolute() for path in include}
    for name in ("taxonomy", "ai_model_file"):
        named = getattr(settings, name)
        if named is not None and Path(named).absolute() not in included:
            error_reporting.warn(f"{named}, the setting {name}, is not in the packages: --include adds it")


def _show(built: "Sequence[Package]", *, as_json: bool) -> None:
    if as_json:
        output.print_json({"packages": built})
    elif output.on_terminal():
        rows = [(one.name, _megabytes(one.size), _megabytes(one.unzipped_size), one.file) for one in built]
        output.print_table(("PACKAGE", "ZIP", "UNZIPPED", "FILE"), rows)
    else:
        output.print_rows((one.name, one.file, one.size, one.unzipped_size, one.sha256) for one in built)


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"
