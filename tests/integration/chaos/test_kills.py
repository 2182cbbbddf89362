"""SIGKILL at every await of the worker and of the event source mapping."""

import random
from typing import Any

import pytest

from tests.integration.chaos.sabotage import CHILD_POINTS, PARENT_POINTS

pytestmark = pytest.mark.chaos
TICKETS = 30
KILLS = 2
RARE = ("before-release", "after-release", "before-queue-release", "after-queue-release")
"""Points that only a batch with a failure reaches."""

UNSAVED = {"after-classify": 2, "after-extract": 2, "after-respond": 1}
"""Points between an answer and its save, with the number of steps of one ticket that may be there at once."""


@pytest.mark.parametrize("point", [*CHILD_POINTS, *PARENT_POINTS])
def test_a_kill_loses_nothing(run: Any, point: str, chance: random.Random) -> None:
    often = 2 * KILLS if point not in RARE else KILLS
    hits = sorted(chance.sample(range(1, often + 1), KILLS))
    run.plan(seed=chance.randrange(1000), kill={point: hits})
    run.make(TICKETS)
    run.drain(BATCH_SIZE="1" if point in UNSAVED else "5")
    figures = run.check(tickets=TICKETS)
    assert figures.kills == KILLS
    if point in UNSAVED:
        assert KILLS <= figures.paid_twice <= KILLS * UNSAVED[point]
