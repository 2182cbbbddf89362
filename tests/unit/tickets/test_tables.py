"""Tickets from CSV and JSON Lines: what cannot be read is said in the words of the person who has the file."""

from io import StringIO

import pytest

from ticketctl.errors import InvalidInputError
from ticketctl.tickets.importing.records import ImportedTicket, Refused
from ticketctl.tickets.importing.tables import read_csv, read_json_lines


def reasons(text: str) -> list[str]:
    """Return why the records of a CSV file were refused."""
    records = read_csv(StringIO(text), "t.csv", {})
    return [record.reason for record in records if isinstance(record, Refused)]


def test_a_row_in_another_encoding_names_the_option() -> None:
    [reason] = reasons("subject,body\nok,St\udcf6rung\nfine,\n")
    assert reason.startswith("it is not text in this encoding; the option --encoding names another")


@pytest.mark.parametrize("header", ["\udcff\udcfes\0u\0b\0", "subject\0,body"])
def test_a_file_in_another_encoding_is_refused_as_a_whole(header: str) -> None:
    with pytest.raises(InvalidInputError, match=r"t\.csv is not text in this encoding"):
        reasons(f"{header}\nx\n")


def test_a_quote_that_is_never_closed_is_named() -> None:
    assert reasons('subject\none\n"two\nthree\n') == [
        "a quote is opened and never closed; the rest of the file was not read"
    ]


def test_the_status_is_one_that_tickets_have() -> None:
    lines = "".join(f'{{"subject": "x", "status": "{one}"}}\n' for one in ("closed", "processed", "solved"))
    *read, refused = read_json_lines(StringIO(lines), "t.jsonl", {})
    assert [one.status for one in read if isinstance(one, ImportedTicket)] == ["closed", "new"]
    assert isinstance(refused, Refused)
    assert refused.reason == "the status is 'solved', neither new nor closed"
