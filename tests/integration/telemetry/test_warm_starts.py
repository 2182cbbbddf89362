"""Telemetry across warm starts, in the laboratory."""

from collections.abc import Callable

import pytest

from tests.fakes import NOON
from tests.otlp_receiver import otlp_receiver
from ticketctl.diagnostics.simulation import SimulationPlan, simulate
from ticketctl.postgres.address import Address
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, build_event
from ticketctl.warmstart.runner.local_function import LocalFunction

PAIRS = [("null", "run-per-invocation"), ("queue-pre-ping", "runner"), ("null", "mangum")]


async def test_telemetry_keeps_safe_configurations_safe(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        plan = SimulationPlan(
            settings=Settings(), server=Address.parse(server), ours=True, pairs=PAIRS, times=5
        )
        cells = await simulate(plan, lambda: None)
    assert [(cell.report.verdict, cell.report.findings) for cell in cells] == [("safe", [])] * 3
    # each invocation has sent its spans before it ended: five and the thaw, in the one environment of each pair
    invocations = [span for span in receiver.spans if span.name in {"process batch", "POST /tickets"}]
    assert len(invocations) == len(PAIRS) * 6
    assert len({span.trace for span in invocations}) == len(invocations), "no context survives its invocation"


async def test_a_worker_that_is_stopped_sends_its_last_metrics(
    emptied_url: str, ask: Callable[[str], str]
) -> None:
    with otlp_receiver() as receiver:
        variables = {
            "TICKETCTL_DATABASE_URL": emptied_url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "AWS_LAMBDA_LOG_LEVEL": "ERROR",
        }
        function = LocalFunction("ticketctl.worker:handler", name="worker", environment=variables)
        await function.start()
        for number in range(3):
            made = ask("insert into tickets (subject) values ('I was charged twice') returning id")
            message = TicketMessage(message_id=f"m-{number}", ticket_id=int(made.split()[0]))
            await function.invoke(build_event([message], sent_at=NOON), timeout=30)
        await function.stop()
    assert receiver.metrics["ticketctl.tickets"] == [({"ticketctl.outcome": "processed"}, 3)]
