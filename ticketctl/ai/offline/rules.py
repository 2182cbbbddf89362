"""Names and keywords as a classifier: for labels that have no examples, and for cues that settle a matter."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping


class Keywords:
    """Finds labels by words that stand in a text. The longest keyword wins its place: "not urgent" is not "urgent"."""

    def __init__(self, keywords: Mapping[str, Iterable[str]]) -> None:
        self._labels: dict[str, list[str]] = {}
        for label, words in keywords.items():
            for word in words:
                self._labels.setdefault(_folded(word), []).append(label)
        longest = sorted(self._labels, key=lambda word: (-len(word), word))
        choices = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest)
        self._pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w)") if choices else None

    def found(self, text: str) -> Counter[str]:
        """How many different keywords of each label stand in the text."""
        if self._pattern is None:
            return Counter()
        words = {_folded(match[0]) for match in self._pattern.finditer(text.lower())}
        return Counter(label for word in sorted(words) for label in self._labels[word])


def named(label: str, keywords: Iterable[str]) -> tuple[str, ...]:
    """A label's keywords and the words of its name, which is often `like_this`."""
    return (re.sub(r"[_\W]+", " ", label).strip(), *keywords)


def judged(found: Counter[str], cap: float) -> tuple[str | None, float]:
    """The label with the most keywords and a confidence of 0 to `cap`; None and 0 where nothing leads."""
    leaders = found.most_common(2)
    if not leaders:
        return None, 0.0
    (label, most), second = leaders[0], leaders[1][1] if len(leaders) > 1 else 0
    if most == second:
        return None, 0.0
    return label, cap * (most - second) / (most + 1)


def _folded(word: str) -> str:
    return " ".join(word.lower().split())
