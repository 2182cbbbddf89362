"""No answer of an AI provider fails a ticket: the worker's batch, a real database, a real server that misbehaves."""

import time
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.integration.ai.misbehaviours import ANTHROPIC, GOOD, OPENAI
from tests.integration.ai.provider_server import failing, provider_server
from ticketctl.ai.budget import Budget
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.providers.http_client import open_client
from ticketctl.ai.providers.llm import LlmProvider
from ticketctl.ai.providers.llm_settings import LlmSettings
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.processing.batch import Limits, process
from ticketctl.processing.pipeline import Pipeline
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import NewTicket

TAXONOMY = default_taxonomy()
CASES = {
    f"{provider}: {name}": (provider, misbehaviour)
    for provider, table in (("openai", OPENAI), ("anthropic", ANTHROPIC))
    for name, misbehaviour in table.items()
}


def test_the_tables_are_long_enough():
    counts = Counter(provider for provider, _ in CASES.values())
    assert counts["openai"] >= 45
    assert counts["anthropic"] >= 17


async def run_ticket(store, server, provider="openai", answer_timeout=30.0):
    """Run one ticket through the worker's batch; return its result, its details and the waits between attempts."""
    waits = []

    async def record(seconds):
        waits.append(seconds)

    async with open_client(answer_timeout) as client:
        settings = LlmSettings(
            provider=provider,
            model="m",
            base_url=server.url,
            api_key="sk-secret",
            timeout=answer_timeout,
            retries=2,
            max_response_seconds=2 * answer_timeout,
        )
        llm = LlmProvider(settings, TAXONOMY, OfflineProvider(TAXONOMY), client, Budget({}), sleep=record)
        ticket, _ = await store.create(
            NewTicket(subject="Charged twice", body="Please check the invoice INV-2024-001.")
        )
        (result,) = await process(
            [TicketMessage(message_id=str(uuid4()), ticket_id=ticket.id)],
            Pipeline(store=store, provider=llm, router=TAXONOMY),
            Limits(deadline=time.monotonic() + 60, lease=timedelta(minutes=2), max_receive_count=5),
            environment_id="test",
        )
    return result, await store.get_details(ticket.id), waits


async def test_answers_are_kept_when_another_step_is_refused(store):
    refused = failing(400, {"error": {"message": "no", "code": "content_filter"}})
    async with provider_server() as server:
        server.choose = lambda request: refused if "entities" in str(request.body) else GOOD
        result, details, _ = await run_ticket(store, server)
    assert (result.error, details.ticket.status, details.ticket.category) == (None, "needs_review", "billing")
    degraded = {str(step.step): step.output.get("degraded", False) for step in details.steps}
    assert degraded == {"classify": False, "extract": True, "route": False, "respond": False}


@pytest.mark.parametrize(("provider", "misbehaviour"), CASES.values(), ids=CASES)
async def test_no_answer_fails_a_ticket(store, provider, misbehaviour):
    async with provider_server() as server:
        server.choose = lambda request: misbehaviour.choose(request.body, len(server.requests) - 1)
        result, details, waits = await run_ticket(store, server, provider, misbehaviour.timeout)
    assert result.error is None
    assert details.ticket.status == misbehaviour.status
    reasons = [reason for step in details.steps for reason in step.output.get("review") or ()]
    assert misbehaviour.reason in " ".join(reasons)
    assert "sk-secret" not in str(details)
    if misbehaviour.status == "processed":
        assert details.ticket.draft == "We are looking into INV-2024-001.\n"
    assert len(waits) <= 6
