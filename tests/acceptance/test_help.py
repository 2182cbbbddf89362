"""The first minute: what the program says of itself, and how its help looks."""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import typer
from typer.main import get_group

from tests.program import Program
from ticketctl.cli.command_index import COMMANDS, GROUPS
from ticketctl.postgres.pools import POOLS
from ticketctl.tickets.sorting import SORTS

NARROW = 80
COMMAND_GROUPS = ("db", "dlq", "outbox", "config", "deploy")
FOREIGN = re.compile(
    r"pydantic|msgspec|Value error|Input should be|valid integer|<(str|int|float|bool|path|file)>"
)
"""Words of libraries, and Python's type names as Typer shows them."""


def every_command() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command by its words, as Typer has it."""
    for name, entry in COMMANDS.items():
        app = typer.Typer()
        app.callback()(lambda: None)
        import_module(f"ticketctl.cli.commands.{entry.module}").register(app)
        command = get_group(app).commands[name]
        yield (name,), command
        for subname, subcommand in getattr(command, "commands", {}).items():
            yield (name, subname), subcommand


ALL = dict(every_command())


def test_bare_program_prints_its_help_and_exits_with_2(ticketctl: Program) -> None:
    bare = ticketctl()
    assert (bare.status, bare.out) == (2, "")
    assert bare.err == ticketctl("--help").out


@pytest.mark.parametrize("group", COMMAND_GROUPS)
def test_bare_group_prints_its_help_and_exits_with_2(ticketctl: Program, group: str) -> None:
    bare = ticketctl(group)
    assert (bare.status, bare.out) == (2, "")
    assert bare.err == ticketctl(group, "--help").out
    assert len(bare.err.splitlines()) > 5


def test_help_lists_every_command_in_its_group_with_its_whole_summary(ticketctl: Program) -> None:
    lines = ticketctl.with_env(COLUMNS=str(NARROW))("--help").out.splitlines()
    shown: dict[str, list[str]] = {}
    heading = ""
    for line in lines:
        if re.fullmatch(r"\w.*:", line):
            heading = line.removesuffix(":")
        elif heading in GROUPS and line:
            shown.setdefault(heading, []).append(line)
        if line.startswith("  Settings"):
            break
    for heading, entries in GROUPS.items():
        expected = [f"  {name:<20}  {entry.summary}." for name, entry in entries.items()]
        assert [line for line in shown[heading] if not line.startswith("  Settings")] == expected
    assert max(map(len, lines)) <= NARROW


def test_summary_in_the_list_is_the_first_line_of_the_commands_own_help() -> None:
    own = {name: inspect.cleandoc(ALL[name,].help).splitlines()[0].removesuffix(".") for name in COMMANDS}
    assert own == {name: entry.summary for name, entry in COMMANDS.items()}


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_of_each_command_speaks_no_librarys_language(ticketctl: Program, words: tuple[str, ...]) -> None:
    done = ticketctl.with_env(COLUMNS=str(NARROW))(*words, "--help")
    assert (done.status, done.err) == (0, "")
    assert FOREIGN.search(done.out) is None
    assert "..." not in ALL[words].get_short_help_str(100)
    assert max(map(len, done.out.splitlines())) <= NARROW


NUMBERS = [
    (words, option.opts[-1], option.type_descriptor.annotation)
    for words, command in ALL.items()
    for option in command.params
    if option.param_type_name == "option" and option.type_descriptor.annotation in {int, float}
]


@pytest.mark.parametrize(("words", "option", "kind"), NUMBERS, ids=str)
def test_error_for_a_number_that_is_none_is_in_plain_words(
    ticketctl: Program, words: tuple[str, ...], option: str, kind: type
) -> None:
    done = ticketctl(*words, option, "many")
    expected = "a whole number" if kind is int else "a number"
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[0] == f"error: invalid value for '{option}': 'many' is not {expected}"
    assert FOREIGN.search(done.err) is None


FIXED = {
    ("process", "--pool"): [*POOLS, "rds-proxy"],
    ("process", "--loop"): ["run-per-record", "run-per-invocation", "runner"],
    ("serve", "--pool"): [*POOLS, "rds-proxy"],
    ("list", "--status"): ["new", "processing", "processed", "needs_review", "failed", "closed"],
    ("list", "--priority"): ["low", "normal", "high", "urgent"],
    ("list", "--sort"): list(SORTS),
    ("set", "--sentiment"): ["negative", "neutral", "positive"],
    ("event", "--status"): ["new", "processing", "processed", "needs_review", "failed", "closed"],
    ("eval", "--provider"): ["offline", "openai", "anthropic"],
}


@pytest.mark.parametrize(("command", "option"), FIXED, ids=" ".join)
def test_option_with_fixed_values_shows_and_checks_them(
    ticketctl: Program, command: str, option: str
) -> None:
    values = FIXED[command, option]
    shown = "".join(ticketctl(command, "--help").out.split())
    listed = f"Oneof:{','.join(values)}."
    assert f"{option}[{'|'.join(values)}]" in shown or listed in shown.partition(option)[2]
    done = ticketctl(command, option, "bogus", "1")
    assert done.status == 2
    assert done.err.startswith(
        f"error: invalid value for '{option}': 'bogus' is not one of {', '.join(values)}\n"
    )


def test_priorities_are_those_of_the_configured_taxonomy(ticketctl: Program) -> None:
    ticketctl("config", "init")
    taxonomy = ticketctl.folder / "taxonomy.toml"
    taxonomy.write_text(taxonomy.read_text().replace('"urgent"', '"on-fire"'))
    assert "[low|normal|high|on-fire]" in ticketctl("list", "--help").out
    assert ticketctl("list", "--priority", "on-fire").status == 0
    assert "'urgent' is not one of" in ticketctl("list", "--priority", "urgent").err


def test_strategies_are_listed_with_their_purpose_and_when_they_are_right(ticketctl: Program) -> None:
    lines = [line.split("\t") for line in ticketctl("simulate-warm-starts", "--list").out.splitlines()]
    assert {tuple(line) for line in lines if line[0] == "pool"} == {
        ("pool", pool.name, pool.purpose, pool.right_when) for pool in POOLS.values()
    }
    assert [line[1] for line in lines if line[0] == "loop"] == FIXED["process", "--loop"]
    form = ticketctl("simulate-warm-starts", "--list", "--json").json
    assert [list(entry.values()) for entry in form] == lines
    shown = ticketctl.on_terminal("simulate-warm-starts", "--list", width=NARROW).out
    assert "pool queue-pre-ping" in shown
    assert "Right when:" in shown


def test_help_imports_no_command_and_no_database() -> None:
    check = (
        "import sys; from ticketctl.cli.app import run; run(['--help']); "
        "print(sorted({'pydantic', 'asyncio', 'sqlalchemy', 'rich', 'msgspec'} & set(sys.modules)), "
        "[name for name in sys.modules if name.startswith('ticketctl.cli.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] []"


def test_a_short_command_does_not_import_pydantic(ticketctl: Program) -> None:
    check = (
        "import sys; from ticketctl.cli.app import run; run(['list', '--limit', '5', '--status', 'new']); "
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, env=ticketctl.environment
    )
    assert done.stdout == "False\n"
