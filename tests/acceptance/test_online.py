"""A provider behind HTTP, through the program: warm starts, failures, and a key that is never shown."""

import subprocess
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.chat_server import ChatServer
from tests.program import Program
from ticketctl.event_loops import LOOPS

KEY = "sk-hunter2"
PRICES = {"TICKETCTL_AI_PRICES": "small=10/20, large=30/60"}
"""A step of the small model costs 0.02, a draft of the large one 0.06, a ticket 0.10."""


@pytest.fixture
def online(ticketctl: Program, model: ChatServer) -> Program:
    return ticketctl.with_env(
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
def test_a_warm_environment_works_under_every_loop_policy(
    online: Program, model: ChatServer, ask: Callable[[str], str], loop: str
) -> None:
    event(online, 3)
    done = online.with_env(**PRICES)("work", "--drain", "--batch-size", "1", "--loop", loop, "--budget", "1")
    assert [line.partition("\t")[0] for line in done.out.splitlines()] == ["done"] * 3, done.err
    assert "budget" not in done.err
    assert ask("select distinct status, category, draft from tickets") == (
        "processed|billing|We are looking into it."
    )
    assert ask("select step, provider, model, sum(input_tokens) from steps group by 1, 2, 3 order by 1") == (
        "classify|openai|small|3000\nextract|openai|small|3000\nrespond|openai|large|3000\nroute|rules|rules|0"
    )
    assert {key for key, _ in model.requests} == {f"Bearer {KEY}"}
    assert len(model.requests) == 9


def test_personal_data_is_redacted_unless_disabled(online: Program, model: ChatServer) -> None:
    online("process", "-", stdin=event(online, 1))
    assert not any("ada@example.com" in str(body) for _, body in model.requests)
    model.requests.clear()
    unredacted = online.with_env(TICKETCTL_REDACT="false")
    unredacted("process", "-", stdin=event(unredacted, 1))
    assert all("ada@example.com" in str(body) for _, body in model.requests)


def test_an_unreachable_provider_leads_to_a_review(online: Program, ask: Callable[[str], str]) -> None:
    away = online.with_env(TICKETCTL_AI_BASE_URL="http://127.0.0.1:9/v1")
    assert away("process", "-", stdin=event(away, 1)).status == 0
    [ticket] = away("review", "--json").json["tickets"]
    assert any("could not be used" in reason for reason in ticket["reasons"])
    assert ask("select distinct output->>'degraded' from steps where step <> 'route'") == "true"


def test_a_refused_key_leads_to_a_review_and_is_never_shown(
    online: Program, model: ChatServer, rows: Callable[[], str]
) -> None:
    model.error_status = 401
    done = online("--debug", "process", "-", "--json", stdin=event(online, 1))
    assert done.status == 0
    [ticket] = online("review", "--json").json["tickets"]
    assert any("answers 401" in reason for reason in ticket["reasons"])
    assert KEY not in done.out + done.err + rows()


def test_work_pauses_while_the_account_is_refused(
    online: Program, model: ChatServer, ask: Callable[[str], str]
) -> None:
    event(online, 6)
    model.error_status = 402
    with online.popen(
        "work", "--drain", "--batch-size", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stderr
        before = b"".join(iter_until(run.stderr, b"no more tickets are received"))
        assert b"the AI provider answers 402" in before
        assert b"see the provider's billing page" in before
        settled = int(ask("select count(*) from tickets where status = 'needs_review'"))
        assert ask("select count(*) from tickets where status = 'new'") == str(6 - settled)
        model.error_status = None
        after = run.stderr.read()
        assert run.wait() == 0
    assert b"the AI provider accepts the account again" in after
    # one batch may have been received before the pause
    assert settled in {1, 2}
    assert ask("select status, count(*) from tickets group by 1 order by 1") in {
        f"needs_review|{n}\nprocessed|{6 - n}" for n in (1, 2)
    }


def test_a_call_longer_than_the_visibility_timeout_keeps_lease_and_message(
    online: Program, model: ChatServer, ask: Callable[[str], str]
) -> None:
    """A second environment polls meanwhile: for a second message of the ticket, and for the first, should it come free."""
    event(online, 1)
    ask("insert into messages (ticket_id, body) select ticket_id, body from messages")
    model.delay = 5.0
    options = ("--concurrency", "2", "--batch-size", "1", "--visibility-timeout", "3")
    done = online.run_in_new_process("work", "--drain", *options)
    assert done.status == 0, done.err
    outcomes: dict[str, list[str]] = {}
    for outcome, message_id, _, delivery, _ in (line.split("\t") for line in done.out.splitlines()):
        assert delivery == "1"
        outcomes.setdefault(message_id, []).append(outcome)
    kept, other = sorted(outcomes.values(), key=len)
    # the lease refused the second message until the ticket was processed; nothing delivered the first one again
    assert kept == ["done"]
    assert set(other[:-1]) == {"returned"}
    assert other[-1] == "done"
    assert ask("select status, attempt from tickets") == "processed|1"
    assert ask("select outcome, ended_at - started_at > interval '10 s' from attempts") == "processed|t"
    assert len(model.requests) == 3


def iter_until(lines: Iterable[bytes], part: bytes) -> Iterator[bytes]:
    """Yield lines up to the first that contains `part`."""
    for line in lines:
        yield line
        if part in line:
            return
    raise AssertionError(f"no line contains {part!r}")


def test_step_costs_are_shown_or_unknown(online: Program) -> None:
    online("process", "-", stdin=event(online, 2))
    number = str(online("list", "--json").json["tickets"][0]["id"])
    half_priced = online.with_env(TICKETCTL_AI_PRICES="small=10/20")
    for priced, draft, whole, of_all in (
        (online.with_env(**PRICES), 0.06, 0.10, 0.20),
        (half_priced, None, None, None),
    ):
        shown, stats = priced("show", number, "--json").json, priced("stats", "--json").json
        assert [step["cost"] for step in shown["steps"]] == [0.02, 0.02, 0.0, draft]
        assert shown["cost"] == pytest.approx(whole)
        assert [step["cost"] for step in stats["steps"]] == pytest.approx([0.04, 0.04, 0.0, draft and 0.12])
        assert stats["cost"] == pytest.approx(of_all)
    assert stats["steps"][3]["models"] == [
        {"model": "large", "runs": 2, "input_tokens": 2000, "output_tokens": 1000, "cost": None}
    ]
    piped = [line.split("\t") for line in half_priced("show", number).out.splitlines()]
    assert [line[-1] for line in piped if line[0] in {"step", "cost"}] == [
        *("0.020000", "0.020000", "0", "unknown"),
        "unknown",
    ]
    assert [line.split("\t")[-1] for line in half_priced("stats").out.splitlines()[-2:]] == ["unknown"] * 2
    assert "COST" in half_priced.on_terminal("show", number).out


def test_an_exhausted_budget_leaves_the_rest_in_the_queue(
    online: Program, model: ChatServer, ask: Callable[[str], str]
) -> None:
    event(online, 5)
    done = online.with_env(**PRICES)("work", "--batch-size", "1", "--budget", "0.15")
    assert (done.status, len(done.out.splitlines())) == (0, 2)
    assert "the budget of 0.15 is spent (0.2000); the other messages stay in the queue" in done.err
    assert ask("select status, count(*), max(attempt) from tickets group by 1 order by 1") == (
        "new|3|0\nprocessed|2|1"
    )
    assert ask("select count(*), max(receive_count) from messages") == "3|0"
    assert len(model.requests) == 6


def test_a_budget_of_zero_starts_nothing(online: Program, model: ChatServer) -> None:
    content = event(online, 1)
    priced = online.with_env(**PRICES)
    for command in (("work", "--drain"), ("process", "-")):
        done = priced(*command, "--budget", "0", stdin=content)
        assert (done.status, done.out) == (0, "")
        assert "the budget of 0 is spent" in done.err
    assert model.requests == []


def test_an_exhausted_budget_ends_a_replay_after_paid_steps_are_saved(
    online: Program, model: ChatServer, ask: Callable[[str], str]
) -> None:
    content = event(online, 1)
    priced = online.with_env(**PRICES)
    done = priced("process", "-", "--json", "--times", "3", "--budget", "0.04", stdin=content)
    (invocation,) = done.json["invocations"]
    assert (done.status, done.json["cost"]) == (8, 0.04)
    assert "the budget of 0.04 is spent" in invocation["records"][0]["error"]
    assert "1 of 3 invocations were made" in done.err
    assert ask("select string_agg(step, ' ' order by step) from steps") == "classify extract"
    again = priced("process", "-", "--json", "--budget", "1", stdin=content)
    assert (again.status, again.json["cost"]) == (0, 0.06)
    assert len(model.requests) == 3


@pytest.mark.parametrize("command", [("work", "--drain"), ("process", "-")])
def test_a_budget_needs_the_price_of_every_model(
    online: Program, model: ChatServer, rows: Callable[[], str], command: tuple[str, ...]
) -> None:
    content = event(online, 1)
    before = rows()
    half_priced = online.with_env(TICKETCTL_AI_PRICES="small=1/2")
    done = half_priced(*command, "--budget", "1", stdin=content)
    assert (done.status, done.out) == (7, "")
    assert "the price of the model large is unknown" in done.err
    assert "\nhint: set TICKETCTL_AI_PRICES" in done.err
    assert (rows(), model.requests) == (before, [])


def test_a_budget_needs_token_counts(online: Program, model: ChatServer) -> None:
    model.reports_usage = False
    event(online, 3)
    done = online.with_env(**PRICES)("work", "--drain", "--batch-size", "1", "--budget", "1")
    assert (done.status, len(done.out.splitlines())) == (7, 1)
    assert "does not report its token usage" in done.err


def test_a_simulation_calls_no_provider(online: Program, model: ChatServer) -> None:
    done = online("simulate-warm-starts", "--pool", "null", "--loop", "run-per-invocation", "--times", "2")
    assert done.status == 0, done.err
    assert model.requests == []


def test_missing_settings_are_reported_before_any_ticket_changes(
    online: Program, rows: Callable[[], str]
) -> None:
    content = event(online, 1)
    before = rows()
    for variables, text in (
        ({"TICKETCTL_AI_MODEL": ""}, "no model is named for the AI provider openai"),
        ({"TICKETCTL_AI_BASE_URL": "", "TICKETCTL_AI_API_KEY": ""}, "openai needs a key"),
        ({"TICKETCTL_AI_PROVIDER": "nobody"}, "ai_provider"),
        ({"TICKETCTL_TAXONOMY": "none.toml"}, "none.toml does not exist"),
        ({"TICKETCTL_AI_MODEL_FILE": "none.model"}, "none.model does not exist"),
        ({"TICKETCTL_AI_EMBEDDINGS": "none"}, "the embedding model none is not a folder"),
    ):
        for command in (("process", "-"), ("work", "--drain")):
            done = online.with_env(**variables)(*command, stdin=content)
            assert (done.status, done.out) == (4, ""), (variables, command)
            assert text in done.err
            assert "\nhint: " in done.err
    assert rows() == before
