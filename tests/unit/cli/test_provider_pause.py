"""When `work` pauses for a refused account, and when it goes on."""

import asyncio

import pytest

from ticketctl.cli import provider_pause
from ticketctl.cli.provider_pause import ProviderPause
from ticketctl.errors import ProviderError


class Mapping:
    """Records what it is told."""

    def __init__(self) -> None:
        self.is_paused = False
        self.resumed = asyncio.Event()

    def pause(self) -> None:
        self.is_paused = True
        self.resumed.clear()

    def resume(self) -> None:
        self.is_paused = False
        self.resumed.set()


def status(failures: int) -> dict[str, object]:
    return {"spent": 0.0, "account_failures": failures, "account_error": "401" if failures else None}


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def answers() -> list[str | Exception | None]:
    """What the checks of the account find."""
    return []


@pytest.fixture
async def pause(messages, answers):
    mapping = Mapping()

    async def check() -> str | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = ProviderPause(mapping, check, messages.append, first_pause=0.001)
    made.mapping = mapping
    yield made
    await made.close()


async def test_fewer_refusals_than_three_pause_nothing(pause, messages) -> None:
    pause.observe([status(2), status(0)])
    assert not pause.mapping.is_paused
    assert messages == []


async def test_three_refusals_pause_until_the_account_is_accepted(pause, messages, answers) -> None:
    answers += ["401", ProviderError("unreachable"), "401", None]
    pause.observe([status(0), status(3)])
    assert pause.mapping.is_paused
    await asyncio.wait_for(pause.mapping.resumed.wait(), 5)
    assert answers == []
    assert messages == [
        "401; no more tickets are received until the AI provider accepts the account",
        "the AI provider accepts the account again: receiving tickets",
    ]


async def test_refusals_from_before_the_pause_do_not_pause_again(pause, answers) -> None:
    answers += [None]
    pause.observe([status(3), status(4)])
    await asyncio.wait_for(pause.mapping.resumed.wait(), 5)
    pause.observe([status(0), status(4)])
    assert not pause.mapping.is_paused
    answers += ["401"] * 1000
    pause.observe([status(0), status(5)])
    assert pause.mapping.is_paused


def test_pauses_grow_to_a_minute() -> None:
    assert provider_pause.next_pause(1.0) == 2.0
    assert provider_pause.next_pause(50.0) == 60.0
