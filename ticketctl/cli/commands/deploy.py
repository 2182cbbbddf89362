"""`deploy`: plan an AWS stack, write its template, and build the packages of its functions."""

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
    from collections.abc import Iterator, Mapping, Sequence

    from ticketctl.deployment.package import Package
    from ticketctl.deployment.plan import CostItem, StackPlan

commands = typer.Typer(
    cls=CommandGroup,
    help="Plan an AWS stack; write its template and packages.",
    no_args_is_help=True,
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
def plan(
    *,
    architecture: ArchitectureOption = Architecture.ARM64,
    tickets: Annotated[int, typer.Option(min=1, max=1_000_000_000, help="Price so many tickets.")] = 1000,
    assume: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUMBER", help="Replace an assumption or a price; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the stack will consist of, and roughly what it costs.

    Prices are AWS's list prices in US dollars, without the free tier, and of the month that is shown. The AI provider
    costs what TICKETCTL_AI_PRICES says. The database, network and data transfer are not counted.

    Piped, the lines are: resource, name, type, condition; tickets, or month, item, quantity, unit, dollars; assumption,
    name, value.
    """
    from ticketctl.deployment.plan import make_plan, read_assumptions
    from ticketctl.deployment.target import target_of_this_python
    from ticketctl.deployment.template import TEMPLATE, render_stack

    settings = load_settings()
    template = render_stack(settings, target_of_this_python(architecture))[TEMPLATE]
    made = make_plan(template, settings, read_assumptions(assume or (), architecture), tickets)
    if as_json:
        _print_plan_as_json(made)
    elif output.is_terminal():
        _print_plan(made)
    else:
        output.print_rows(_list_plan_rows(made))


def _print_plan_as_json(made: "StackPlan") -> None:
    from dataclasses import asdict

    from ticketctl.deployment.plan import sum_usd

    totals = {"per_tickets_usd": sum_usd(made.per_tickets), "per_month_usd": sum_usd(made.per_month)}
    output.print_json(asdict(made) | totals)


def _print_plan(made: "StackPlan") -> None:
    resources = [(one.name, one.type, one.condition or "") for one in made.resources]
    output.print_table(("RESOURCE", "TYPE", "ONLY IF"), resources)
    costs = [
        *_format_costs(f"{made.tickets:,} tickets", made.per_tickets),
        *_format_costs("a month", made.per_month),
    ]
    output.print_table(("FOR", "ITEM", "QUANTITY", "USD"), costs)
    output.print_message(
        f"prices of us-east-1 as of {made.prices_as_of}; --json shows the assumptions, --assume replaces one"
    )


def _format_costs(title: str, items: "Sequence[CostItem]") -> "Iterator[tuple[str, str, str, str]]":
    from ticketctl.deployment.plan import sum_usd

    for one in items:
        yield title, one.item, f"{one.quantity:,.10g} {one.unit}", _dollars(one.usd)
    yield title, "total", "", _dollars(sum_usd(items))


def _dollars(amount: float | None) -> str:
    return "unknown: no TICKETCTL_AI_PRICES" if amount is None else f"{amount:.4f}"


def _list_plan_rows(made: "StackPlan") -> "Iterator[tuple[object, ...]]":
    from dataclasses import asdict

    for resource in made.resources:
        yield "resource", resource.name, resource.type, resource.condition or ""
    for kind, items in (("tickets", made.per_tickets), ("month", made.per_month)):
        for one in items:
            usd = "" if one.usd is None else f"{one.usd:.6f}"
            yield kind, one.item, f"{one.quantity:.10g}", one.unit, usd
    for name, value in asdict(made.assumptions).items():
        yield "assumption", name, f"{value:.10g}"


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
    for name in ("taxonomy", "ai_model_file", "ai_examples"):
        named = getattr(settings, name)
        if named is not None and Path(named).absolute() not in included:
            error_reporting.warn(
                f"{named}, which the setting {name} names, is not in the packages: --include adds it"
            )
    if settings.ai_embeddings is not None:
        error_reporting.warn(
            "the functions do without the setting ai_embeddings: packages carry no embedding model, and a model file "
            "that was trained with one is refused there"
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
