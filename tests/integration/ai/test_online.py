"""The LLM provider against a real server that fails in the ways that servers are known to fail."""

import asyncio
import gzip
import json
import time
from dataclasses import replace
from email.utils import formatdate

import pytest

from tests.integration.ai.provider_server import (
    chat,
    claude,
    dripping,
    endless,
    failing,
    http,
    provider_server,
    raw,
)
from ticketctl.ai.budget import Budget
from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.providers import http_client
from ticketctl.ai.providers.account_status import AccountStatus
from ticketctl.ai.providers.error_responses import AccountRefusedError
from ticketctl.ai.providers.http_client import open_client
from ticketctl.ai.providers.llm import LlmProvider
from ticketctl.ai.providers.llm_settings import LlmSettings
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.errors import ConfigError, ProviderError
from ticketctl.processing.deadline import DEADLINE, OutOfTimeError
from ticketctl.tickets.models import Step
from ticketctl.tickets.pricing import Price

TAXONOMY = default_taxonomy()
TICKET = replace(
    ticket_from_text("I was charged twice"),
    body="See invoice INV-2024-001, mail me at ada@example.com. Card 4111 1111 1111 1111, call +49 30 1234567.",
)
GOOD = {
    "category": "billing",
    "priority": "high",
    "sentiment": "negative",
    "language": "en",
    "confidence": 0.93,
}


@pytest.fixture
async def server():
    async with provider_server() as server:
        yield server


@pytest.fixture
def waits():
    """The seconds that the provider waited between attempts, none of which passed."""
    return []


@pytest.fixture
async def provider(server, waits):
    made = []

    async def record(seconds):
        waits.append(seconds)

    async def make(kind="openai", budget=None, account=None, **changes):
        client = open_client(changes.get("timeout", 5.0))
        made.append(client)
        usual = {
            "provider": kind,
            "model": "m-1",
            "base_url": server.url,
            "api_key": "sk-secret",
            "timeout": 5.0,
        }
        settings = LlmSettings(**{**usual, **changes})
        offline = OfflineProvider(TAXONOMY)
        return LlmProvider(
            settings, TAXONOMY, offline, client, budget or Budget({}), account=account, sleep=record
        )

    yield make
    for client in made:
        await client.aclose()


