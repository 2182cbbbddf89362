"""A command on many tickets says how to undo it, even if it stops half-way."""

import pytest

from ticketctl.cli.selection import announce_undo
from ticketctl.errors import DatabaseError, TicketctlError, UnsafeError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, "to undo: ticketctl undo --operation 7\n"),
        (UnsafeError("some were not"), "to undo: ticketctl undo --operation 7\n"),
        (
            DatabaseError("gone"),
            "500 tickets changed before it stopped; to undo: ticketctl undo --operation 7\n",
        ),
    ],
)
def test_the_number_of_the_operation_is_printed(
    capsys: pytest.CaptureFixture[str], error: TicketctlError | None, expected: str
) -> None:
    def run() -> None:
        with announce_undo() as operation:
            operation.id, operation.changed = 7, 500
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(type(error)):
            run()
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(("changed", "is_one"), [(0, False), (1, True)])
def test_nothing_is_printed_for_no_change_and_for_one_ticket(
    capsys: pytest.CaptureFixture[str], changed: int, *, is_one: bool
) -> None:
    with announce_undo(is_one=is_one) as operation:
        operation.id, operation.changed = 7, changed
    assert capsys.readouterr().err == ""
