import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from ticketctl import event_loops
from ticketctl.event_loops import LOOPS, Loop, LoopPolicy

FAULT = "the work failed"


@dataclass
class Resources:
    """Notes each loop that it was entered in, and whether it was left in the same one."""

    entered: list[asyncio.AbstractEventLoop] = field(default_factory=list)
    left: list[asyncio.AbstractEventLoop] = field(default_factory=list)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[asyncio.AbstractEventLoop]:
        running = asyncio.get_running_loop()
        self.entered.append(running)
        yield running
        self.left.append(asyncio.get_running_loop())


@pytest.fixture
def resources() -> Resources:
    return Resources()


async def same_loop(held: asyncio.AbstractEventLoop) -> bool:
    return held is asyncio.get_running_loop()


async def fault(_held: asyncio.AbstractEventLoop) -> bool:
    raise ValueError(FAULT)


@pytest.mark.parametrize("name", ["run-per-invocation", "run-per-record"])
def test_resources_are_composed_in_every_loop_and_closed_in_it(name: str, resources: Resources) -> None:
    loop = Loop(LOOPS[name], resources)
    assert [loop.run(same_loop) for _ in range(3)] == [True] * 3
    assert len({id(entered) for entered in resources.entered}) == 3
    assert resources.left == resources.entered
    loop.close()


def test_a_loop_that_lives_on_composes_once_and_closes_at_the_end(resources: Resources) -> None:
    persistent = Loop(LOOPS["runner"], resources)
    assert [persistent.run(same_loop) for _ in range(3)] == [True] * 3
    assert len(resources.entered) == 1
    assert resources.left == []
    persistent.close()
    assert resources.left == resources.entered


@pytest.mark.parametrize("policy", LOOPS.values(), ids=LOOPS)
def test_what_the_work_raises_comes_out_and_the_loop_works_on(
    policy: LoopPolicy, resources: Resources
) -> None:
    loop = Loop(policy, resources)
    with pytest.raises(ValueError, match=FAULT):
        loop.run(fault)
    assert loop.run(same_loop)
    loop.close()


def test_resources_that_cannot_be_had_are_tried_again() -> None:
    tries: list[int] = []

    @asynccontextmanager
    async def unsteady() -> AsyncIterator[int]:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError
        yield len(tries)

    async def held(value: int) -> int:
        return value

    loop = Loop(LOOPS["runner"], unsteady)
    with pytest.raises(OSError):  # noqa: PT011 - it has no text
        loop.run(held)
    assert [loop.run(held), loop.run(held)] == [2, 2]
    loop.close()


def test_a_command_runs_in_a_loop_of_its_own() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert event_loops.run(answer()) == 42
