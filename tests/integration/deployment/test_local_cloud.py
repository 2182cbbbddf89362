"""The stack on this machine: its queues and secret in moto, its packages under awslambdaric, and our own mapping between.

Every value comes from the rendered template. The functions log in to a Postgres with TLS, with the password of the secret.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import boto3
import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.cloudformation import Resolver
from tests.secured_server import PASSWORD, Secured
from ticketctl.deployment.target import Architecture, Target
from ticketctl.deployment.template import TEMPLATE, render_stack
from ticketctl.queues.event_source_mapping import BatchSettled, EventSourceMapping, MappingEvent
from ticketctl.queues.sqs import SqsQueue
from ticketctl.settings import Settings
from ticketctl.tickets.queue_protocols import Delivery
from ticketctl.warmstart.runner.local_function import InvocationFailedError
from ticketctl.warmstart.runner.runtime_api import RuntimeApi

pytestmark = pytest.mark.usefixtures("aws_credentials")
REGION = "eu-central-1"
USER = "ada"
TICKETS = 12
POISON = 999_999
"""A ticket that does not exist: its message is returned to the queue."""
BOTO3 = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
"""What Lambda's runtime has besides its client, and what that needs."""

Run = Callable[[str], "PackagedFunction"]


class PackagedFunction:
    """A function of the template in one warm process: its package is the only code beside Lambda's own."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._command, self._folder, self._environment = command, folder, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._api = RuntimeApi()
        self.readings: list[Any] = []

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> bool:
        if self._process is not None:
            return False
        variables = {**self._environment, "AWS_LAMBDA_RUNTIME_API": await self._api.open()}
        self._process = subprocess.Popen(self._command, cwd=self._folder, env=variables)  # noqa: ASYNC220 - it starts at once
        return True

    async def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:  # noqa: ASYNC109 - WarmFunction's
        assert self._process is not None
        posted = self._api.offer(event, timeout)
        ended = asyncio.create_task(asyncio.to_thread(self._process.wait))
        await asyncio.wait({posted, ended}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if not posted.done() or posted.result().error:
            raise InvocationFailedError(str(posted.result().error if posted.done() else "no answer"))
        return posted.result().response

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            await self._api.close()


@pytest.fixture
def stack(aws: str, secured: Secured, monkeypatch: pytest.MonkeyPatch) -> tuple[Mapping[str, Any], Resolver]:
    """The template with its queues made, and what its parameters and resources are."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    secret = boto3.client("secretsmanager").create_secret(
        Name=uuid4().hex, SecretString=json.dumps({"username": USER, "password": PASSWORD})
    )
    text = render_stack(Settings(max_receive_count=5), Target("3.14", Architecture.ARM64))[TEMPLATE]
    template = yaml_parse(text)
    resolver = Resolver(
        template,
        {
            "DatabaseHost": "localhost",
            "DatabasePort": secured.port,
            "DatabaseUser": USER,
            "DatabaseSecretArn": secret["ARN"],
        },
    )
    for name in ("DeadLetterQueue", "FailedInvocations", "TicketQueue"):
        resolver.add(**make_queue(name, resolver.resolve(template["Resources"][name]["Properties"])))
    return template, resolver


def make_queue(name: str, properties: Mapping[str, Any]) -> Mapping[str, str]:
    client = boto3.client("sqs")
    attributes = {
        key: json.dumps(value)
        if isinstance(value, dict)
        else str(value).lower()
        if value is True
        else str(value)
        for key, value in properties.items()
    }
    url = client.create_queue(QueueName=f"{name}-{uuid4().hex}", Attributes=attributes)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return {name: url, f"{name}__Arn": arn}


@pytest.fixture
def run(
    stack: tuple[Mapping[str, Any], Resolver],
    unpacked: Mapping[str, Path],
    bare: Path,
    tmp_path: Path,
) -> Run:
    """Make a function of the template: its handler, package and variables."""
    template, resolver = stack
    resources = template["Resources"]
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in BOTO3:
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or () if ".." not in file.parts}:
            if not (runtime / top).exists():
                (runtime / top).symlink_to(Path(str(distribution.locate_file(top))))
    shared = yaml_parse(
        render_stack(Settings(max_receive_count=5), Target("3.14", Architecture.ARM64))[TEMPLATE]
    )
    common = shared["Globals"]["Function"]["Environment"]["Variables"]

    def make(name: str) -> PackagedFunction:
        properties = resources[name]["Properties"]
        own = properties.get("Environment", {}).get("Variables", {})
        folder = unpacked["api" if name == "ApiFunction" else "worker"]
        variables = {
            **{key: value for key, value in os.environ.items() if key.startswith("AWS_")},
            **resolver.resolve({**common, **own}),
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            # as on Lambda: the function's own code first, then the runtime's
            "PYTHONPATH": os.pathsep.join(map(str, (folder, runtime))),
        }
        return PackagedFunction([str(bare), "-m", "awslambdaric", properties["Handler"]], folder, variables)

    return make


