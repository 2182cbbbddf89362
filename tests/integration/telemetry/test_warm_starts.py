"""Telemetry across warm starts, in the laboratory."""

import pytest

from tests.otlp_receiver import otlp_receiver
from ticketctl.diagnostics.simulation import SimulationPlan, simulate
from ticketctl.postgres.address import Address
from ticketctl.settings import Settings

PAIRS = [("null", "run-per-invocation"), ("queue-pre-ping", "runner"), ("null", "mangum")]


async def test_telemetry_keeps_safe_configurations_safe(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        plan = SimulationPlan(
            settings=Settings(), server=Address.parse(server), ours=True, pairs=PAIRS, times=5
        )
        cells = await simulate(plan, lambda: None)
    assert [(cell.report.verdict, cell.report.findings) for cell in cells] == [("safe", [])] * 3
    # each invocation has sent its spans before it ended: five, the thaw, and five with the collector off
    invocations = [span for span in receiver.spans if span.name in {"process batch", "POST /tickets"}]
    assert len(invocations) == len(PAIRS) * 11
    assert len({span.trace for span in invocations}) == len(invocations), "no context survives its invocation"
