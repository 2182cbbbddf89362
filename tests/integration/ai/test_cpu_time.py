"""CPU time of every step that reads ticket text, over texts that make backtracking patterns slow."""

import math
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
QUARTER = MAX_CHARACTERS // 4
ATTEMPTS = 5
DEAREST = 25
"""How many of the texts that cost most are compared with shorter ones."""


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


def find_slowness(steps, text):
    """Return the seconds at a quarter of what is read, at what is read, and in full length; None if they are right.

    20 ms are allowed for fixed costs. On a busy machine a measurement is sometimes several times too long: the least of
    up to five counts.
    """
    lengths = (QUARTER, MAX_CHARACTERS, LARGEST)
    least = [math.inf] * len(lengths)
    for _ in range(ATTEMPTS):
        least = [min(one, measure(steps, text[:length])) for one, length in zip(least, lengths, strict=True)]
        quarter, read, whole = least
        if whole <= MAX_SECONDS and read <= 4.8 * quarter + 0.02 and whole <= 1.5 * read + 0.02:
            return None
    return tuple(least)


def test_hostile_text_costs_little_and_linearly(steps):
    """Each text is measured in full length, and the dearest at what is read of a ticket and at a quarter of it, too.

    A quadratic pattern needs 16 times as long for four times the text, and what is not read costs nothing.
    """
    seconds = {text: measure(steps, text) for _, text in hostile_texts(LARGEST)}
    dearest = sorted(seconds, key=seconds.__getitem__)[-DEAREST:]
    slow = {text[:20]: found for text in dearest if (found := find_slowness(steps, text))}
    assert slow == {}
