"""The built-in taxonomy on tickets that it has never seen, and the rules where there is nothing to learn from."""

import json
from pathlib import Path

import msgspec
import pytest

from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.taxonomy.loader import default_taxonomy, taxonomy_from_labels
from ticketctl.ai.taxonomy.schema import Category

TICKETS = json.loads(Path(__file__).with_name("tickets.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def classifier():
    return Classifier(default_taxonomy())


def test_the_built_in_taxonomy_recognises_real_tickets(classifier):
    said = [(classifier.classify(text), category) for text, category in TICKETS["known"]]
    assert sum(c.category == expected for c, expected in said) / len(said) >= 0.88
    automated = [(c, expected) for c, expected in said if not c.review]
    assert len(automated) / len(said) >= 0.75
    assert sum(c.category == expected for c, expected in automated) / len(automated) >= 0.9


def test_what_it_does_not_know_goes_to_a_human(classifier):
    said = [classifier.classify(text) for text in TICKETS["strange"]]
    assert sum(not c.review for c in said) <= 1


def test_a_doubt_names_both_figures():
    doubtful = msgspec.structs.replace(
        default_taxonomy(), thresholds=msgspec.structs.replace(default_taxonomy().thresholds, category=1.0)
    )
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
def test_priorities(classifier, text, priority):
    assert classifier.classify(text).priority == priority


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("This is unacceptable, I am very disappointed", "negative"),
        ("Thank you so much, fantastic support!", "positive"),
        ("How do I create a new project?", "neutral"),
    ],
)
def test_sentiments(classifier, text, sentiment):
    assert classifier.classify(text).sentiment == sentiment


def test_the_mail_that_is_answered_does_not_count(classifier):
    text = "I forgot my password and the reset link does not work\n\nOn Mon, May 4 Support wrote:\n> our invoice\n> refund"
    assert classifier.classify(text) == classifier.classify(
        "I forgot my password and the reset link does not work"
    )
    assert classifier.classify("> I forgot my password and the reset link does not work").category == "login"


def test_names_and_keywords_serve_where_there_are_no_examples():
    said = Classifier(taxonomy_from_labels(["order_status", "gift cards"])).classify(
        "What is the order status, please?"
    )
    assert (said.category, said.method) == ("order_status", "rules")
    assert 0 < said.confidence <= 0.5
    assert said.review


def test_no_category_is_a_fallback():
    said = Classifier(taxonomy_from_labels(["order_status", "gift cards"])).classify(
        "order status of my gift cards"
    )
    assert (said.category, said.confidence, said.review) == (None, 0.0, ("no category fits",))


def test_rules_serve_beside_the_model():
    taxonomy = default_taxonomy()
    parrots = Category(name="parrots", keywords=("parrot", "macaw"))
    with_parrots = msgspec.structs.replace(taxonomy, categories=(*taxonomy.categories, parrots))
    classifier = Classifier(with_parrots)
    said = classifier.classify("My parrot, a macaw, whistles the national anthem")
    assert (said.category, said.method) == ("parrots", "rules")
    assert classifier.classify("I forgot my password and the reset link does not work").category == "login"


def test_a_category_may_ask_for_more_confidence():
    taxonomy = default_taxonomy()
    strict = tuple(msgspec.structs.replace(c, threshold=1.0) for c in taxonomy.categories)
    said = Classifier(msgspec.structs.replace(taxonomy, categories=strict)).classify("I forgot my password")
    assert said.category == "login"
    assert said.review
