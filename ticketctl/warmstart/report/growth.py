"""Whether a count grows with the invocations, or stops: a cache that fills and a pool are bounded, a leak is not."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate, pairwise

DECISIVE_CALLS = 30
"""Calls after which a count that still rises is growing: larger caches and pools are rare."""
SETTLED_CALLS = 8
"""Calls without a new maximum after which a count has stopped, unless it rises more seldom than every fourth call."""
FEW_CALLS = 20
"""With fewer calls than this there is no trend: each call has to add something."""


class Trend(StrEnum):
    """What a series of counts says: it stays within a bound, it keeps growing, or more calls are needed."""

    SETTLED = "settled"
    GROWING = "growing"
    UNDECIDED = "undecided"


def classify(counts: Sequence[int], *, is_final: bool = False) -> Trend:
    """Classify a count after each invocation; never as undecided where no more invocations will come."""
    rises = _new_maxima(counts)
    if not rises:
        return Trend.SETTLED
    if is_final and len(counts) < FEW_CALLS:
        return Trend.GROWING if _is_steady(counts) else Trend.SETTLED
    since_last = len(counts) - 1 - rises[-1]
    longest_gap = max((later - earlier for earlier, later in pairwise(rises)), default=0)
    if since_last >= max(SETTLED_CALLS, 2 * longest_gap):
        return Trend.SETTLED
    if len(counts) < DECISIVE_CALLS and not is_final:
        return Trend.UNDECIDED
    if since_last <= longest_gap and _is_floor_rising(counts):
        return Trend.GROWING
    return Trend.SETTLED if is_final else Trend.UNDECIDED


def _new_maxima(counts: Sequence[int]) -> list[int]:
    """Return the indices at which a count is larger than ever before, after the first invocation."""
    highest = list(accumulate(counts, max))
    return [index for index in range(1, len(counts)) if highest[index] > highest[index - 1]]


def _is_floor_rising(counts: Sequence[int]) -> bool:
    """Whether the lowest count of each third of the series is higher than that of the third before."""
    third = len(counts) // 3
    floors = [min(counts[start : start + third]) for start in (len(counts) - 3 * third, third, 2 * third)]
    return all(later > earlier for earlier, later in pairwise(floors))


def _is_steady(counts: Sequence[int]) -> bool:
    """Whether a short series never shrinks, gains one for every two invocations, and does so in its second half."""
    steps = len(counts) - 1
    gain = counts[-1] - counts[0]
    never_shrinks = all(later >= earlier for earlier, later in pairwise(counts))
    return never_shrinks and gain >= min(steps, max(2, steps // 2)) and counts[-1] > counts[steps // 2]
