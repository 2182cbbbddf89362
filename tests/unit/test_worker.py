import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes import FakeContext, FakeProvider, FakeStore, pipeline_of
from ticketctl.errors import ConfigError, DatabaseError, InvalidInputError, ProviderError
from ticketctl.event_loops import LOOPS
from ticketctl.processing.pipeline import Pipeline
from ticketctl.settings import Settings
from ticketctl.telemetry.logs import JsonFormatter, log_on_lambda
from ticketctl.tickets.messages import message_body
from ticketctl.tickets.models import Step
from ticketctl.tickets.statuses import TicketStatus
from ticketctl.worker import Worker, response

DOWN = ProviderError("the provider is down")
UNREACHABLE = ConnectionRefusedError("refused")


def record(
    ticket_id: int, *, name: str = "", group: str | None = None, body: str | None = None
) -> dict[str, Any]:
    return {
        "messageId": name or f"m-{ticket_id}",
        "body": message_body(ticket_id) if body is None else body,
        "attributes": {} if group is None else {"MessageGroupId": group},
    }


def event(*records: object) -> dict[str, Any]:
    return {"Records": list(records)}


def failed(answer: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


class FakePipelines:
    """Opens pipelines over a store in memory, one per event loop, and counts them."""

    def __init__(self) -> None:
        self.store = FakeStore.of(1, 2, 3)
        self.provider = FakeProvider()
        self.opened = 0
        self.failing: Exception | None = None

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Pipeline]:
        self.opened += 1
        if self.failing is not None:
            raise self.failing
        yield pipeline_of(self.store, self.provider)


@pytest.fixture
def pipelines() -> FakePipelines:
    return FakePipelines()


@pytest.fixture
def new_worker(pipelines: FakePipelines) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(**chosen: Any) -> Worker:
        made.append(Worker(Settings(**chosen), pipelines=pipelines))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


@pytest.fixture
def lambda_logs(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Any]]:
    """The lines that the worker logs on Lambda, each a JSON object."""
    caplog.set_level(logging.INFO, "ticketctl")
    caplog.handler.setFormatter(JsonFormatter())
    return lambda: [json.loads(caplog.handler.format(record)) for record in caplog.records]


