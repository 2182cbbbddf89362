"""One ticket's trace from the request to its end, as a collector receives it from the program."""

from collections.abc import Callable, Iterator

import pytest

from tests.chat_server import ChatServer
from tests.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from tests.program import Program
from tests.serving import serve

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STEPS = ["classify", "extract", "route", "respond"]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as started:
        yield started


@pytest.fixture
def observed(ticketctl: Program, model: ChatServer, receiver: OtlpReceiver) -> Program:
    return ticketctl.with_env(
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=tests",
        TICKETCTL_AI_PROVIDER="openai",
        TICKETCTL_AI_BASE_URL=model.url,
        TICKETCTL_AI_API_KEY="sk-hunter2",
        TICKETCTL_AI_MODEL="small",
        TICKETCTL_AI_PRICES="small=10/20",
    )


def test_one_ticket_from_the_request_to_its_end(observed: Program, receiver: OtlpReceiver) -> None:
    with serve(observed.environment) as server, server.open_client() as client:
        body = {"subject": "I was charged twice", "body": "ada@example.com: see invoice INV-2024-001"}
        made = client.post("/tickets", json=body, headers={"traceparent": PARENT}).json()
        assert client.get("/healthz").status_code == 200
    done = observed("work", "--drain")
    assert done.out.startswith("done\t"), done.err

    spans = [span for span in receiver.spans if span.trace == PARENT[3:35]]
    assert len({span.id for span in spans}) == len(spans)
    assert not any(span.failed for span in spans)
    assert {span.resource["service.name"] for span in spans} == {"ticketctl"}
    assert {span.resource["deployment.environment.name"] for span in spans} == {"tests"}
    by_id = {span.id: span for span in spans}

    request = receiver.only("POST /tickets")
    assert (request.parent, request.kind) == (PARENT[36:52], "server")
    assert request.attributes["http.route"] == "/tickets"
    assert request.attributes["http.response.status_code"] == 201

    created = receiver.only("create tickets")
    assert (created.parent, created.kind) == (request.id, "producer")
    assert created.attributes["messaging.operation.type"] == "create"
    assert created.attributes["ticketctl.ticket.id"] == made["id"]
    assert receiver.children(created) == ["INSERT tickets INSERT messages", "process batch"]

    batch = receiver.only("process batch")
    assert (batch.parent, batch.kind) == (created.id, "consumer")
    assert batch.attributes["messaging.batch.message_count"] == 1

    record = receiver.only("process tickets")
    assert (record.parent, record.kind) == (batch.id, "consumer")
    assert record.attributes["messaging.operation.type"] == "process"
    assert record.attributes["messaging.destination.name"] == "tickets"
    assert record.attributes["ticketctl.ticket.id"] == made["id"]
    assert record.attributes["ticketctl.ticket.status"] == "processed"
    children = receiver.children(record)
    assert sorted(children[:2]) == STEPS[:2]
    assert children[2:4] == STEPS[2:]
    assert [name for name in children if name not in STEPS] == [finish_of(receiver, record).name]

    for name in ("classify", "extract", "respond"):
        check_provider_call(receiver, receiver.only(name))
    assert receiver.children(receiver.only("route")) == []

    statements = [span for span in spans if "db.system.name" in span.attributes]
    assert {by_id[span.parent].name for span in statements} == {
        "create tickets",
        "process batch",
        "classify",
        "extract",
        "process tickets",
    }
    for span in statements:
        assert span.kind == "client"
        assert span.attributes["db.system.name"] == "postgresql"
        assert span.attributes["db.query.summary"] == span.name
        assert "charged twice" not in span.attributes["db.query.text"]
    for span in spans:
        parent = by_id.get(span.parent)
        assert parent is None or span.name == "process batch" or parent.start <= span.start <= span.end
    assert "ada@example.com" not in repr(receiver.spans)
    assert all(span.trace == request.trace for span in receiver.spans), "polling makes no traces"


def finish_of(receiver: OtlpReceiver, record: ReceivedSpan) -> ReceivedSpan:
    """The statement that writes the result; it comes last."""
    (finish,) = [
        span for span in receiver.spans if span.parent == record.id and "db.system.name" in span.attributes
    ]
    assert "UPDATE tickets" in finish.name
    assert finish.start >= receiver.only("respond").end
    return finish


def check_provider_call(receiver: OtlpReceiver, step: ReceivedSpan) -> None:
    """A step asks the model once, in one HTTP request."""
    chat = next(span for span in receiver.spans if span.parent == step.id and span.name == "chat small")
    assert chat.kind == "client"
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.provider.name"] == "openai"
    assert chat.attributes["gen_ai.request.model"] == "small"
    assert chat.attributes["gen_ai.usage.input_tokens"] == 1000
    assert chat.attributes["gen_ai.usage.output_tokens"] > 0
    assert receiver.children(chat) == ["POST"]
    post = next(span for span in receiver.spans if span.parent == chat.id)
    assert post.kind == "client"
    assert post.attributes["http.response.status_code"] == 200
    assert post.attributes["server.address"] == "127.0.0.1"


def test_the_metrics_of_a_worker(
    observed: Program, receiver: OtlpReceiver, ask: Callable[[str], str]
) -> None:
    observed("create", "I was charged twice")
    observed("create", "The export to CSV fails")
    ask("update messages set body = '{}' where ticket_id = (select max(ticket_id) from messages)")
    observed("work", "--drain", "--max-receive-count", "1")
    outcomes = {a["ticketctl.outcome"]: count for a, count in receiver.metrics["ticketctl.tickets"]}
    assert outcomes == {"processed": 1, "returned": 1}
    steps = {attributes["ticketctl.step"] for attributes, _ in receiver.metrics["ticketctl.step.duration"]}
    assert steps == set(STEPS)
    tokens = receiver.metrics["gen_ai.client.token.usage"]
    assert sum(count for a, count in tokens if a["gen_ai.token.type"] == "input") == 3000
    [(_, cost)] = receiver.metrics["ticketctl.ai.cost"]
    assert cost > 0
    [(_, age)] = receiver.metrics["ticketctl.queue.age"]
    assert age > 0
    assert "ticketctl.queue.depth" in receiver.metrics
    assert receiver.metrics["ticketctl.tickets.stuck"] == [({}, 0)]
    opened = sum(count for _, count in receiver.metrics["ticketctl.connections.opened"])
    assert opened > 0
    assert "db.client.connection.count" in receiver.metrics
    assert "ticketctl.leftovers" not in receiver.metrics


def test_a_pool_that_outlives_its_loop_shows_as_leftovers(observed: Program, receiver: OtlpReceiver) -> None:
    observed("create", "I was charged twice")
    observed("work", "--drain", "--pool", "queue")
    [(_, leftovers)] = receiver.metrics["ticketctl.leftovers"]
    assert leftovers == 1