async def test_a_valid_response_becomes_a_classification(server, provider):
    server.replies = [chat(GOOD)]
    answer = await (await provider()).classify(TICKET)
    output = answer.output
    assert (output.category, output.priority, output.confidence, output.method) == (
        "billing",
        "high",
        0.93,
        "model",
    )
    assert (output.review, output.degraded) == ((), False)
    assert (answer.model, answer.input_tokens, answer.output_tokens) == ("m-1", 100, 10)
    (request,) = server.requests
    assert (request.path, request.headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-secret")


async def test_a_valid_anthropic_response_becomes_a_classification(server, provider):
    server.replies = [claude(GOOD)]
    answer = await (await provider("anthropic")).classify(TICKET)
    assert (answer.output.category, answer.input_tokens, answer.output_tokens) == ("billing", 100, 10)
    (request,) = server.requests
    assert (request.path, request.headers["x-api-key"]) == ("/v1/messages", "sk-secret")
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.body["output_config"]["format"]["type"] == "json_schema"
    assert [message["role"] for message in request.body["messages"]] == ["user"]


async def test_personal_data_is_redacted_from_requests(server, provider):
    server.replies = [chat({"reply": "We will write to [EMAIL_1] about card [CARD_1] and INV-2024-001."})]
    provider = await provider()
    classification = (await OfflineProvider(TAXONOMY).classify(TICKET)).output
    extraction = (await OfflineProvider(TAXONOMY).extract(TICKET)).output
    route = TAXONOMY.route(classification, extraction)
    answer = await provider.respond(TICKET, classification, extraction, route)
    draft = answer.output
    sent = json.dumps(server.requests[0].body)
    assert not any(secret in sent for secret in ("ada@example.com", "4111", "+49 30"))
    assert answer.sent in json.loads(sent)["messages"][1]["content"]
    assert draft.text == "We will write to ada@example.com about card •••• 1111 and INV-2024-001.\n"
    assert draft.review == ()


async def test_card_numbers_are_redacted_even_without_redaction(server, provider):
    server.replies = [chat(GOOD)]
    await (await provider(redact=False)).classify(TICKET)
    sent = json.dumps(server.requests[0].body)
    assert "ada@example.com" in sent
    assert "4111" not in sent


async def test_entities_that_the_ticket_does_not_contain_are_dropped(server, provider):
    entities = [
        {"kind": "email", "value": "[EMAIL_1]"},
        {"kind": "invoice_id", "value": "INV-2024-001"},
        {"kind": "order_id", "value": "4711"},
        {"kind": "card", "value": "[CARD_1]"},
        {"kind": "phone", "value": "4111 1111 1111 1111"},
        {"kind": "url", "value": ""},
    ]
    server.replies = [chat({"entities": entities})]
    output = (await (await provider()).extract(TICKET)).output
    assert [(e.kind, e.value) for e in output.entities] == [
        ("invoice_id", "INV-2024-001"),
        ("email", "ada@example.com"),
        ("card", "•••• 1111"),
    ]
    assert all(e.kind == "card" or TICKET.text[e.start : e.end] == e.value for e in output.entities)


BAD = {
    "no JSON at all": chat("I think it is about billing."),
    "JSON of the wrong shape": chat([{"answer": GOOD["category"]}]),
    "a missing field": chat({"category": "billing"}),
    "a category outside the vocabulary": chat({**GOOD, "category": "gardening"}),
    "a priority outside the vocabulary": chat({**GOOD, "priority": "P0"}),
    "a sentiment outside the vocabulary": chat({**GOOD, "sentiment": "furious"}),
    "a language that is none": chat({**GOOD, "language": "English, of course"}),
    "a number as words": chat({**GOOD, "confidence": "high"}),
    "a confidence above one": chat({**GOOD, "confidence": 7}),
    "a confidence below nought": chat({**GOOD, "confidence": -0.1}),
    "NaN": chat(json.dumps(GOOD).replace("0.93", "NaN")),
    "Infinity": chat(json.dumps(GOOD).replace("0.93", "Infinity")),
    "1e999": chat(json.dumps(GOOD).replace("0.93", "1e999")),
    "null": chat("null"),
    "a lone surrogate": chat('{"category": "\\ud800"}'),
    "nothing": chat(""),
    "no text": chat("", content=None),
    "a refusal": chat("", refusal="I cannot help with that."),
    "an answer cut off": chat(json.dumps(GOOD), finish_reason="length"),
    "an answer withheld": chat("", finish_reason="content_filter"),
    "no choices": http(200, b'{"choices": []}'),
    "choices that are none": http(200, b'{"choices": {"0": 1}, "usage": "a lot"}'),
}


@pytest.mark.parametrize("reply", BAD.values(), ids=BAD)
async def test_an_unusable_response_is_requested_once_more(server, provider, reply):
    server.replies = [reply, chat(GOOD)]
    output = (await (await provider()).classify(TICKET)).output
    assert (output.category, output.degraded) == ("billing", False)
    first, second = (request.body["messages"] for request in server.requests)
    assert second[:2] == first
    assert second[2]["role"] == "assistant"
    assert second[3]["content"].startswith("That answer cannot be used: ")


@pytest.mark.parametrize("reply", BAD.values(), ids=BAD)
async def test_two_unusable_responses_fall_back_to_the_offline_engine_and_a_review(server, provider, reply):
    server.replies = [reply]
    answer = await (await provider()).classify(TICKET)
    offline = (await OfflineProvider(TAXONOMY).classify(TICKET)).output
    assert answer.output == replace(offline, degraded=True, review=answer.output.review)
    assert answer.output.review[-1].startswith("the AI provider could not be used: ")
    assert answer.model == "offline-4 for m-1"
    assert len(server.requests) == 2


async def test_the_tokens_of_unusable_responses_are_counted(server, provider):
    server.replies = [chat("no")]
    answer = await (await provider()).classify(TICKET)
    assert (answer.input_tokens, answer.output_tokens) == (200, 20)


@pytest.mark.parametrize(
    "text", ["```json\n{}\n```", "<think>{maybe}</think>\n{}", "Here you are: {} I hope this helps."]
)
async def test_a_json_object_is_found_between_other_text(server, provider, text):
    server.replies = [chat(text.replace("{}", json.dumps(GOOD)))]
    assert (await (await provider()).classify(TICKET)).output.category == "billing"


@pytest.mark.parametrize(("kind", "reason"), [("refusal", "refused"), ("max_tokens", "cut off")])
async def test_anthropic_stop_reasons_make_a_response_unusable(server, provider, kind, reason):
    server.replies = [claude(GOOD, kind)]
    output = (await (await provider("anthropic")).classify(TICKET)).output
    assert output.degraded
    assert reason in output.review[-1]


FAILS = {
    "500 HTML": http(500, b"<html><style>x{}</style><h1>Internal <b>error</b></h1></html>"),
    "502 empty": http(502, b""),
    "529": failing(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "429": failing(
        429, {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit"}}
    ),
    "408": failing(408, {"error": "timeout"}),
    "409": failing(409, {"detail": "conflict"}),
    "invalid JSON": http(200, b'{"choices": ['),
    "invalid UTF-8": http(200, b'{"choices": "\xff"}'),
    "JSON that is no object": http(200, b"[]"),
    "an error with status 200": http(200, b'{"error": {"message": "no"}}'),
    "a body cut off": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"),
    "no answer at all": raw(b""),
    "no HTTP": raw(b"220 mail.example.com ESMTP\r\n"),
    "a broken encoding": http(200, b"not gzip", "content-encoding: gzip\r\n"),
}


@pytest.mark.parametrize("reply", FAILS.values(), ids=FAILS)
async def test_transient_failures_are_retried(server, provider, waits, reply):
    server.replies = [reply, reply, chat(GOOD)]
    assert (await (await provider()).classify(TICKET)).output.category == "billing"
    assert len(server.requests) == 3
    assert 0.3 <= waits[0] <= 0.5 < waits[1] <= 1.0


@pytest.mark.parametrize("reply", FAILS.values(), ids=FAILS)
async def test_persistent_failures_fall_back_to_the_offline_engine(server, provider, waits, reply):
    server.replies = [reply]
    output = (await (await provider(retries=2)).classify(TICKET)).output
    assert output.degraded
    assert "\n" not in output.review[-1]
    assert "<" not in output.review[-1]
    assert (len(server.requests), len(waits)) == (3, 2)


async def test_an_unreachable_server_falls_back_to_the_offline_engine(provider, waits):
    closed = "http://127.0.0.1:1/v1"
    output = (await (await provider(base_url=closed)).classify(TICKET)).output
    assert output.degraded
    assert "cannot be reached" in output.review[-1]
    assert len(waits) == 3


@pytest.mark.parametrize(
    ("header", "lowest", "highest"),
    [
        ("retry-after: 7", 7, 7),
        ("retry-after-ms: 250", 0.25, 0.25),
        ("retry-after-ms: 250\r\nretry-after: 9", 0.25, 0.25),
        ("retry-after: soon", 0.3, 0.5),
        ("retry-after: nan", 0.3, 0.5),
        ("retry-after-ms: -5", 0.3, 0.5),
    ],
)
async def test_retry_after_in_seconds_is_respected(server, provider, waits, header, lowest, highest):
    server.replies = [failing(429, {"error": "slow down"}, f"{header}\r\n"), chat(GOOD)]
    assert not (await (await provider()).classify(TICKET)).output.degraded
    assert lowest <= waits[0] <= highest


@pytest.mark.parametrize(("seconds", "lowest", "highest"), [(40, 20, 40), (-40, 0, 0)])
async def test_retry_after_as_a_date_is_respected(server, provider, waits, seconds, lowest, highest):
    date = formatdate(time.time() + seconds, usegmt=True)
    server.replies = [failing(429, {"error": "slow down"}, f"retry-after: {date}\r\n"), chat(GOOD)]
    assert not (await (await provider()).classify(TICKET)).output.degraded
    assert lowest <= waits[0] <= highest


async def test_a_long_retry_after_is_not_waited_for(server, provider, waits):
    server.replies = [failing(429, {"error": "slow down"}, "retry-after: 3600\r\n")]
    assert (await (await provider()).classify(TICKET)).output.degraded
    assert (len(server.requests), waits) == (1, [])


MONEY = {
    "no quota": failing(429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
    "no credit": failing(429, {"error": {"message": "Pay", "type": "x", "code": "credit_balance_exhausted"}}),
    "limit": failing(429, {"error": {"message": "Pay", "code": "organization_spend_limit_exceeded"}}),
    "tier": failing(429, {"error": {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}}),
    "402": failing(402, {"error": {"type": "billing_error", "message": "Pay"}}),
}  # fmt: skip


@pytest.mark.parametrize("reply", MONEY.values(), ids=MONEY)
async def test_billing_errors_are_not_retried_and_count_against_the_account(server, provider, waits, reply):
    server.replies = [reply]
    account = AccountStatus()
    output = (await (await provider(account=account)).classify(TICKET)).output
    assert output.degraded
    assert (account.failures, len(server.requests), waits) == (1, 1, [])
    assert account.error.partition(" (")[0] in output.review[-1]


@pytest.mark.parametrize("reply", MONEY.values(), ids=MONEY)
async def test_an_evaluation_stops_at_a_billing_error(server, provider, reply):
    server.replies = [reply]
    with pytest.raises(AccountRefusedError) as error:
        await (await provider(raise_account_errors=True)).classify(TICKET)
    assert error.value.exit_status == 7
    assert "no money" in error.value.hint


@pytest.mark.parametrize(
    ("status", "body", "message", "is_account_wide"),
    [
        (401, {"error": {"message": "Incorrect API key"}}, "answers 401: Incorrect API key", True),
        (403, {"message": "not allowed"}, "answers 403: not allowed", True),
        (403, {"error": {"message": "flagged", "metadata": {"reasons": ["x"]}}}, "answers 403: flagged", False),
        (404, {"error": "no such model"}, "answers 404: no such model", True),
        (404, "gone", "answers 404: gone", True),
        (413, {"odd": 1}, 'answers 413: {"odd":1}', False),
        (302, None, "answers 302: null", True),
        (401, {"error": {"message": "\x1b[31mred\x1b[0m\nline " + "x" * 500}}, "answers 401: [31mred [0m line x", True),
        (401, {"error": {"message": "the key sk-secret is wrong"}}, "answers 401: the key ******** is wrong", True),
    ],
)  # fmt: skip
async def test_permanent_errors_are_not_retried(
    server, provider, waits, status, body, message, is_account_wide
):
    server.replies = [failing(status, body)]
    account = AccountStatus()
    output = (await (await provider(account=account)).classify(TICKET)).output
    assert output.degraded
    assert message in output.review[-1]
    assert len(output.review[-1]) < 400
    assert "sk-secret" not in output.review[-1]
    assert (account.failures > 0) == is_account_wide
    assert (len(server.requests), waits) == (1, [])


async def test_a_response_ends_a_series_of_refusals(server, provider):
    refused = failing(401, {"error": {"message": "no"}})
    server.replies = [refused, refused, chat(GOOD)]
    account = AccountStatus()
    provider = await provider(account=account)
    for failures in (1, 2, 0):
        await provider.classify(TICKET)
        assert account.failures == failures


@pytest.mark.parametrize(
    ("reply", "is_refused"),
    [
        (failing(401, {"error": "no"}), True),
        (failing(402, {"error": "pay"}), True),
        (failing(400, {"error": "max_tokens is too small"}), False),
        (chat(""), False),
    ],
)
async def test_the_account_is_checked_with_one_small_request(server, provider, reply, is_refused):
    server.replies = [reply]
    assert (await (await provider()).check_account() is not None) == is_refused
    (request,) = server.requests
    assert len(json.dumps(request.body)) < 150


@pytest.mark.parametrize("status", [400, 422, 501])
async def test_a_refused_response_format_is_replaced_by_a_simpler_one(server, provider, status):
    refused = failing(status, {"error": {"message": "response_format is not supported"}})
    server.replies = [refused, refused, chat(GOOD)]
    provider = await provider()
    assert (await provider.classify(TICKET)).output.category == "billing"
    assert (await provider.classify(TICKET)).output.category == "billing"
    forms = [request.body.get("response_format", {}).get("type") for request in server.requests]
    assert forms == ["json_schema", "json_object", None, None]
    assert '"enum"' not in server.requests[0].body["messages"][0]["content"]
    assert '"enum"' in server.requests[2].body["messages"][0]["content"]


async def test_a_request_refused_in_every_format_falls_back_to_the_offline_engine(server, provider):
    server.replies = [failing(400, {"error": {"message": "bad request"}})]
    output = (await (await provider()).classify(TICKET)).output
    assert output.degraded
    assert "bad request" in output.review[-1]
    assert len(server.requests) == 3


@pytest.mark.parametrize("url", ["http://[::1", "notaurl", "ftp://127.0.0.1/x"])
async def test_an_invalid_address_falls_back_to_the_offline_engine(provider, waits, url):
    output = (await (await provider(base_url=url)).classify(TICKET)).output
    assert "address cannot be used" in output.review[-1]
    assert waits == []


LONG = {
    "without end": endless,
    "too long": http(200, b" " * (http_client.MAX_RESPONSE_BYTES + 1)),
    "an error of that length": http(500, b"x" * (http_client.MAX_RESPONSE_BYTES + 1)),
    "blown up": http(
        200, gzip.compress(b" " * 20 * http_client.MAX_RESPONSE_BYTES), "content-encoding: gzip\r\n"
    ),
}


@pytest.mark.parametrize("reply", LONG.values(), ids=LONG)
async def test_an_oversized_response_is_abandoned(server, provider, waits, reply):
    server.replies = [reply]
    output = (await (await provider()).classify(TICKET)).output
    assert output.degraded
    assert "answer is longer than 4,000,000 bytes" in output.review[-1]
    assert (len(server.requests), waits) == (1, [])


async def test_an_endless_response_times_out(server, provider, waits):
    server.replies = [dripping]
    output = (await (await provider(timeout=0.5, max_response_seconds=0.5)).classify(TICKET)).output
    assert output.degraded
    assert "did not finish its answer within 0.5 s" in output.review[-1]
    assert (len(server.requests), waits) == (1, [])


async def test_a_slow_server_times_out(server, provider, waits):
    server.replies = [http(200, b"{}", after=5.0)]
    output = (await (await provider(timeout=0.05, retries=1)).classify(TICKET)).output
    assert output.degraded
    assert "did not answer in time" in output.review[-1]
    assert len(waits) == 1


async def test_a_closed_connection_is_replaced(server, provider):
    server.replies = [chat(GOOD, then_close=True)]
    provider = await provider()
    for _ in range(3):
        assert (await provider.classify(TICKET)).output.category == "billing"
    assert len(server.requests) == 3


async def test_a_connection_is_reused(server, provider):
    server.replies = [chat(GOOD)]
    provider = await provider()
    for _ in range(3):
        await provider.classify(TICKET)
    assert server.connections == 1


async def test_no_wait_exceeds_the_deadline(server, provider, waits):
    server.replies = [failing(429, {"error": "slow down"}, "retry-after: 20\r\n")]
    DEADLINE.set(time.monotonic() + 10)
    assert (await (await provider()).classify(TICKET)).output.degraded
    assert (len(server.requests), waits) == (1, [])


async def test_a_deadline_that_ends_a_request_early_is_no_failure_of_the_provider(server, provider):
    server.replies = [http(200, b"{}", after=30.0)]
    DEADLINE.set(time.monotonic() + http_client.RESERVED_SECONDS + 0.1)
    with pytest.raises(OutOfTimeError, match="in the time left"):
        await (await provider()).classify(TICKET)


async def test_a_provider_that_had_its_time_is_slow(server, provider):
    DEADLINE.set(time.monotonic() + http_client.RESERVED_SECONDS + 0.6)
    # the read timeout of 0.5 s would pass first: the server sends its head in time, and its body never
    server.replies = [dripping]
    output = (await (await provider(timeout=0.5)).classify(TICKET)).output
    assert output.degraded
    assert "did not answer within" in output.review[-1]


async def test_no_request_is_sent_after_the_deadline(server, provider):
    DEADLINE.set(time.monotonic())
    with pytest.raises(OutOfTimeError):
        await (await provider()).classify(TICKET)
    assert server.requests == []


async def test_concurrent_requests_are_limited(server, provider):
    under_way, most = 0, 0
    good = chat(GOOD)

    async def counted(writer):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return await good(writer)

    server.replies = [counted]
    provider = await provider(max_concurrency=3)
    await asyncio.gather(*(provider.classify(TICKET) for _ in range(12)))
    assert most == 3


async def test_an_exhausted_budget_stops_requests(server, provider):
    server.replies = [chat(GOOD)]
    budget = Budget({"m-1": Price(input=10.0, output=100.0)}, limit=0.003)
    provider = await provider(budget=budget)
    await provider.classify(TICKET)
    assert budget.spent == pytest.approx(0.002)
    await provider.classify(TICKET)
    with pytest.raises(ProviderError, match=r"the budget of 0\.003 is spent"):
        await provider.classify(TICKET)
    assert len(server.requests) == 2


async def test_a_budget_needs_a_price(provider):
    with pytest.raises(ProviderError, match="the price of the model m-1 is unknown"):
        await (await provider(budget=Budget({}, limit=1.0))).classify(TICKET)


async def test_a_step_can_have_its_own_model(server, provider):
    server.replies = [chat({"entities": []})]
    answer = await (await provider(models={Step.EXTRACT: "m-2"})).extract(TICKET)
    assert (answer.model, server.requests[0].body["model"]) == ("m-2", "m-2")


async def test_fingerprints_depend_on_the_request(provider):
    changes = [
        {},
        {"model": "m-2"},
        {"models": {Step.CLASSIFY: "m-3"}},
        {"redact": False},
        {"kind": "anthropic"},
    ]
    prints = {(await provider(**change)).fingerprint(Step.CLASSIFY) for change in changes}
    assert len(prints) == len(changes)
    assert (await provider()).fingerprint(Step.CLASSIFY) in prints


async def test_a_public_server_needs_a_key(provider):
    with pytest.raises(ConfigError, match="openai needs a key") as error:
        await provider(api_key=None, base_url=None)
    assert "TICKETCTL_AI_API_KEY" in error.value.hint


async def test_a_custom_server_needs_no_key(server, provider):
    server.replies = [chat(GOOD)]
    await (await provider(api_key=None)).classify(TICKET)
    assert "authorization" not in server.requests[0].headers


def test_the_repr_of_settings_hides_the_key():
    assert "sk-secret" not in repr(LlmSettings(provider="openai", model="m", api_key="sk-secret"))


async def test_what_is_no_ticket_is_never_sent(provider, server):
    bounce = ticket_from_text(
        "Undelivered Mail Returned to Sender\n\nThis is the mail system at host mx.example."
    )
    output = (await (await provider()).classify(bounce)).output
    assert (output.kind, output.category, output.priority) == ("bounce", None, "low")
    assert server.requests == []
