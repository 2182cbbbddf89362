"""CPU time of every step that reads ticket text, over texts that make backtracking patterns slow."""

import time

import pytest

from tests.integration.ai.hostile_texts import hostile_texts
from ticketctl.ai.draft_validation import find_draft_problems
from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.offline.extraction import extract
from ticketctl.ai.prompt_injection import detect_prompt_injection
from ticketctl.ai.redaction import redact
from ticketctl.ai.sanitize import MAX_CHARACTERS, fence
from ticketctl.ai.taxonomy.loader import default_taxonomy

TAXONOMY = default_taxonomy()
MAX_SECONDS = 1.0
LARGEST = 200_000
CHEAP = 0.05  # seconds: a quadratic pattern takes far longer for 20,000 characters


@pytest.fixture(scope="module")
def steps():
    """Return the functions that read ticket text, with everything compiled and imported."""
    classifier = Classifier(TAXONOMY)
    functions = (
        classifier.classify,  # strips quotes, finds keywords, language and prompt injections
        lambda text: extract(text, TAXONOMY.identifiers),
        lambda text: fence(redact(text).text),
        detect_prompt_injection,
        lambda text: list(find_draft_problems(text[:5_000], text, TAXONOMY, text[-5_000:])),
    )
    for function in functions:
        function("Warm up: call 612 34 56 78, mail ada@example.com, order 4711, error 500 " * 3)
    return functions


def measure(steps, text):
    started = time.process_time()
    for step in steps:
        step(text)
    return time.process_time() - started


def test_largest_text_costs_at_most_a_second(steps):
    slow = {}
    for name, text in hostile_texts(LARGEST):
        if (seconds := measure(steps, text)) > MAX_SECONDS:
            slow[name] = min(seconds, measure(steps, text))
    assert {name: seconds for name, seconds in slow.items() if seconds > MAX_SECONDS} == {}


def test_cost_grows_no_more_than_linearly(steps):
    """Both sizes are below the limit after which text is ignored; 20 ms are allowed for fixed costs."""
    slow = {}
    for name, text in hostile_texts(MAX_CHARACTERS):
        if (large := measure(steps, text)) > CHEAP:
            small = max(measure(steps, text[: MAX_CHARACTERS // 4]) for _ in range(2))
            large = min(large, measure(steps, text))
            if large > 4 * small * 1.2 + 0.02:
                slow[name] = (small, large)
    assert slow == {}
