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
    """Records the loops in which it was entered and left."""

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
def test_resources_are_opened_and_closed_in_every_loop(name: str, resources: Resources) -> None:
    loop = Loop(LOOPS[name], resources)
    assert [loop.run(same_loop) for _ in range(3)] == [True] * 3
    assert len({id(entered) for entered in resources.entered}) == 3
    assert resources.left == resources.entered
    loop.close()


def test_a_persistent_loop_opens_resources_once(resources: Resources) -> None:
    persistent = Loop(LOOPS["runner"], resources)
    assert [persistent.run(same_loop) for _ in range(3)] == [True] * 3
    assert len(resources.entered) == 1
    assert resources.left == []
    persistent.close()
    assert resources.left == resources.entered


@pytest.mark.parametrize("policy", LOOPS.values(), ids=LOOPS)
def test_an_exception_of_the_work_is_raised_and_the_loop_stays_usable(
    policy: LoopPolicy, resources: Resources
) -> None:
    loop = Loop(policy, resources)
    with pytest.raises(ValueError, match=FAULT):
        loop.run(fault)
    assert loop.run(same_loop)
    loop.close()


def test_a_persistent_loop_opens_failed_resources_again() -> None:
    openings: list[int] = []

    @asynccontextmanager
    async def unsteady() -> AsyncIterator[int]:
        openings.append(len(openings))
        if len(openings) == 1:
            raise OSError
        yield len(openings)

    async def held(value: int) -> int:
        return value

    loop = Loop(LOOPS["runner"], unsteady)
    with pytest.raises(OSError):  # noqa: PT011 - it has no text
        loop.run(held)
    assert [loop.run(held), loop.run(held)] == [2, 2]
    loop.close()


def test_a_command_runs_in_a_new_loop() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert event_loops.run(answer()) == 42
