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
CHEAP = 0.05  # seconds for a quarter: a quadratic pattern that takes a second in full length takes longer


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


def test_hostile_text_costs_little_and_linearly(steps):
    """Every text is measured at a quarter of the length after which text is ignored; the dear ones in full length.

    A quadratic pattern needs 16 times as long for four times the text; 20 ms are allowed for fixed costs.
    """
    slow = {}
    for number, (name, text) in enumerate(hostile_texts(LARGEST)):
        quarter = measure(steps, text[: MAX_CHARACTERS // 4])
        if quarter < CHEAP and number % 20:
            continue
        seconds = measure(steps, text)
        if seconds > 4 * CHEAP:
            quarter = max(quarter, measure(steps, text[: MAX_CHARACTERS // 4]))
            limit = measure(steps, text[:MAX_CHARACTERS])
            if seconds > MAX_SECONDS or limit > 4 * quarter * 1.2 + 0.02:
                slow[name] = (quarter, limit, seconds)
    assert slow == {}
