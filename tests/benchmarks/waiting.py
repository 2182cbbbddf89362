"""What waiting for an AI provider costs: the time of a batch, and the backends of many environments."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice

from tests.benchmarks.bench import Bench, event_of, query
from tests.benchmarks.measure import Comparison, stopwatch
from tests.chat_server import ChatServer, serve_chat
from ticketctl.settings import Settings
from ticketctl.worker import Worker

RECORDS = 10
CALL = 1.0
"""Seconds that a call of the provider takes."""
ENVIRONMENTS = 200
PROCESSES = 4
SAMPLES = 10
APPLICATION = "ticketctl-waiting"

_BACKENDS = "select count(*) from pg_stat_activity where application_name = $1"


@contextmanager
def batch(bench: Bench) -> Iterator[list[Comparison]]:
    """A batch whose calls overlap takes two of them: classify and extract at once, then respond.

    The worker asks a server over HTTP. It is warm, and keeps no connection from batch to batch.
    """
    with serve_chat() as model, closing(Worker(_asking(bench, model))) as worker:
        tickets = bench.tickets()

        def ours() -> float:
            event = event_of(list(islice(tickets, RECORDS)))
            with stopwatch() as elapsed:
                results = worker.invoke(event, None)
            if any(result.error is not None for result in results):
                raise RuntimeError("a record failed")
            return elapsed()

        yield [
            Comparison(
                what=f"batch of {RECORDS}, each AI call over HTTP {CALL:g} s",
                ours=ours,
                against="two calls",
                baseline=lambda: 2 * CALL,
                budget=1.1,
                share=0.5,
            )
        ]


def _asking(bench: Bench, model: ChatServer) -> Settings:
    """The settings of a worker that asks this model, which takes its time."""
    model.delay = CALL
    return Settings(database_url=bench.url, ai_provider="openai", ai_base_url=model.url, ai_model="slow")


@contextmanager
def backends(bench: Bench) -> Iterator[list[Comparison]]:
    """Backends that environments hold while all of them wait for the provider."""
    yield [
        Comparison(
            what=f"backends, {ENVIRONMENTS} environments waiting on AI",
            ours=lambda: _backends_held(bench),
            against="one for each environment",
            baseline=lambda: ENVIRONMENTS,
            budget=0.1,
            share=0.1,
            unit="backends",
        )
    ]


def _backends_held(bench: Bench) -> float:
    """The most that the server showed while every environment waited. Raises RuntimeError where one failed."""
    tickets = bench.tickets()
    with ExitStack() as children:
        started = [
            children.enter_context(_environments(bench, list(islice(tickets, ENVIRONMENTS // PROCESSES))))
            for _ in range(PROCESSES)
        ]
        if any(child.stdout.readline() != "waiting\n" for child in started if child.stdout):
            raise RuntimeError("an environment ended before its provider was asked")
        held = max(_sampled(bench.url) for _ in range(SAMPLES))
        for child in started:
            child.communicate("go on\n")
        if any(child.returncode for child in started):
            raise RuntimeError("an environment failed")
    return held


@contextmanager
def _environments(bench: Bench, ticket_ids: list[int]) -> Iterator["subprocess.Popen[str]"]:
    """A process of many environments, one for each ticket; it ends with the block."""
    command = [sys.executable, "-m", "tests.benchmarks.children.environments", bench.url, APPLICATION]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            if child.stdin:
                child.stdin.write(json.dumps(ticket_ids) + "\n")
                child.stdin.flush()
            yield child
        finally:
            child.kill()


def _sampled(url: str) -> int:
    time.sleep(0.1)
    (row,) = query(url, _BACKENDS, APPLICATION)
    return int(row["count"])
