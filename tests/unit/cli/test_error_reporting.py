import inspect
import json
import re

import asyncpg
import pytest
import typer
from sqlalchemy.exc import DBAPIError, NoResultFound

from ticketctl import errors
from ticketctl.cli import error_reporting
from ticketctl.errors import DatabaseError, InvalidInputError, StaleSchemaError, TicketctlError
from ticketctl.postgres.address import Address
from ticketctl.postgres.error_mapping import to_database_error

ADDRESS = Address.parse("postgresql://ada:hunter2@host/db?password=hunter2")
STATUSES = {
    "TicketctlError": 1,
    "InvalidInputError": 2,
    "ConflictError": 2,
    "NotFoundError": 3,
    "ConfigError": 4,
    "DatabaseError": 5,
    "StaleSchemaError": 5,
    "QueueError": 6,
    "ProviderError": 7,
    "UnsafeError": 8,
}

tree = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, TicketctlError)
}


def test_every_error_has_its_exit_status() -> None:
    assert {name: kind.exit_status for name, kind in tree.items()} == STATUSES


def test_the_docstring_draws_the_error_tree() -> None:
    assert errors.__doc__ is not None
    drawn = re.findall(r"(\w+Error)\s+(\d)", errors.__doc__)
    assert {name: int(status) for name, status in drawn} == STATUSES


@pytest.mark.parametrize("kind", tree.values(), ids=tree)
def test_an_error_is_one_line_and_its_hint(
    kind: type[TicketctlError], capsys: pytest.CaptureFixture[str]
) -> None:
    status = error_reporting.report(kind("what\nhappened", hint="what to do"), debug=False)
    told = capsys.readouterr()
    assert status == kind.exit_status
    assert told.err == "error: what happened\nhint: what to do\n"
    assert told.out == ""


def test_a_bug_is_reported_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_reporting.report(ZeroDivisionError("division by zero"), debug=False) == 1
    told = capsys.readouterr().err
    assert told.splitlines()[0] == "error: this is a bug in ticketctl: ZeroDivisionError: division by zero"
    assert "--debug" in told.splitlines()[1]
    assert "Traceback" not in told


def test_debug_prints_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        json.loads("{")
    except ValueError as error:
        error_reporting.report(error, debug=True)
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.splitlines()[-2].startswith("error: ")


def test_a_usage_error_points_at_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_reporting.report(typer.BadParameter("There is no such thing."), debug=False) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "hint: ticketctl --help shows how to call it"


def test_errors_escape_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    error_reporting.report(InvalidInputError("there is no \x1b[31m\u202e", hint="\x9b"), debug=False)
    assert capsys.readouterr().err == "error: there is no \\x1b[31m\\u202e\nhint: \\x9b\n"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), DatabaseError, "cannot be reached"),
        (TimeoutError(), DatabaseError, "cannot be reached: TimeoutError"),
        (TimeoutError("the database did not answer within 30 s"), DatabaseError, "did not answer"),
        (UnicodeError("label empty or too long"), DatabaseError, "cannot be reached"),
        (asyncpg.InvalidPasswordError("wrong"), DatabaseError, "refused: wrong"),
        (asyncpg.InvalidCatalogNameError("no such database"), DatabaseError, "refused"),
        (asyncpg.InterfaceError("closed"), DatabaseError, "refused"),
        (asyncpg.UndefinedTableError('relation "tickets" does not exist'), StaleSchemaError, "lacks"),
        (asyncpg.UndefinedColumnError("no such column"), StaleSchemaError, "lacks"),
        (
            DBAPIError("select 1", None, ConnectionResetError("reset")),
            DatabaseError,
            "cannot be reached: reset",
        ),
        (NoResultFound("no row"), DatabaseError, "refused"),
    ],
)
def test_driver_errors_become_database_errors(error: Exception, kind: type[DatabaseError], text: str) -> None:
    told = to_database_error(error, ADDRESS)
    assert type(told) is kind
    assert text in str(told)
    assert "host/db" in str(told)
    assert "hunter2" not in f"{told} {told.hint}"
    assert told.hint


def test_the_drivers_cause_decides_the_error() -> None:
    driver = RuntimeError("wrapped")
    driver.__cause__ = asyncpg.UndefinedTableError('relation "tickets" does not exist')
    assert isinstance(to_database_error(DBAPIError("select 1", None, driver), ADDRESS), StaleSchemaError)


@pytest.mark.parametrize("error", [ZeroDivisionError(), InvalidInputError("x"), KeyError("x")])
def test_other_errors_are_not_database_errors(error: Exception) -> None:
    assert to_database_error(error, ADDRESS) is None
