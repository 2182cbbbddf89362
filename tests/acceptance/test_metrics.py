"""`/metrics` of `serve`: what it counts, who may read it, and what it says without its library."""

import json
import sys
from collections.abc import Callable, Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.program import Program
from tests.serving import serve
from ticketctl.api import server

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"ticketctl_{name}", frozenset(labels.items())]


def test_requests_tickets_and_what_waits_are_counted(ticketctl: Program, ask: Callable[[str], str]) -> None:
    with serve(ticketctl.environment) as running, running.open_client() as client:
        for _ in range(3):
            assert client.post("/tickets", json={"subject": "x"}).status_code == 201
        ask(
            "update tickets set created_at = now() - interval '1 hour' where id = (select min(id) from tickets);"
            "update messages set enqueued_at = now() - interval '1 hour' where ticket_id = (select min(id) from tickets)"
        )
        for path in ("/tickets/2147483647", "/nowhere/1", "/nowhere/2"):
            assert client.get(path).status_code == 404
        assert client.patch("/tickets/2147483647", json={"team": "support"}).status_code == 404
        assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
        response = client.get("/metrics")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/plain; version=")
        samples = parse(response.text)
        ask("alter table tickets rename to gone")
        try:
            degraded = client.get("/metrics")
        finally:
            ask("alter table gone rename to tickets")
    assert value(samples, "tickets", status="new") == 3
    assert value(samples, "tickets", status="failed") == 0
    assert value(samples, "queue_messages") == 3
    assert value(samples, "oldest_new_ticket_age_seconds") >= 3600
    assert value(samples, "stuck_tickets") == 1
    assert value(samples, "scrape_success") == 1
    created = {"method": "POST", "route": "/tickets"}
    assert value(samples, "http_requests_total", **created, status="201") == 3
    assert value(samples, "http_request_duration_seconds_count", **created) == 3
    assert (
        value(samples, "http_requests_total", method="GET", route="/tickets/{ticket_id}", status="404") == 1
    )
    assert (
        value(samples, "http_requests_total", method="PATCH", route="/tickets/{ticket_id}", status="404") == 1
    )
    assert value(samples, "http_requests_total", method="GET", route="none", status="404") == 2
    assert degraded.status_code == 200
    after = parse(degraded.text)
    assert value(after, "scrape_success") == 0
    assert value(after, "http_requests_total", method="GET", route="/metrics", status="200") == 1


async def test_without_the_library_the_answer_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "ticketctl.api.prometheus", raising=False)
    assert server._make_metrics(None) is None
    response = await server._explain_missing_metrics(None)
    assert response.status_code == 404
    assert json.loads(bytes(response.body))["hint"] == "pip install 'ticketctl[metrics]'"
