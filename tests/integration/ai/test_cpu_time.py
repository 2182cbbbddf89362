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
        seconds = (
            min(measure(steps, text) for _ in range(2))
            if (first := measure(steps, text)) > MAX_SECONDS
            else first
        )
        if seconds > MAX_SECONDS:
            slow[name] = seconds
    assert slow == {}


def test_cost_grows_no_more_than_linearly(steps):
    """Both sizes are below the limit after which text is ignored; fixed costs allow for 20 ms."""
    slow = {}
    for name, text in hostile_texts(MAX_CHARACTERS):
        large = measure(steps, text)
        if large > 0.05:
            small = min(measure(steps, text[: MAX_CHARACTERS // 4]) for _ in range(2))
            large = min(large, measure(steps, text))
            if large > 4 * small * 1.3 + 0.02:
                slow[name] = (small, large)
    assert slow == {}
