"""A provider behind HTTP, through the program: warm starts, failures, and a key that nobody sees."""

from collections.abc import Callable

import pytest

from tests.model import Model
from tests.program import Program
from ticketctl.loops import LOOPS

KEY = "sk-hunter2"


@pytest.fixture
def online(ticketctl: Program, model: Model) -> Program:
    return ticketctl.having(
        TICKETCTL_AI_PROVIDER="openai",
        TICKETCTL_AI_BASE_URL=model.url,
        TICKETCTL_AI_API_KEY=KEY,
        TICKETCTL_AI_MODEL="small",
        TICKETCTL_AI_MODEL_RESPOND="large",
    )


def event(online: Program, number: int) -> str:
    ids = [online("create", "Charged twice", "--body", "ada@example.com").out.strip() for _ in range(number)]
    return online("event", *ids).out


@pytest.mark.parametrize("loop", LOOPS)
def test_a_warm_environment_asks_again_under_every_loop(
    online: Program, model: Model, ask: Callable[[str], str], loop: str
) -> None:
    event(online, 3)
    done = online("work", "--drain", "--batch-size", "1", "--loop", loop)
    assert [line.partition("\t")[0] for line in done.out.splitlines()] == ["done"] * 3, done.err
    assert ask("select distinct status, category, draft from tickets") == (
        "processed|billing|We are looking into it."
    )
    assert ask("select step, provider, model, sum(input_tokens) from steps group by 1, 2, 3 order by 1") == (
        "classify|openai|small|3000\nextract|openai|small|3000\nrespond|openai|large|3000\nroute|rules|rules|0"
    )
    assert {key for key, _ in model.asked} == {f"Bearer {KEY}"}
    assert len(model.asked) == 9


def test_what_is_personal_stays_at_home_unless_it_is_told_to_go(online: Program, model: Model) -> None:
    online("process", "-", stdin=event(online, 1))
    assert not any("ada@example.com" in str(body) for _, body in model.asked)
    model.asked.clear()
    told = online.having(TICKETCTL_REDACT="false")
    told("process", "-", stdin=event(told, 1))
    assert all("ada@example.com" in str(body) for _, body in model.asked)


def test_while_the_server_is_away_the_offline_engine_asks_for_a_review(
    online: Program, ask: Callable[[str], str]
) -> None:
    away = online.having(TICKETCTL_AI_BASE_URL="http://127.0.0.1:9/v1")
    assert away("process", "-", stdin=event(away, 1)).status == 0
    [ticket] = away("review", "--json").json["tickets"]
    assert any("could not be used" in reason for reason in ticket["reasons"])
    assert ask("select distinct output->>'degraded' from steps where step <> 'route'") == "true"


def test_a_key_that_is_refused_fails_the_record_and_is_not_shown(
    online: Program, model: Model, rows: Callable[[], str]
) -> None:
    model.refuses = 401
    done = online("--debug", "process", "-", "--json", stdin=event(online, 1))
    assert done.status == 8
    assert "check TICKETCTL_AI_API_KEY" not in done.out
    assert "answers 401" in done.json["invocations"][0]["records"][0]["error"]
    assert KEY not in done.out + done.err + rows()


def test_a_simulation_asks_nobody(online: Program, model: Model) -> None:
    done = online("simulate-warm-starts", "--pool", "null", "--loop", "run-per-invocation", "--times", "2")
    assert done.status == 0, done.err
    assert model.asked == []


def test_what_is_missing_is_told_before_any_ticket_is_touched(
    online: Program, rows: Callable[[], str]
) -> None:
    content = event(online, 1)
    before = rows()
    for variables, text in (
        ({"TICKETCTL_AI_MODEL": ""}, "no model is named for the AI provider openai"),
        ({"TICKETCTL_AI_BASE_URL": "", "TICKETCTL_AI_API_KEY": ""}, "openai needs a key"),
        ({"TICKETCTL_AI_PROVIDER": "nobody"}, "ai_provider"),
        ({"TICKETCTL_TAXONOMY": "none.toml"}, "none.toml is not there"),
        ({"TICKETCTL_AI_MODEL_FILE": "none.model"}, "none.model is not there"),
    ):
        for command in (("process", "-"), ("work", "--drain")):
            done = online.having(**variables)(*command, stdin=content)
            assert (done.status, done.out) == (4, ""), (variables, command)
            assert text in done.err
            assert "\nhint: " in done.err
    assert rows() == before
