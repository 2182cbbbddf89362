"""`deploy`: write an AWS template, and build the packages of its functions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.lazy_group import CommandGroup
from ticketctl.cli.options import JsonOption, LoopOption, PoolOption
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.deployment.target import PACKAGES, Architecture
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ticketctl.deployment.package import Package

commands = typer.Typer(
    cls=CommandGroup, help="Write an AWS template and build its packages.", no_args_is_help=True
)

ArchitectureOption = Annotated[
    Architecture,
    typer.Option("--architecture", help="The functions' processor; use the same for init and package."),
]
MEGABYTE = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the group of this module."""
    app.add_typer(commands, name="deploy")


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; it is created.")],
    *,
    architecture: ArchitectureOption = Architecture.ARM64,
    function_timeout: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=1, max=900, help="The timeout of one invocation.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Messages per invocation at most.")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", min=0, max=300, help="How long to wait for a batch to fill."),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=2, max=1000, help="Execution environments of the worker at most; AWS needs 2 or more."
        ),
    ] = None,
    pool: PoolOption = None,
    loop: LoopOption = None,
) -> None:
    """Write a SAM template: API, queue, worker, outbox, migration, alarms.

    Options that you leave out come from your settings. The queue's visibility timeout is six times the worker's
    timeout, plus the window. Secrets are not written.

    Prints the names of the files.
    """
    from ticketctl.deployment.target import target_of_this_python
    from ticketctl.deployment.template import render_stack

    settings = load_settings(
        function_timeout=function_timeout,
        batch_size=batch_size,
        window=window,
        concurrency=concurrency,
        pool=pool,
        loop=loop,
    )
    written = {
        folder / name: text
        for name, text in render_stack(settings, target_of_this_python(architecture)).items()
    }
    _write(written)
    output.print_rows([path] for path in written)
    if output.is_terminal():
        output.print_message(f"next: cd {folder} && ticketctl deploy package --architecture {architecture}")


def _write(written: "Mapping[Path, str]") -> None:
    existing = [str(path) for path in written if path.exists()]
    if existing:
        raise InvalidInputError(
            f"{' and '.join(existing)} would be replaced", hint="name a new folder, or move it away"
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
    architecture: ArchitectureOption = Architecture.ARM64,
    include: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A file to add to /var/task, such as a taxonomy and the ticketctl.toml that names it; may be "
            "repeated.",
        ),
    ] = None,
    otel: Annotated[
        bool, typer.Option("--otel", help="Add OpenTelemetry, for the template's OtlpEndpoint.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the functions' packages; each build gives the same bytes.

    They are for the Python version that runs this command, with the library versions that are installed here.

    Piped, the columns are: package, file, bytes, bytes unzipped, SHA-256 in base64 as Lambda shows it.
    """
    from ticketctl.deployment.package import PARTS, build
    from ticketctl.deployment.target import target_of_this_python

    target = target_of_this_python(architecture)
    _warn_of_files_left_out(include or ())
    with output.show_progress(len(PARTS)) as advance:
        built = []
        for part in PARTS:
            built.append(build(part.add_otel() if otel else part, target, folder, include or ()))
            advance()
    _print(built, as_json=as_json)
    if output.is_terminal():
        output.print_message("next: sam deploy, in the folder of the template")


def _warn_of_files_left_out(include: "Sequence[Path]") -> None:
    """Warn of files that the settings name but a function will not find: it would use the built-in taxonomy."""
    settings = load_settings()
    included = {path.absolute() for path in include}
    for name in ("taxonomy", "ai_model_file"):
        named = getattr(settings, name)
        if named is not None and Path(named).absolute() not in included:
            error_reporting.warn(
                f"{named}, which the setting {name} names, is not in the packages: --include adds it"
            )


def _print(built: "Sequence[Package]", *, as_json: bool) -> None:
    if as_json:
        output.print_json({"packages": built})
    elif output.is_terminal():
        rows = [(one.name, _megabytes(one.size), _megabytes(one.unzipped_size), one.file) for one in built]
        output.print_table(("PACKAGE", "ZIP", "UNZIPPED", "FILE"), rows)
    else:
        output.print_rows((one.name, one.file, one.size, one.unzipped_size, one.sha256) for one in built)


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"