@pytest.mark.parametrize("loop", LOOPS)
def test_invocations_under_every_loop_policy(
    loop: str, pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    worker = new_worker(loop=loop)
    answers = [response(worker.invoke(event(record(number)), FakeContext())) for number in (1, 2, 3)]
    assert [failed(answer) for answer in answers] == [[], [], []]
    assert {ticket.status for ticket in pipelines.store.tickets.values()} == {TicketStatus.PROCESSED}


@pytest.mark.parametrize(("loop", "loops"), [("run-per-record", 6), ("run-per-invocation", 2), ("runner", 1)])
def test_each_event_loop_opens_its_own_pipeline(
    loop: str, loops: int, pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    worker = new_worker(loop=loop)
    for _ in range(2):
        worker.invoke(event(record(1), record(2), record(3)), FakeContext())
    assert pipelines.opened == loops


@pytest.mark.parametrize("loop", LOOPS)
def test_records_run_concurrently_if_they_share_a_loop(
    loop: str, pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    shared = not LOOPS[loop].per_record
    pipelines.provider.meeting = asyncio.Barrier(2)
    results = new_worker(loop=loop).invoke(event(record(1), record(2)), FakeContext(remaining_ms=2_500))
    assert [result.error is None for result in results] == [shared, shared]


@pytest.mark.parametrize("loop", LOOPS)
def test_after_a_failure_the_rest_of_its_group_is_returned(
    loop: str, pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    pipelines.provider.failing = {(1, Step.CLASSIFY): DOWN}
    records = [
        record(1, group="g"),
        record(2, group="g"),
        record(0, name="x", group="g", body="no ticket"),
        record(3, group="h"),
    ]
    assert failed(response(new_worker(loop=loop).invoke(event(*records), FakeContext()))) == [
        "m-1",
        "m-2",
        "x",
    ]
    assert 2 not in {ticket for ticket, _ in pipelines.provider.asked}


@pytest.mark.parametrize("loop", LOOPS)
def test_no_record_starts_if_the_time_is_too_short(
    loop: str, pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    worker = new_worker(loop=loop, shutdown_reserve=5.0)
    results = worker.invoke(event(record(1), record(2)), FakeContext(remaining_ms=4_999))
    assert [str(result.error) for result in results] == ["too little time was left to start"] * 2
    assert pipelines.provider.asked == []
    assert {ticket.attempt for ticket in pipelines.store.tickets.values()} == {0}


@pytest.mark.parametrize("loop", LOOPS)
def test_every_record_is_returned_if_the_resources_cannot_be_opened(
    loop: str, pipelines: FakePipelines, new_worker: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    worker = new_worker(loop=loop)
    pipelines.failing = OSError("no more sockets")
    answer = response(worker.invoke(event(record(1), record(2), record(0, name="x", body="")), FakeContext()))
    assert failed(answer) == ["m-1", "m-2", "x"]
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR and hasattr(r, "message_id")]
    assert {r.__dict__["message_id"] for r in errors} == {"m-1", "m-2", "x"}
    assert {str(r.exc_info and r.exc_info[1]) for r in errors} >= {"no more sockets"}


def test_a_foreign_event_is_an_error_of_the_invocation(
    pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    kinesis = {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": ""}}]}
    with pytest.raises(InvalidInputError, match="this is a Kinesis event, not an SQS event"):
        new_worker().handle(kinesis, FakeContext())
    assert pipelines.opened == 0


@pytest.mark.parametrize("loop", LOOPS)
def test_a_batch_whose_claim_never_happened_is_an_error_of_the_invocation(
    loop: str, pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    pipelines.store.failing = {"claim": UNREACHABLE, "release": UNREACHABLE}
    sent = event(record(1), record(2), record(0, name="x", body="?"))
    with pytest.raises(DatabaseError, match="the batch was not attempted: ConnectionRefusedError: refused"):
        new_worker(loop=loop).handle(sent, FakeContext())


def test_resources_that_cannot_be_opened_are_an_error_of_the_invocation(
    pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    pipelines.failing = OSError("no more sockets")
    with pytest.raises(DatabaseError, match="no more sockets"):
        new_worker().handle(event(record(1)), FakeContext())


def test_a_failed_claim_that_could_be_written_is_returned(
    pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    pipelines.store.failing = {"claim": UNREACHABLE}
    assert failed(new_worker().handle(event(record(1)), FakeContext())) == ["m-1"]
    assert pipelines.store.tickets[1].error == "ConnectionRefusedError: refused"


def test_if_one_record_was_attempted_the_others_are_returned(
    pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    class DyingStore(FakeStore):
        async def finish(self, *arguments: Any) -> bool:
            done = await super().finish(*arguments)
            self.failing = {"claim": UNREACHABLE, "release": UNREACHABLE}
            return done

    pipelines.store = DyingStore.of(1, 2)
    answer = new_worker(loop="run-per-record").handle(event(record(1), record(2)), FakeContext())
    assert failed(answer) == ["m-2"]


def test_a_function_without_time_for_work_is_a_config_error(new_worker: Callable[..., Worker]) -> None:
    with pytest.raises(ConfigError, match="2 s left at its start") as raised:
        new_worker().handle(event(record(1)), FakeContext(remaining_ms=2_000))
    assert "TICKETCTL_SHUTDOWN_RESERVE" in str(raised.value.hint)


@pytest.mark.parametrize("name", ["function_timeout", "visibility_timeout"])
def test_a_timeout_without_time_for_work_is_a_config_error(name: str) -> None:
    chosen: dict[str, Any] = {"database_url": "postgresql://nowhere/x", name: 2.4}
    with pytest.raises(ConfigError, match=f"the setting {name} .2.4 s. leaves no time") as raised:
        Worker(Settings(**chosen))
    assert f"TICKETCTL_{name.upper()} to at least 2.5" in str(raised.value.hint)
    Worker(Settings(**chosen | {name: 2.5}))


def test_an_event_without_records_needs_no_loop(
    pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    assert new_worker().invoke(event(), FakeContext()) == []
    assert pipelines.opened == 0


def test_without_a_context_the_visibility_timeout_bounds_the_invocation(
    pipelines: FakePipelines, new_worker: Callable[..., Worker]
) -> None:
    pipelines.provider.stuck = {1}
    worker = new_worker(visibility_timeout=2.2, shutdown_reserve=2.0)
    [result] = worker.invoke(event(record(1)), None)
    assert str(result.error) == "the invocation's time ran out"


def test_an_unsafe_pair_is_a_warning_when_the_environment_starts(
    new_worker: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    new_worker(pool="queue", loop="run-per-invocation")
    assert [(r.levelno, "the pool queue" in r.getMessage()) for r in caplog.records] == [
        (logging.WARNING, True)
    ]
    caplog.clear()
    new_worker(pool="queue", loop="runner")
    assert caplog.records == []


@pytest.mark.parametrize("chosen", [{"pool": "puddle"}, {"loop": "knot"}])
def test_a_wrong_setting_is_an_error_at_start(chosen: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        Worker(Settings(database_url="postgresql://nowhere/x", **chosen))  # type: ignore[arg-type]


def test_a_worker_without_a_database_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match="no database is configured") as raised:
        Worker(Settings())
    assert "TICKETCTL_DATABASE_URL" in str(raised.value.hint)


class TestLogs:
    def test_they_name_request_message_ticket_step_and_duration(
        self, new_worker: Callable[..., Worker], lambda_logs: Callable[[], list[Any]]
    ) -> None:
        new_worker().handle(event(record(1)), FakeContext(aws_request_id="request-1"))
        lines = lambda_logs()
        assert {line["request_id"] for line in lines} == {"request-1"}
        steps = {line["step"] for line in lines if line["message"] == "step done"}
        assert steps == {"classify", "extract", "route", "respond"}
        assert all(line["ticket_id"] == 1 and line["duration_ms"] >= 0 for line in lines if "step" in line)
        [done] = [line for line in lines if line["message"] == "ticket done"]
        assert (done["message_id"], done["ticket_id"], done["status"]) == ("m-1", 1, "processed")
        assert done["level"] == "INFO"
        time.strptime(done["time"], "%Y-%m-%dT%H:%M:%S.%fZ")

    def test_a_failed_record_is_one_error_with_its_exception(
        self,
        pipelines: FakePipelines,
        new_worker: Callable[..., Worker],
        lambda_logs: Callable[[], list[Any]],
    ) -> None:
        pipelines.provider.failing = {(1, Step.CLASSIFY): DOWN}
        new_worker().handle(event(record(1)), FakeContext(aws_request_id="request-2"))
        [error] = [line for line in lambda_logs() if line["level"] == "ERROR"]
        assert (error["message_id"], error["request_id"]) == ("m-1", "request-2")
        assert (error["error_type"], error["error"]) == ("ProviderError", "the provider is down")
        assert "Traceback" in error["traceback"]

    def test_the_traceback_of_a_shared_error_is_logged_once(
        self,
        pipelines: FakePipelines,
        new_worker: Callable[..., Worker],
        lambda_logs: Callable[[], list[Any]],
    ) -> None:
        pipelines.store.failing = {"claim": DOWN}
        new_worker().handle(event(record(1), record(2)), FakeContext())
        first, second = [line for line in lambda_logs() if line["level"] == "ERROR"]
        assert (first["error"], second["error"]) == ("the provider is down", "the provider is down")
        assert "Traceback" in first["traceback"]
        assert second["same_error_as"] == first["message_id"] == "m-1"
        assert "traceback" not in second

    def test_a_line_with_invalid_unicode_is_valid_json(self) -> None:
        line = logging.LogRecord("ticketctl", logging.ERROR, "", 0, "half a pair: \ud800\n\x1b", (), None)
        line.message_id = "é\ud800"
        written = JsonFormatter().format(line)
        assert "\n" not in written
        assert "é" in written
        parsed = json.loads(written.encode())
        assert parsed["message_id"] == "é\ud800"

    @pytest.mark.parametrize(
        ("variables", "level"),
        [
            ({}, logging.INFO),
            ({"AWS_LAMBDA_LOG_LEVEL": "WARN"}, logging.WARNING),
            ({"AWS_LAMBDA_LOG_LEVEL": "?"}, logging.INFO),
        ],
    )
    def test_they_go_to_lambdas_handlers_at_the_configured_level(
        self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], level: int
    ) -> None:
        root = logging.getLogger()
        collector = logging.StreamHandler()
        monkeypatch.setattr(root, "handlers", [collector])
        monkeypatch.setattr(logging.getLogger("ticketctl"), "level", logging.NOTSET)
        log_on_lambda({"AWS_LAMBDA_FUNCTION_NAME": "tickets", **variables})
        assert isinstance(collector.formatter, JsonFormatter)
        assert root.handlers == [collector]
        assert logging.getLogger("ticketctl").level == level

    def test_outside_lambda_logging_is_not_configured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(logging.getLogger("ticketctl"), "level", logging.NOTSET)
        log_on_lambda({})
        assert logging.getLogger("ticketctl").level == logging.NOTSET


@pytest.mark.parametrize("metrics", ["none", "emf"])
def test_metrics_are_one_line_for_each_invocation(
    metrics: str,
    pipelines: FakePipelines,
    new_worker: Callable[..., Worker],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipelines.provider.failing = {(1, Step.CLASSIFY): DOWN}
    worker = new_worker(metrics=metrics)
    for number in (1, 2):
        worker.handle(event(record(number)), FakeContext())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counts = [(line["RecordsDone"], line["RecordsReturned"]) for line in lines]
    assert counts == ([] if metrics == "none" else [(0, 1), (1, 0)])
