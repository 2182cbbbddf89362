"""Timeouts that leave no time for work are refused before a message is delivered."""

from collections.abc import Callable

import pytest

from tests.program import Program

CONFIGURATION = 4


@pytest.mark.parametrize("name", ["VISIBILITY_TIMEOUT", "FUNCTION_TIMEOUT"])
@pytest.mark.parametrize("command", [("work", "--drain"), ("process", "-")], ids=lambda command: command[0])
def test_a_worker_without_time_for_work_is_a_configuration_error(
    ticketctl: Program, ask: Callable[[str], str], command: tuple[str, ...], name: str
) -> None:
    number = ticketctl("create", "I was charged twice").out.strip()
    event = ticketctl("event", number).out
    done = ticketctl.with_env(**{f"TICKETCTL_{name}": "2"})(*command, stdin=event)
    assert done.status == CONFIGURATION
    assert f"the setting {name.lower()} (2 s) leaves no time to process a ticket" in done.err
    assert f"set TICKETCTL_{name} to at least 2.5" in done.err
    assert ask("select status, attempt, receive_count from tickets, messages") == "new|0|0"


def test_a_template_without_time_for_work_is_a_configuration_error(ticketctl: Program) -> None:
    done = ticketctl("deploy", "init", "stack", "--function-timeout", "2")
    assert done.status == CONFIGURATION
    assert "leaves no time to process a ticket" in done.err
    assert list(ticketctl.folder.iterdir()) == []
