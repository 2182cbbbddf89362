"""Short commands on a running server, against a script that sends the same statements."""

import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partial
from io import BytesIO, TextIOWrapper
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, Engine, event

from tests.benchmarks.bench import CHILDREN, PROGRAM, Bench
from tests.benchmarks.measure import Comparison, timed_program
from tests.benchmarks.same_sql import Statement
from ticketctl.__main__ import main
from ticketctl.postgres.address import Address

BUDGET = 1.25
COMMANDS = (("list",), ("show", "1"), ("create", "I was charged twice", "--requester", "ada@example.com"))


@contextmanager
def prompt(bench: Bench) -> Iterator[list[Comparison]]:
    """`list`, `show` and `create` against SQLAlchemy's asyncio part, asyncpg and the same statements."""
    made = bench.new_database("prompt")
    environment = made.environment_with_url
    for number in range(50):
        timed_program([*PROGRAM, "create", f"Ticket {number}"], environment)
    url = Address(made.url).dsn.replace("postgresql://", "postgresql+asyncpg://", 1)

    def compare(command: tuple[str, ...]) -> Comparison:
        statements = pickle.dumps(record_command(command, environment))
        script = [sys.executable, str(CHILDREN / "same_statements.py"), url]
        return Comparison(
            what=f"ticketctl {command[0]}",
            ours=partial(timed_program, [*PROGRAM, *command], environment),
            against="a script with the same statements",
            baseline=partial(timed_program, script, bench.environment, statements),
            budget=BUDGET,
            share=1.5,
        )

    yield [compare(command) for command in COMMANDS]


def record_command(command: tuple[str, ...], environment: Mapping[str, str]) -> list[Statement]:
    """Run a command in this process, and return the statements that it sends."""
    statements: list[Statement] = []

    def keep(_: Connection, __: object, sql: str, parameters: tuple[Any, ...], *_more: object) -> None:
        statements.append((sql, parameters))

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        with (
            patch.dict(os.environ, environment),
            patch.object(sys, "argv", ["ticketctl", *command]),
            redirect_stdout(TextIOWrapper(BytesIO())),
        ):
            main()
    except SystemExit as end:
        if end.code not in (0, None):
            raise RuntimeError(f"{command} ended with {end.code}") from end
    finally:
        event.remove(Engine, "before_cursor_execute", keep)
    return statements
