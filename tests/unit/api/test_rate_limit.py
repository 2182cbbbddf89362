import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.api import rate_limit
from ticketctl.api.rate_limit import RateLimit


class Clock:
    """A clock that stands until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_seconds_worth_may_come_at_once_and_the_rest_waits() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)
    assert [limit.count("a") for _ in range(10)] == [0.0] * 10
    wait = limit.count("a")
    assert 0 < wait <= 0.1
    clock.now += wait
    assert limit.count("a") == 0.0
    assert limit.count("a") > 0


def test_less_than_one_a_second_is_one_at_once() -> None:
    clock = Clock()
    limit = RateLimit(0.1, clock)
    assert limit.count("a") == 0.0
    assert limit.count("a") == pytest.approx(10)


def test_one_client_does_not_pay_for_another() -> None:
    limit = RateLimit(1, Clock())
    assert (limit.count("a"), limit.count("b")) == (0.0, 0.0)
    assert limit.count("a") > 0


def test_clients_who_may_ask_again_are_forgotten() -> None:
    clock = Clock()
    limit = RateLimit(1, clock)
    for number in range(rate_limit._CLIENTS):
        limit.count(str(number))
    clock.now += 10
    limit.count("new")
    assert set(limit._served_until) == {"new"}


@given(st.lists(st.floats(0, 0.5), max_size=200), st.floats(0.5, 50))
def test_nobody_gets_more_than_the_rate_and_what_may_come_at_once(
    pauses: list[float], per_second: float
) -> None:
    clock = Clock()
    limit = RateLimit(per_second, clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += limit.count("a") == 0.0
    assert taken <= sum(pauses) * per_second + max(1.0, per_second) + 1e-3
