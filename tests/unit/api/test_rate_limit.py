import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.api import rate_limit
from ticketctl.api.rate_limit import RateLimit


class Clock:
    """A clock that changes only when a test sets it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_one_second_of_requests_may_come_at_once_and_later_ones_wait() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)
    assert [limit.count("a") for _ in range(10)] == [0.0] * 10
    wait = limit.count("a")
    assert 0 < wait <= 0.1
    clock.now += wait
    assert limit.count("a") == 0.0
    assert limit.count("a") > 0


def test_a_rate_below_one_per_second_allows_one_request_at_once() -> None:
    clock = Clock()
    limit = RateLimit(0.1, clock)
    assert limit.count("a") == 0.0
    assert limit.count("a") == pytest.approx(10)


def test_clients_have_separate_limits() -> None:
    limit = RateLimit(1, Clock())
    assert (limit.count("a"), limit.count("b")) == (0.0, 0.0)
    assert limit.count("a") > 0


def test_the_number_of_remembered_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_CLIENTS", 100)
    limit = RateLimit(1, Clock())
    for number in range(1000):
        limit.count(str(number))
        limit.count("busy")
    assert len(limit._served_until) == 100
    assert limit.count("999") > 0
    assert limit.count("0") == 0.0


@given(st.lists(st.floats(0, 0.5), max_size=200), st.floats(0.5, 50))
def test_no_client_gets_more_than_the_rate_and_the_burst(pauses: list[float], per_second: float) -> None:
    clock = Clock()
    limit = RateLimit(per_second, clock)
    allowed = 0
    for pause in pauses:
        clock.now += pause
        allowed += limit.count("a") == 0.0
    assert allowed <= sum(pauses) * per_second + max(1.0, per_second) + 1e-3
