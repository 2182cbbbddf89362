"""The built-in taxonomy on unseen tickets, and keyword rules for categories without examples."""

import json
from pathlib import Path

import msgspec
import pytest

from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.taxonomy.loader import default_taxonomy, taxonomy_from_labels
from ticketctl.ai.taxonomy.schema import Category, Thresholds

TICKETS = json.loads(Path(__file__).with_name("tickets.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def classifier():
    return Classifier(default_taxonomy())


def test_built_in_taxonomy_classifies_unseen_tickets(classifier):
    said = [(classifier.classify(text), category) for text, category in TICKETS["known"]]
    assert sum(c.category == expected for c, expected in said) / len(said) >= 0.88
    automated = [(c, expected) for c, expected in said if not c.review]
    assert len(automated) / len(said) >= 0.75
    assert sum(c.category == expected for c, expected in automated) / len(automated) >= 0.9


def test_tickets_out_of_scope_are_sent_to_review(classifier):
    said = [classifier.classify(text) for text in TICKETS["strange"]]
    assert sum(not c.review for c in said) <= 1


def test_review_reason_names_confidence_and_threshold():
    doubtful = msgspec.structs.replace(default_taxonomy(), thresholds=Thresholds(category=1.0))
    said = Classifier(doubtful).classify("I was charged twice this month, please help me")
    assert said.category == "billing"
    assert said.review[0].startswith("confidence 0.9")
    assert said.review[0].endswith("is below 1.000")


@pytest.mark.parametrize(
    ("text", "priority"),
    [
        ("URGENT: I cannot log in", "urgent"),
        ("This is not urgent, but I cannot log in", "low"),
        ("I cannot log in and have a deadline", "high"),
        ("I cannot log in to my account", "normal"),
        ("Your service is down for all of us", "urgent"),
        ("It would be great if you could add a dark mode", "low"),
    ],
)
def test_priority_of_a_text(classifier, text, priority):
    assert classifier.classify(text).priority == priority


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("This is unacceptable, I am very disappointed", "negative"),
        ("Thank you so much, fantastic support!", "positive"),
        ("How do I create a new project?", "neutral"),
    ],
)
def test_sentiment_of_a_text(classifier, text, sentiment):
    assert classifier.classify(text).sentiment == sentiment


def test_quoted_mail_is_ignored(classifier):
    text = "I forgot my password and the reset link does not work\n\nOn Mon, May 4 Support wrote:\n> our invoice\n> refund"
    assert classifier.classify(text) == classifier.classify(
        "I forgot my password and the reset link does not work"
    )
    assert classifier.classify("> I forgot my password and the reset link does not work").category == "login"


def test_names_and_keywords_classify_without_examples():
    said = Classifier(taxonomy_from_labels(["order_status", "gift cards"])).classify(
        "What is the order status, please?"
    )
    assert (said.category, said.method) == ("order_status", "rules")
    assert 0 < said.confidence <= 0.5
    assert said.review


def test_tie_of_keywords_gives_no_category():
    said = Classifier(taxonomy_from_labels(["order_status", "gift cards"])).classify(
        "order status of my gift cards"
    )
    assert (said.category, said.confidence, said.review) == (None, 0.0, ("no category fits",))


def test_keyword_rules_work_beside_the_model():
    taxonomy = default_taxonomy()
    parrots = Category(name="parrots", keywords=("parrot", "macaw"))
    with_parrots = msgspec.structs.replace(taxonomy, categories=(*taxonomy.categories, parrots))
    classifier = Classifier(with_parrots)
    said = classifier.classify("My parrot, a macaw, whistles the national anthem")
    assert (said.category, said.method) == ("parrots", "rules")
    assert classifier.classify("I forgot my password and the reset link does not work").category == "login"


def test_category_can_have_its_own_threshold():
    taxonomy = default_taxonomy()
    strict = tuple(msgspec.structs.replace(c, threshold=1.0) for c in taxonomy.categories)
    said = Classifier(msgspec.structs.replace(taxonomy, categories=strict)).classify("I forgot my password")
    assert said.category == "login"
    assert said.review


def test_target_precision_chooses_the_threshold():
    taxonomy = default_taxonomy()
    reasons = {}
    for target in (0.8, 0.99):
        strict = msgspec.structs.replace(taxonomy, thresholds=Thresholds(target_precision=target))
        reasons[target] = Classifier(strict).classify("I was charged twice for my subscription").review
    assert reasons[0.8] == ()
    assert reasons[0.99][0].startswith("confidence 0.")
