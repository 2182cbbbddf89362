from itertools import accumulate, cycle, islice

import pytest

from ticketctl.warmstart.report.growth import Trend, classify


def every(number, calls, start=0):
    return [start + call // number for call in range(1, calls + 1)]


@pytest.mark.parametrize("counts", [[], [3], [0, 0, 0, 0, 0], [2, 2, 2, 2, 2], [5, 1, 1, 1, 1]])
def test_a_count_without_growth_is_settled(counts):
    assert classify(counts) is Trend.SETTLED


@pytest.mark.parametrize("counts", [[1, 2, 3, 4, 5], every(3, 5), [0, 0, 0, 0, 1], [4, 3, 7, 6, 10]])
def test_a_count_that_has_begun_to_grow_is_undecided(counts):
    assert classify(counts) is Trend.UNDECIDED


@pytest.mark.parametrize(
    "steps", [[1], [2], [0, 0, 1], [4, -1], [0, 0, 0, 0, 1], [3, -2], [1, 0, 0, 2]], ids=str
)
def test_a_count_that_goes_on_growing_is_growing(steps):
    counts = list(accumulate(islice(cycle(steps), 40)))
    assert Trend.SETTLED not in {classify(counts[:calls]) for calls in range(8, 40)}
    assert classify(counts, is_final=True) is Trend.GROWING


@pytest.mark.parametrize("bound", [2, 6, 10, 16, 20, 25])
def test_a_cache_that_fills_is_settled(bound):
    counts = [min(call, bound) for call in range(1, 41)]
    assert Trend.GROWING not in {classify(counts[:calls]) for calls in range(2, 40)}
    assert classify(counts, is_final=True) is Trend.SETTLED


def test_a_count_that_rises_and_falls_is_settled():
    counts = list(islice(cycle([1, 2, 3, 1]), 40))
    assert classify(counts, is_final=True) is Trend.SETTLED


@pytest.mark.parametrize(
    ("counts", "trend"), [([1, 2, 3, 4, 5], "growing"), ([1, 2, 2, 2, 2], "settled"), ([1, 2], "growing")]
)
def test_few_calls_are_judged_when_no_more_will_come(counts, trend):
    assert classify(counts, is_final=True) == trend
