"""The corpus: handlers as people write them, half of them sound, each with the verdict that was measured by other means.

The measure was a plain loop around the handler in one process: what it returned or raised six times over, and how
many descriptors and threads the process then had. Each handler's docstring tells it; a comment `# cause` marks the
lines that cause the verdict.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ticketctl.warmstart.report.model import Report, Verdict

SQS = {
    "Records": [
        {
            "messageId": "m1",
            "receiptHandle": "r1",
            "body": "{}",
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
            "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:tickets",
            "awsRegion": "us-east-1",
        }
    ]
}
API = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {"host": "localhost"},
    "requestContext": {
        "domainName": "localhost",
        "http": {
            "method": "GET",
            "path": "/",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "",
        },
        "stage": "$default",
    },
    "isBase64Encoded": False,
}


@dataclass(frozen=True)
class Case:
    name: str
    verdict: str
    failure: str = ""
    needs: tuple[str, ...] = ()
    events: tuple[Any, ...] = ({},)
    environment: dict[str, str] = field(default_factory=dict)


COLD_ONLY = ({"ask": True, "tasks": 2}, {}, {}, {}, {})
SOMETIMES = ({}, {"fail": True})
OTHER_LOOP = "attached to a different loop"
CLOSED = "Event loop is closed"

CASES = [
    Case("abstract_server", "safe"),
    Case("aiobotocore_per_loop", "safe", needs=("aiobotocore", "http")),
    Case("aiobotocore_shared", "broken", CLOSED, needs=("aiobotocore", "http")),
    Case("aiohttp_per_loop", "safe", needs=("aiohttp", "http")),
    Case("aiohttp_shared", "broken", CLOSED, needs=("aiohttp", "http")),
    Case("cache_that_fills", "safe", needs=("http",)),
    Case("asyncpg_connection", "broken", OTHER_LOOP, needs=("postgres",)),
    Case("asyncpg_pool", "broken", "another operation is in progress", needs=("postgres",)),
    Case("asyncpg_pool_per_loop", "safe", needs=("postgres",)),
    Case("asyncpg_pool_uvloop", "broken", "another operation is in progress", needs=("uvloop", "postgres")),
    Case("child_left", "leaking"),
    Case("collector_off", "leaking"),
    Case("default_grows", "leaking"),
    Case("client_per_loop_cache", "safe", needs=("http",)),
    Case("descriptor_copied", "leaking"),
    Case("engine_dispose_always", "safe", needs=("postgres",), events=SOMETIMES),
    Case("engine_dispose_on_success", "broken", OTHER_LOOP, needs=("postgres",), events=SOMETIMES),
    Case("engine_per_loop", "leaking", needs=("postgres",)),
    Case("error_swallowed", "masked"),
    Case("errors_expected", "safe"),
    Case("event_cleared", "broken", "is bound to a different event loop"),
    Case("executor", "safe"),
    Case("fire_and_forget", "masked"),
    Case("forked_child_returns", "broken", "returned from the handler as well"),
    Case("generator_left_open", "masked"),
    Case("httpx_left_open", "leaking", needs=("http",)),
    Case("httpx_no_keepalive", "safe", needs=("http",)),
    Case("httpx_per_loop", "safe", needs=("http",)),
    Case("httpx_shared", "broken", CLOSED, needs=("http",)),
    Case("list_grows", "leaking"),
    Case("lock_contended", "broken", "is bound to a different event loop"),
    Case("lock_contended_once", "masked", events=COLD_ONLY),
    Case("lock_uncontended", "safe"),
    Case("log_handlers_grow", "leaking"),
    Case("log_stream_closed", "masked"),
    Case("loop_in_thread", "safe", needs=("http",)),
    Case("loop_never_closed", "leaking"),
    Case("mangum_alone", "safe", needs=("mangum", "http"), events=(API,)),
    Case(
        "mangum_beside_asyncio_run",
        "broken",
        "no current event loop",
        needs=("mangum", "http"),
        events=(API,),
    ),
    Case("pipe_left", "leaking"),
    Case("powertools_batch", "safe", needs=("aws_lambda_powertools", "http"), events=(SQS,)),
    Case(
        "powertools_batch",
        "broken",
        CLOSED,
        needs=("aws_lambda_powertools", "http"),
        events=(SQS,),
        environment={"LAMBDA_TASK_ROOT": ""},
    ),
    Case("process_awaited", "safe"),
    Case("process_kept", "leaking"),
    Case("process_reparented", "leaking"),
    Case("psycopg_pool_per_loop", "safe", needs=("psycopg_pool", "postgres")),
    Case("psycopg_pool_shared", "masked", needs=("psycopg_pool", "postgres")),
    Case("redis_per_loop", "safe", needs=("redis",)),
    Case("redis_shared", "broken", CLOSED, needs=("redis",)),
    Case("response_kept", "safe", needs=("http",)),
    Case("run_until_complete", "safe", needs=("http",)),
    Case("runner", "safe", needs=("postgres",)),
    Case("runner_timeouts", "safe"),
    Case("server_left", "leaking"),
    Case("socket_every_third_call", "leaking", needs=("http",)),
    Case("socket_pairs", "leaking"),
    Case("streams_cached_by_loop", "leaking", needs=("http",)),
    Case("streams_idle", "masked", needs=("http",), events=COLD_ONLY),
    Case("streams_per_loop", "safe", needs=("http",)),
    Case("streams_shared", "broken", OTHER_LOOP, needs=("http",)),
    Case("subprocess_left", "broken", OTHER_LOOP),
    Case("sync_warm", "safe", needs=("psycopg", "postgres")),
    Case("task_group", "safe"),
    Case("thread_leak", "leaking"),
    Case("timer_left_armed", "safe"),
    Case("timers_grow", "leaking"),
    Case("tmp_deleted", "safe"),
    Case("tmp_grows", "leaking"),
    Case("tmp_log_appended", "safe"),
    Case("tmp_small_files", "leaking"),
    Case("unknown_socket", "masked", needs=("http",), events=COLD_ONLY),
    Case("weak_keys_kept", "leaking"),
]
LIBRARY_CASES = [
    Case("aio_pika_per_loop", "safe", needs=("aio_pika", "amqp")),
    Case("aio_pika_shared", "broken", CLOSED, needs=("aio_pika", "amqp")),
    Case("aiosqlite_left_open", "leaking", needs=("aiosqlite",)),
    Case("aiosqlite_per_loop", "safe", needs=("aiosqlite",)),
    Case("aiosqlite_shared", "safe", needs=("aiosqlite",)),
    Case("anthropic_per_loop", "safe", needs=("anthropic", "json_api")),
    Case("anthropic_shared", "broken", "Connection error", needs=("anthropic", "json_api")),
    Case("anyio_lock_shared", "safe", needs=("anyio",)),
    Case("anyio_streams_per_loop", "safe", needs=("anyio", "http")),
    Case("anyio_streams_shared", "broken", CLOSED, needs=("anyio", "http")),
    Case("async_to_sync_per_call", "safe", needs=("asgiref", "http")),
    Case("async_to_sync_shared", "broken", CLOSED, needs=("asgiref", "http")),
    Case("asyncmy_per_loop", "safe", needs=("asyncmy", "mysql")),
    Case("asyncmy_shared", "broken", OTHER_LOOP, needs=("asyncmy", "mysql")),
    Case("elasticsearch_per_loop", "safe", needs=("elasticsearch", "json_api")),
    Case("elasticsearch_shared", "broken", CLOSED, needs=("elasticsearch", "json_api")),
    Case("grpc_per_loop", "safe", needs=("grpc", "grpc_api")),
    Case("grpc_shared", "broken", CLOSED, needs=("grpc", "grpc_api")),
    Case("langchain_own_client", "safe", needs=("langchain_openai", "json_api")),
    Case("langchain_per_loop", "broken", CLOSED, needs=("langchain_openai", "json_api")),
    Case("langchain_shared", "broken", CLOSED, needs=("langchain_openai", "json_api")),
    Case("openai_per_loop", "safe", needs=("openai", "json_api")),
    Case("openai_shared", "broken", CLOSED, needs=("openai", "json_api")),
    Case("otel_every_time", "leaking", needs=("opentelemetry.exporter.otlp.proto.http", "json_api")),
    Case("otel_once", "safe", needs=("opentelemetry.exporter.otlp.proto.http", "json_api")),
    Case("pydantic_ai_per_loop", "safe", needs=("pydantic_ai", "json_api")),
    Case("pydantic_ai_shared", "leaking", needs=("pydantic_ai", "json_api")),
    Case("pymongo_per_loop", "safe", needs=("pymongo", "mongodb")),
    Case("pymongo_shared", "broken", "different event loop", needs=("pymongo", "mongodb")),
    Case("sentry_every_time", "leaking", needs=("sentry_sdk", "json_api")),
    Case("sentry_once", "safe", needs=("sentry_sdk", "json_api")),
    Case("sqlmodel_null_pool", "safe", needs=("sqlmodel", "postgres")),
    Case("sqlmodel_shared", "broken", OTHER_LOOP, needs=("sqlmodel", "postgres")),
    Case("trio_httpx_shared", "safe", needs=("trio", "http")),
    Case("trio_lock_held", "broken", "exited without releasing", needs=("trio",)),
    Case("trio_streams_per_run", "safe", needs=("trio", "http")),
    Case("trio_streams_shared", "safe", needs=("trio", "http")),
    Case("websockets_per_loop", "safe", needs=("websockets", "websocket")),
    Case("websockets_shared", "broken", OTHER_LOOP, needs=("websockets", "websocket")),
]
"""Handlers with libraries that the development extra leaves out: each runs where its library is installed.

pip install aio-pika aiosqlite anthropic asyncmy 'elasticsearch[async]' grpcio langchain-openai openai \
    opentelemetry-exporter-otlp-proto-http 'pydantic-ai-slim[openai]' pymongo sentry-sdk sqlmodel trio websockets
"""
SERVICES = ("amqp", "grpc_api", "http", "json_api", "mongodb", "mysql", "postgres", "redis", "websocket")


def case_id(case: Case) -> str:
    """The name of a test of it."""
    return f"{case.name}-{case.verdict}"


def marked_lines(corpus: Path, name: str) -> list[str]:
    """Return the lines of a handler that are marked as the cause."""
    lines = (corpus / f"{name}.py").read_text().splitlines()
    return [f"{name}.py:{number}" for number, line in enumerate(lines, 1) if line.endswith("# cause")]


def check_report(report: Report, case: Case, corpus: Path) -> None:
    """Check a report against what was measured: the verdict, the error, and every marked line."""
    assert report.verdict == case.verdict
    if report.verdict == Verdict.SAFE:
        assert report.findings == []
        return
    assert any(case.failure in (invocation.error or "") for invocation in report.invocations)
    told = json.dumps(report.to_json())
    assert all(line in told for line in marked_lines(corpus, case.name))
