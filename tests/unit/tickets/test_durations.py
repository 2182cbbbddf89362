from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON
from ticketctl.cli.rendering.timestamps import format_iso, format_relative
from ticketctl.errors import InvalidInputError
from ticketctl.tickets.durations import parse_since


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOON - timedelta(seconds=90)),
        ("15m", NOON - timedelta(minutes=15)),
        ("1.5h", NOON - timedelta(minutes=90)),
        ("3d", NOON - timedelta(days=3)),
        ("2w", NOON - timedelta(days=14)),
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T08:00", datetime(2026, 1, 30, 8, tzinfo=UTC)),
        ("2026-01-30T08:00Z", datetime(2026, 1, 30, 8, tzinfo=UTC)),
        ("2026-01-30T08:00+02:00", datetime(2026, 1, 30, 6, tzinfo=UTC)),
    ],
)
def test_ages_and_dates(text: str, moment: datetime) -> None:
    assert parse_since(text, now=NOON) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "3",
        "-3d",
        "3 d",
        "3y",
        "2026-13-01",
        "\0",
        "\N{FULLWIDTH DIGIT ONE}d",
        "1e3d",
        "0001-01-01T00:00+14:00",
    ],
)
def test_an_invalid_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidInputError, match="since cannot be") as raised:
        parse_since(text, now=NOON)
    assert "2026-01-31" in str(raised.value.hint)


@pytest.mark.parametrize("text", ["999999999w", "150000w", "999999999.999w"])
def test_an_age_before_the_calendar_is_its_first_day(text: str) -> None:
    assert parse_since(text, now=NOON) == datetime.min.replace(tzinfo=UTC)


@given(st.text())
def test_any_text_is_a_time_in_utc_or_refused(text: str) -> None:
    try:
        moment = parse_since(text, now=NOON)
    except InvalidInputError:
        return
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(milliseconds=999), "just now"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=119), "1 h ago"),
        (timedelta(days=6), "6 d ago"),
        (timedelta(days=700), "100 w ago"),
    ],
)
def test_relative_times(age: timedelta, expected: str) -> None:
    assert format_relative(NOON - age, now=NOON) == expected


def test_a_missing_time_is_empty() -> None:
    assert format_relative(None, now=NOON) == format_iso(None) == ""


def test_iso_times_are_in_utc() -> None:
    assert format_iso(NOON.astimezone(timezone(timedelta(hours=9)))) == "2026-01-31T12:00:00.000+00:00"
