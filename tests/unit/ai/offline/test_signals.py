"""Priority and sentiment by signals, judged on the labelled tickets of the test split; nothing was tuned on them."""

import re

import msgspec
import pytest

from tests.benchmarks.priority_sentiment import (
    classify_tickets,
    evaluate_field,
    load_tickets,
    majority_labels,
)
from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.offline.engine.model_store import BUNDLED_MODELS
from ticketctl.ai.offline.signal_model import (
    SignalModel,
    fit_signal_model,
    load_or_fit,
    signal_model_file_name,
)
from ticketctl.ai.offline.signal_phrases import SENTIMENT_PHRASES, URGENCY_PHRASES
from ticketctl.ai.offline.signals import _split_phrases, find_sentiment_signals, find_urgency_signals
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.ai.taxonomy.schema import Priority

TEXTS = (
    ("Everything is down right now", "red"),
    ("The outage is for everyone", "red"),
    ("Nobody can log in, all our sites are offline", "red"),
    ("A typo on the page", "green"),
    ("It would be nice to have this some day", "green"),
    ("A suggestion, no rush", "green"),
)


@pytest.fixture(scope="module")
def labels():
    return classify_tickets(load_tickets("test"))


@pytest.mark.parametrize(("field", "floor"), [("priority", 0.88), ("sentiment", 0.92)])
def test_macro_f1_on_the_test_split(labels, field, floor):
    tickets = load_tickets("test")
    found = evaluate_field(field, tickets, labels[field])
    assert found.macro_f1 >= floor
    assert found.macro_f1 >= evaluate_field(field, tickets, majority_labels(field, tickets)).macro_f1 + 0.5


def test_what_can_wait_is_never_urgent_nor_the_other_way_round(labels):
    pairs = zip(load_tickets("test"), labels["priority"], strict=True)
    far = [t["subject"] for t, label in pairs if {t["priority"], label} == {"low", "urgent"}]
    assert far == []


@pytest.mark.parametrize(
    ("text", "signals"),
    [
        ("Nobody can log in. The site is down", {"everyone", "down"}),
        ("No rush, it is not urgent", {"can_wait"}),
        ("Nobody: all sites are offline", {"everyone", "down", "down&everyone"}),
        ("Die Anlage ist heute Morgen ausgefallen", {"since", "down", "down&since"}),
        ("", set()),
    ],
)
def test_signals_of_urgency(text, signals):
    assert set(find_urgency_signals(text)) == signals


def test_signals_of_sentiment_are_counted_twice_at_most():
    found = find_sentiment_signals("Terrible, awful, horrible! KIND regards")
    assert found == {"anger": 2, "courtesy": 1, "exclamation": 1, "shouted": 1}


def test_hostile_texts_have_signals_too():
    for text in ("<anger> | <down>", "\x00", "!" * 9000, "nobody " * 9000, "ﬁ İ ß"):
        assert all(count <= 2 for count in find_urgency_signals(text).values())


def test_a_fitted_model_tells_its_labels_apart_whatever_the_order():
    model = fit_signal_model(TEXTS, find_urgency_signals)
    probabilities = model.predict(find_urgency_signals("All our shops are offline"))
    assert probabilities["red"] > 0.8
    assert sum(probabilities.values()) == pytest.approx(1)
    again = fit_signal_model(TEXTS[::-1], find_urgency_signals)
    assert again.labels == model.labels
    assert again.weights["down"] == pytest.approx(model.weights["down"], abs=0.002)


def test_the_gradient_has_vanished_at_the_fitted_weights():
    model = fit_signal_model(TEXTS, find_urgency_signals)
    rows = [(find_urgency_signals(text), label) for text, label in TEXTS]
    at = model.labels.index("red")
    slope = -model.weights["down"][at] + sum(
        signals["down"] * ((label == "red") - model.predict(signals)["red"]) for signals, label in rows
    )
    assert slope == pytest.approx(0, abs=0.01)


def test_priorities_of_another_taxonomy_learn_from_its_examples(tmp_path):
    priorities = tuple(
        Priority(name=name, examples=tuple(text for text, label in TEXTS if label == name))
        for name in ("green", "red")
    )
    taxonomy = msgspec.structs.replace(
        default_taxonomy(),
        priorities=priorities,
        default_priority="green",
        categories=tuple(msgspec.structs.replace(c, priority=None) for c in default_taxonomy().categories),
    )
    assert Classifier(taxonomy, tmp_path).classify("Nobody can work, all of it is down").priority == "red"
    assert Classifier(taxonomy, tmp_path).classify("How do I print?").priority == "green"
    [kept] = tmp_path.glob("*.signals")
    assert kept.name == signal_model_file_name(TEXTS[3:] + TEXTS[:3])


def test_a_damaged_cached_model_is_fitted_again(tmp_path, caplog):
    (tmp_path / signal_model_file_name(TEXTS)).write_text("[1, 2")
    load_or_fit.cache_clear()
    model = load_or_fit(TEXTS, find_urgency_signals, tmp_path)
    assert isinstance(model, SignalModel)
    assert "cannot be used" in caplog.text
    assert not (BUNDLED_MODELS / signal_model_file_name(TEXTS)).exists()


def test_every_phrase_is_made_of_single_words():
    phrases = {**URGENCY_PHRASES, **{f"s_{name}": listed for name, listed in SENTIMENT_PHRASES.items()}}
    for name, listed in phrases.items():
        for phrase in _split_phrases(listed):
            assert re.fullmatch(r"\w+( \w+)*\*?", phrase), (name, phrase)
            assert phrase == phrase.lower()