@pytest.fixture
def ask_stack(secured: Secured, sql: Callable[..., str]) -> Iterator[Callable[[str], str]]:
    """A function that runs SQL on the stack's database, which is empty at first."""
    secured.sql("create database ticketctl")
    url = secured.url(password=PASSWORD).replace("/postgres?", "/ticketctl?")
    yield lambda statement: sql(statement, url)
    secured.sql("drop database ticketctl with (force)")


@asynccontextmanager
async def started(function: PackagedFunction) -> AsyncIterator[PackagedFunction]:
    await function.start()
    try:
        yield function
    finally:
        await function.stop()


@pytest.fixture
def answers() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The URL to which a custom resource answers, and its answers."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", received
    server.shutdown()
    server.server_close()


def request(number: int) -> Mapping[str, Any]:
    """What the HTTP API sends for `POST /tickets`, payload format 2.0."""
    http = {"method": "POST", "path": "/tickets", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/tickets",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "api.example.com"},
        "requestContext": {"http": http, "stage": "$default"},
        "body": json.dumps({"subject": f"I was charged twice for order {number}"}),
        "isBase64Encoded": False,
    }


async def test_tickets_go_from_the_api_through_the_queue_to_the_worker(
    stack: tuple[Mapping[str, Any], Resolver],
    run: Run,
    answers: tuple[str, list[dict[str, Any]]],
    ask_stack: Callable[[str], str],
) -> None:
    template, resolver = stack
    resources = template["Resources"]
    url, received = answers
    change = {"StackId": "s", "RequestId": "r", "LogicalResourceId": "Migration", "RequestType": "Create"}
    async with started(run("MigrationFunction")) as migration:
        await migration.invoke({**change, "ResponseURL": url}, 120)
    assert [one["Status"] for one in received] == ["SUCCESS"], received

    async with AsyncExitStack() as opened:
        api, outbox = [
            await opened.enter_async_context(started(run(f"{n}Function"))) for n in ("Api", "Outbox")
        ]
        statuses = [(await api.invoke(request(number), 120))["statusCode"] for number in range(TICKETS)]
        assert statuses == [201] * TICKETS
        # a ticket whose message could not be sent with it: the schedule's turn sends it
        ask_stack(
            "with made as (insert into tickets (subject) values ('left behind') returning id)"
            "insert into messages (ticket_id, body) select id, json_build_object('ticket_id', id)::text from made"
        )
        await outbox.invoke({}, 120)
    assert ask_stack("select count(*) from messages") == "0"

    queue_url = resolver.resolve({"Ref": "TicketQueue"})
    boto3.client("sqs").send_message(QueueUrl=queue_url, MessageBody=json.dumps({"ticket_id": POISON}))
    await drain(resources, run, queue_url)
    ended = ask_stack("select count(*) from tickets where processed_at is not null")
    assert ended == str(TICKETS + 1), ask_stack("table tickets")
    attempts = "select count(*) from attempts where attempt > 1"
    assert ask_stack(attempts) == "0"


async def drain(resources: Mapping[str, Any], run: Run, url: str) -> None:
    """Run the template's event source mapping until every ticket is done and the poisoned message alone is not.

    A queue may deliver a message twice: the delivery that finds the ticket in other hands is returned.
    """
    source = resources["WorkerFunction"]["Properties"]["Events"]["Tickets"]["Properties"]
    settings = replace(
        Settings(max_receive_count=5),
        batch_size=source["BatchSize"],
        window=source["MaximumBatchingWindowInSeconds"],
        concurrency=source["ScalingConfig"]["MaximumConcurrency"],
        visibility_timeout=resources["TicketQueue"]["Properties"]["VisibilityTimeout"],
        function_timeout=120,
    )
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    done: set[int] = set()
    returned: set[int] = set()

    def note(event: MappingEvent) -> None:
        if isinstance(event, BatchSettled):
            assert event.error is None, event.error
            done.update(map(ticket_of, event.done))
            returned.update(map(ticket_of, event.returned))
            if len(done) == TICKETS + 1 and POISON in returned:
                mapping.stop()

    queue = SqsQueue(url, settings)
    redrive = resources["TicketQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    assert (await queue.get_policy()).max_receive_count == redrive == settings.max_receive_count
    mapping = EventSourceMapping(queue, lambda: run("WorkerFunction"), settings, note)
    async with asyncio.timeout(240):
        await mapping.run()
    assert returned - done == {POISON}


def ticket_of(delivery: Delivery) -> int:
    number: int = json.loads(delivery.record["body"])["ticket_id"]
    return number
