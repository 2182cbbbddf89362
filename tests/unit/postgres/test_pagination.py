import hashlib
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes import NOON
from ticketctl.errors import InvalidInputError
from ticketctl.postgres import pagination
from ticketctl.postgres.pagination import Position

POSITION = Position("-created", NOON, 7)
CURSOR = pagination.encode(POSITION)

times = st.datetimes(timezones=st.just(UTC))


@given(times, st.integers(1, 2**63 - 1))
def test_a_cursor_decodes_to_its_position(time: datetime, ticket_id: int) -> None:
    position = Position("created", time, ticket_id)
    assert pagination.decode(pagination.encode(position), "created") == position


def test_equal_times_with_other_offsets_have_the_same_cursor() -> None:
    position = Position("created", NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), 7)
    assert pagination.decode(pagination.encode(position), "created").value == NOON


def test_a_cursor_needs_no_quoting_in_shells_and_urls() -> None:
    assert CURSOR.replace("-", "").replace("_", "").isalnum()


@given(st.text(st.characters()))
@example("")
@example("=")
@example(CURSOR + "!")
@example(CURSOR + "=")
@example(" " + CURSOR)
@example(CURSOR[:-1])
@example(CURSOR.swapcase())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="cursor") as raised:
        pagination.decode(text, "-created")
    assert "next_cursor" in str(raised.value.hint)


@given(st.integers(0, len(CURSOR) - 1), st.characters())
def test_a_cursor_with_any_character_changed_is_refused(position: int, character: str) -> None:
    changed = CURSOR[:position] + character + CURSOR[position + 1 :]
    if changed != CURSOR:
        with pytest.raises(InvalidInputError, match="cursor"):
            pagination.decode(changed, "-created")


def forged(content: str) -> str:
    """Make a cursor with a correct checksum, as an attacker who knows the code can."""
    checksum = hashlib.sha256(content.encode()).digest()[:6]
    return urlsafe_b64encode(checksum + content.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "content",
    [
        f'["-created","2026-01-31T12:00:00Z",{2**63}]',
        '["-created","2026-01-31T12:00:00Z",0]',
        '["-created","2026-01-31T12:00:00",7]',
        '["-created","0001-01-01T00:00:00+14:00",7]',
        '["-created","9999-12-31T23:59:59-14:00",7]',
        '["-created","2026-01-31T12:00:00Z",7,8]',
        '["-created","not a time",7]',
        '["-created",7,7]',
        '["-confidence",2.0,7]',
        '["-confidence","x",7]',
        '["-subject","a\\u0000b",7]',
        f'["-subject","{"x" * 1001}",7]',
        f'["-id",{2**63},7]',
        '["-created"]',
        "null",
    ],
)
def test_a_forged_cursor_with_values_out_of_range_is_refused(content: str) -> None:
    with pytest.raises(InvalidInputError):
        pagination.decode(forged(content), content.split('"')[1] if '"' in content else "-created")


def test_a_cursor_of_another_order_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="made for the order -created"):
        pagination.decode(CURSOR, "created")
