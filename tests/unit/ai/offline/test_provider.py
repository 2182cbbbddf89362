import msgspec
import pytest

from ticketctl.ai.evaluation.dataset import LabeledText
from ticketctl.ai.evaluation.runner import classify_dataset, ticket_from_text
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.taxonomy.loader import default_taxonomy, parse_taxonomy, taxonomy_from_labels
from ticketctl.ai.taxonomy.schema import ReplySettings
from ticketctl.errors import ProviderError
from ticketctl.tickets.models import Step


async def test_ticket_is_classified_extracted_routed_and_answered():
    taxonomy = default_taxonomy()
    provider = OfflineProvider(taxonomy)
    ticket = ticket_from_text(
        "I was charged twice, see invoice INV-2024-001\n\nMy card is 4111 1111 1111 1111."
    )
    classification = (await provider.classify(ticket)).output
    extraction = (await provider.extract(ticket)).output
    route = taxonomy.route(classification, extraction)
    draft = (await provider.respond(ticket, classification, extraction, route)).output
    assert (classification.category, route.team) == ("billing", "billing")
    assert [entity.kind for entity in extraction.entities] == ["invoice_id", "card"]
    assert "We are checking invoice INV-2024-001 with our billing team" in draft.text
    assert draft.method == "template"


async def test_draft_masks_card_numbers_and_keeps_the_subject_on_one_line():
    taxonomy = parse_taxonomy(
        'default_priority = "n"\ndefault_team = "t"\n[[categories]]\nname = "a"\n[[priorities]]\nname = "n"\n'
        '[[teams]]\nname = "t"\n[reply]\ndefault = "{subject} and {card|no card}"\n',
        "x",
    )
    provider = OfflineProvider(taxonomy)
    ticket = ticket_from_text("Pay\nwith {team} 4111111111111111")
    extraction = (await provider.extract(ticket)).output
    classification = (await provider.classify(ticket)).output
    route = taxonomy.route(classification, extraction)
    draft = (await provider.respond(ticket, classification, extraction, route)).output
    assert draft.text == "Pay with {team} •••• 1111 and •••• 1111\n"


def test_fingerprints_depend_on_taxonomy_and_model():
    rows = [("tea", "a"), ("tea please", "a"), ("coffee", "b"), ("coffee please", "b")]
    providers = [
        OfflineProvider(default_taxonomy()),
        OfflineProvider(taxonomy_from_labels("ab")),
        OfflineProvider(taxonomy_from_labels("ab"), trained_model=train(rows)),
        OfflineProvider(taxonomy_from_labels("ab"), trained_model=train(rows * 2)),
    ]
    prints = [provider.fingerprint(Step.CLASSIFY) for provider in providers]
    assert len(set(prints)) == len(prints)
    assert OfflineProvider(default_taxonomy()).fingerprint(Step.CLASSIFY) == prints[0]


def test_new_reply_changes_only_the_fingerprint_of_drafts():
    taxonomy = default_taxonomy()
    other = msgspec.structs.replace(taxonomy, reply=ReplySettings(default="Hello"))
    before, after = OfflineProvider(taxonomy), OfflineProvider(other)
    same = [step for step in Step if before.fingerprint(step) == after.fingerprint(step)]
    assert same == [Step.CLASSIFY, Step.EXTRACT, Step.ROUTE]


async def test_predictions_keep_the_order_of_the_samples():
    samples = [
        LabeledText("I forgot my password", "login"),
        LabeledText("x" * 600, "bug"),
        LabeledText("I want a refund", "refund"),
    ]
    done = []
    trials = await classify_dataset(
        OfflineProvider(default_taxonomy()), samples, on_progress=lambda: done.append(1)
    )
    assert [p.text for p in trials.predictions] == [s.text for s in samples]
    assert [p.predicted for p in trials.predictions] == ["login", None, "refund"]
    assert len(trials.milliseconds) == len(done) == 3


async def test_run_ends_with_the_error_of_the_provider():
    class Broken(OfflineProvider):
        async def classify(self, ticket):  # noqa: ARG002
            raise ProviderError("out of order")

    with pytest.raises(ProviderError, match="out of order"):
        await classify_dataset(Broken(default_taxonomy()), [LabeledText("a", "b")] * 3)
