"""Classify by keywords: for categories without examples, and for cues that decide priority and sentiment."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

_WORD = re.compile(r"\w+")


class KeywordMatcher:
    """Finds labels by their keywords. The longest keyword wins: "not urgent" does not count as "urgent"."""

    def __init__(self, keywords: Mapping[str, Iterable[str]]) -> None:
        labels: dict[str, list[str]] = {}
        for label, words in keywords.items():
            for word in words:
                labels.setdefault(_pad_words(word), []).append(label)
        self._labels = sorted(labels.items(), key=lambda item: (-len(item[0]), item[0]))

    def count_matches(self, text: str) -> Counter[str]:
        """Return how many different keywords of each label the text contains."""
        remaining = _pad_words(text)
        matches: Counter[str] = Counter()
        for word, labels in self._labels:
            if word in remaining:
                remaining = remaining.replace(word, " | ")
                matches.update(labels)
        return matches


def label_keywords(label: str, keywords: Iterable[str]) -> tuple[str, ...]:
    """Return a label's keywords together with its name, in which underscores become spaces."""
    return (label.replace("_", " "), *keywords)


def pick_label(matches: Counter[str], cap: float) -> tuple[str | None, float]:
    """Return the label with the most matches and a confidence of 0 to `cap`; None and 0 on a tie."""
    leaders = matches.most_common(2)
    if not leaders:
        return None, 0.0
    (label, most), second = leaders[0], leaders[1][1] if len(leaders) > 1 else 0
    if most == second:
        return None, 0.0
    return label, cap * (most - second) / (most + 1)


def _pad_words(text: str) -> str:
    """Return the lower-case words with exactly one space on either side of each."""
    return f" {' '.join(_WORD.findall(text.lower()))} "
