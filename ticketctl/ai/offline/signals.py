"""Find the signals of a text: what shows how bad a problem is, how soon it matters and how the writer feels."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain, combinations

from ticketctl.ai.offline.signal_phrases import SENTIMENT_PHRASES, URGENCY_PHRASES

_MAX_CHARACTERS = 5_000  # a writer says early how bad it is
_MAX_COUNT = 2  # a second word of anger counts, a third one does not
_MIN_CAPITALS = 4  # letters of a word that is shouted; shorter ones are abbreviations
_SENTENCE_END = re.compile(r"[.!?\n;:]+")
_LINE_BREAK = "\n" + 7 * " "  # leaves the space after the comma
_WORD = re.compile(r"\w+")
_FOUND = re.compile(r"<(\w+)>")
_CLOCK = re.compile(r"\b\d{1,2}[:h]\d\d\b|\b\d{1,2} ?(?:am|pm|uhr|h)\b")
_SHOUTED = re.compile(rf"\b[^\W\d_a-z]{{{_MIN_CAPITALS},}}\b")
_REPEATED_MARK = re.compile(r"[!?][!?]")

_Phrases = Mapping[str, Sequence[tuple[int, str, str]]]
"""By the first two letters: the rank of each phrase, the phrase as it stands in a sentence, and the mark that replaces it."""


def find_urgency_signals(text: str) -> Counter[str]:
    """Return the signals for the priority: those of the phrases, and each pair of them within one sentence."""
    signals: Counter[str] = Counter()
    for sentence in _mark_sentences(text, _urgency_phrases()):
        names = sorted(set(sentence))
        signals.update(dict.fromkeys(names, 1))
        signals.update("&".join(pair) for pair in combinations(names, 2))
    signals = Counter(dict.fromkeys(signals, 1))
    if _CLOCK.search(text[:_MAX_CHARACTERS].lower()):
        signals["clock"] = 1
    return signals + find_sentiment_signals(text)


@lru_cache(maxsize=1)  # the models of priority and sentiment look at the same text in turn
def find_sentiment_signals(text: str) -> Counter[str]:
    """Return the signals for the sentiment, and how often each occurs, at most twice. It is cached: do not change it."""
    found = Counter(name for sentence in _mark_sentences(text, _sentiment_phrases()) for name in sentence)
    signals = Counter({name: min(count, _MAX_COUNT) for name, count in found.items()})
    head = text[:_MAX_CHARACTERS]
    marks = {
        "question": "?" in head,
        "exclamation": "!" in head,
        "exclamations": head.count("!") > 1,
        "repeated_mark": _REPEATED_MARK.search(head) is not None,
        "shouted": _SHOUTED.search(head) is not None,
    }
    signals.update(name for name, is_there in marks.items() if is_there)
    return signals


@cache
def deniable_phrases() -> tuple[str, ...]:
    """Return the phrases that a negation turns into their opposite, such as "outage" and "urgent"."""
    return tuple(
        phrase
        for name in ("emergency", "soon", "down", "intruder")
        for phrase in _split_phrases(URGENCY_PHRASES[name])
    )


@cache
def waiting_phrases() -> tuple[str, ...]:
    """Return the phrases of several words that say only that a ticket can wait."""
    return tuple(phrase for phrase in _split_phrases(URGENCY_PHRASES["can_wait"]) if " " in phrase)


def _mark_sentences(text: str, phrases: _Phrases) -> list[list[str]]:
    """Return the signals of each sentence. The longest phrase wins: "not urgent" does not count as "urgent"."""
    sentences = [_WORD.findall(sentence) for sentence in _SENTENCE_END.split(text[:_MAX_CHARACTERS].lower())]
    marked = "|".join(" ".join(["", *words, ""]) for words in sentences)
    beginnings = {word[:2] for words in sentences for word in words}
    for _, phrase, mark in sorted(chain.from_iterable(phrases.get(key, ()) for key in beginnings)):
        if phrase in marked:
            marked = marked.replace(phrase, mark)
    return [_FOUND.findall(sentence) for sentence in marked.split("|")]


@cache
def _urgency_phrases() -> _Phrases:
    return _index_phrases(URGENCY_PHRASES)


@cache
def _sentiment_phrases() -> _Phrases:
    return _index_phrases(SENTIMENT_PHRASES)


def _index_phrases(phrases: Mapping[str, str]) -> _Phrases:
    """Rank the phrases, the longest first, and index them."""
    found: dict[str, str] = {}
    for name, listed in phrases.items():
        word, stem = f" <{name}> ", f" <{name}>"
        for phrase in _split_phrases(listed):
            if phrase[-1] == "*":
                found[f" {phrase[:-1]}"] = stem
            else:
                found[f" {phrase} "] = word
    index: dict[str, list[tuple[int, str, str]]] = {}
    for rank, phrase in enumerate(sorted(found, key=len, reverse=True)):
        index.setdefault(phrase[1:3].rstrip(), []).append((rank, phrase, found[phrase]))
    return index


def _split_phrases(listed: str) -> list[str]:
    """Return the phrases; the lines but the first are indented. It runs in a cold start: no pattern, no loop."""
    return listed.strip().replace(_LINE_BREAK, "").split(", ")
