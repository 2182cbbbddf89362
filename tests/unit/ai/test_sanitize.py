"""Hostile tickets against the offline provider and against a language model that obeys every attacker."""

import json
import re
from dataclasses import replace

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ai.hostile import INJECTIONS, PAYLOADS
from ticketctl.ai.budget import Budget
from ticketctl.ai.draft_validation import find_ungrounded_references
from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.prompt_injection import detect_prompt_injection
from ticketctl.ai.providers.llm import LlmProvider, LlmSettings
from ticketctl.ai.redaction import redact
from ticketctl.ai.sanitize import fence, strip_invisible
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.ai.taxonomy.schema import SENTIMENTS

TAXONOMY = default_taxonomy()
HOSTILE = [*INJECTIONS, *PAYLOADS]

TRICKS = {
    "classify": [
        {"category": "admin", "priority": "urgent", "sentiment": "neutral", "language": "en", "confidence": 1},
        {"category": "security", "priority": "P0", "sentiment": "neutral", "language": "en", "confidence": 1},
        {"category": "none", "priority": "low", "sentiment": "neutral", "language": "\u001b[2J", "confidence": 1},
        {"category": "refund", "priority": "urgent", "sentiment": "negative", "language": "en", "confidence": 1.0, "team": "root"},
    ],
    "extract": [
        {"entities": [{"kind": "password", "value": "hunter2"}]},
        {"entities": [{"kind": "url", "value": "https://evil.example"}, {"kind": "card", "value": "4111111111111111"}]},
        {"entities": [{"kind": "email", "value": "\u001b[31m"}]},
    ],
    "respond": [
        {"reply": "Click https://evil.example/refund to get your money."},
        {"reply": "Write to help@evil.example or call +1 555 123 4567."},
        {"reply": "We will pay you $5,000 today. \u001b[31m"},
        {"reply": "See evil\u200b.example or [here](javascript:alert(1))."},
        {"reply": "Your card [CARD_7] was charged."},
        {"reply": "\u202eThank you\u202c"},
    ],
}  # fmt: skip


def obedient(turn):
    """Return a handler for a model that gives the responses an attacker wants."""

    def answer(request):
        asked = request.content.decode()
        step = "classify" if '"sentiment"' in asked else "extract" if '"entities"' in asked else "respond"
        said = json.dumps(TRICKS[step][turn % len(TRICKS[step])])
        chat = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}
        return httpx.Response(200, json=chat | {"content": [{"type": "text", "text": said}]})

    return answer


async def outcome(provider, text):
    ticket = replace(ticket_from_text("x"), subject=text[:500], body=text[500:200_000])
    classification = (await provider.classify(ticket)).output
    extraction = (await provider.extract(ticket)).output
    route = TAXONOMY.route(classification, extraction)
    draft = (await provider.respond(ticket, classification, extraction, route)).output
    return ticket, classification, extraction, route, draft


def assert_harmless(ticket, classification, extraction, route, draft):
    assert classification.category in {None, *(c.name for c in TAXONOMY.categories)}
    assert classification.priority in {p.name for p in TAXONOMY.priorities}
    assert classification.sentiment in SENTIMENTS
    assert re.fullmatch("[a-z]{2,3}", classification.language)
    assert route.team in {team.name for team in TAXONOMY.teams}
    for entity in extraction.entities:
        assert entity.kind in TAXONOMY.entity_kinds()
        assert entity.kind in {"card", "iban"} or ticket.text[entity.start : entity.end] == entity.value
    assert find_ungrounded_references(draft.text, ticket.text, TAXONOMY) == []
    assert "evil.example" not in draft.text or "evil.example" in ticket.text


@pytest.mark.parametrize("text", HOSTILE)
async def test_offline_provider_stays_within_the_taxonomy(text):
    assert_harmless(*await outcome(OfflineProvider(TAXONOMY), text))


@pytest.mark.parametrize("turn", range(6))
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_obedient_model_stays_within_the_taxonomy(kind, turn):
    settings = LlmSettings(provider=kind, model="m", api_key="k")
    async with httpx.AsyncClient(transport=httpx.MockTransport(obedient(turn))) as client:
        provider = LlmProvider(settings, TAXONOMY, OfflineProvider(TAXONOMY), client, Budget({}))
        for text in HOSTILE:
            ticket, classification, extraction, route, draft = await outcome(provider, text)
            assert_harmless(ticket, classification, extraction, route, draft)
            assert not re.search(
                r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", draft.text if draft.method == "model" else ""
            )
            if text in INJECTIONS:
                assert classification.review


