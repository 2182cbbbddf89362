"""`kill -9` at every await of the worker and of the event source mapping."""

import random
from typing import Any

import pytest

from tests.integration.chaos.sabotage import CHILD_POINTS, PARENT_POINTS

pytestmark = pytest.mark.chaos
TICKETS = 30
KILLS = 2


@pytest.mark.parametrize("point", [*CHILD_POINTS, *PARENT_POINTS])
def test_a_kill_loses_nothing(run: Any, point: str, chance: random.Random) -> None:
    hits = sorted(chance.sample(range(1, 5), KILLS))
    run.plan(seed=chance.randrange(1000), kill={point: hits})
    run.make(TICKETS)
    run.drain()
    assert run.check(tickets=TICKETS) == KILLS