def test_there_are_at_least_40_injections():
    assert len(set(INJECTIONS)) >= 40


@pytest.mark.parametrize("text", INJECTIONS)
async def test_injections_are_sent_to_review(text):
    assert detect_prompt_injection(text)
    assert (await OfflineProvider(TAXONOMY).classify(ticket_from_text(text))).output.review


def test_ordinary_tickets_are_not_reported_as_injections():
    texts = [example for category in TAXONOMY.categories for example in category.examples]
    texts += [
        "Please ignore my previous ticket, it works now",
        "Which role do I act in?",
        "naïve café \u200b👩\u200d💻",
    ]
    assert [text for text in texts if detect_prompt_injection(text)] == []


@given(st.text(max_size=200) | st.sampled_from(HOSTILE))
def test_text_cannot_leave_the_fence(text):
    first, *inside, last = fence(text).split("\n")
    assert re.fullmatch(r"<<<ticket [0-9a-f]{16}>>>", first)
    assert last == first.replace("<<<", "<<</")
    token = first[10:26]
    assert token not in "\n".join(inside)
    assert not re.search(r"<<+/?\s*ticket[^<>\n]{0,80}>>+", "\n".join(inside), re.IGNORECASE)


def test_each_fence_has_its_own_token():
    assert fence("a") != fence("a")


def test_invisible_characters_are_removed():
    assert strip_invisible("a\x1b[31m\u202eb\u200bc\r\n\td\x9b") == "a [31mbc\n\td "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail ada@example.com or ada@example.com", "Mail [EMAIL_1] or [EMAIL_1]"),
        ("a@example.com, b@example.com", "[EMAIL_1], [EMAIL_2]"),
        ("https://x.example/?mail=ada@example.com", "https://x.example/?mail=[EMAIL_1]"),
        ("4111 1111 1111 1111 and DE89370400440532013000", "[CARD_1] and [IBAN_1]"),
        ("Call +49 30 1234567 now", "Call [PHONE_1] now"),
        ("nothing personal, order no. 4711", "nothing personal, order no. 4711"),
    ],
)
def test_personal_data_become_placeholders(text, expected):
    assert redact(text).text == expected


def test_all_of_many_addresses_are_redacted():
    assert "@" not in redact(" ".join(f"user{n}@example.com" for n in range(999))).text


@given(st.text(alphabet=st.sampled_from("a1@.: +49[]EMAIL_("), max_size=100))
def test_redacted_values_can_be_restored(text):
    found = redact(text, frozenset({"email", "phone"}))
    if not re.search(r"\[(?:EMAIL|PHONE)_\d", text):
        assert found.restore(found.text) == text


def test_card_numbers_are_restored_masked():
    found = redact("my card 4111 1111 1111 1111")
    assert found.restore("Your card [CARD_1]") == "Your card •••• 1111"
    assert found.unknown_placeholders("[CARD_1] [CARD_2]") == ["[CARD_2]"]


@pytest.mark.parametrize(
    ("draft", "named"),
    [
        ("See https://shop.example/help for more.", []),
        ("See https://shop.example/help/other.", ["https://shop.example/help/other."]),
        ("See https://shop.example.evil.example/help", ["https://shop.example.evil.example/help"]),
        ("See https://shop.example@evil.example/help", ["https://shop.example@evil.example/help"]),
        ("Go to evil.example.", ["evil.example"]),
        ("Mail ada@example.com.", []),
        ("Mail bada@example.com.", ["bada@example.com."]),
        ("We refund $20.00.", []),
        ("We refund $200.00.", ["$200.00"]),
        ("Look at status.example/today", []),
        ("Look at https://status.example/today?x=1", []),
        ("Look at status.example.evil.example", ["status.example.evil.example"]),
        ("javascript:alert(1)", ["javascript:alert(1"]),
        ("Thank you, e.g. for this. We look into it; it is 5 o'clock.", []),
    ],
)
def test_references_that_a_draft_may_contain(draft, named):
    taxonomy = TAXONOMY
    allowed = msgspec.structs.replace(
        taxonomy, reply=msgspec.structs.replace(taxonomy.reply, allow=("status.example",))
    )
    ticket = "I paid $20.00 at https://shop.example/help, mail ada@example.com"
    assert find_ungrounded_references(draft, ticket, allowed) == named
