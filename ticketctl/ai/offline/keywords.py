"""Names and keywords as a classifier: for labels that have no examples, and for cues that settle a matter."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping


class Keywords:
    """Finds labels by words that stand in a text. The longest keyword wins its place: "not urgent" is not "urgent"."""

    def __init__(self, keywords: Mapping[str, Iterable[str]]) -> None:
        labels: dict[str, list[str]] = {}
        for label, words in keywords.items():
            for word in words:
                labels.setdefault(_spaced(word), []).append(label)
        self._labels = sorted(labels.items(), key=lambda item: (-len(item[0]), item[0]))

    def found(self, text: str) -> Counter[str]:
        """How many different keywords of each label stand in the text."""
        left = _spaced(text)
        found: Counter[str] = Counter()
        for word, labels in self._labels:
            if word in left:
                left = left.replace(word, " | ")
                found.update(labels)
        return found


def named(label: str, keywords: Iterable[str]) -> tuple[str, ...]:
    """A label's keywords and the words of its name, which is often `like_this`."""
    return (label.replace("_", " "), *keywords)


def judged(found: Counter[str], cap: float) -> tuple[str | None, float]:
    """The label with the most keywords and a confidence of 0 to `cap`; None and 0 where nothing leads."""
    leaders = found.most_common(2)
    if not leaders:
        return None, 0.0
    (label, most), second = leaders[0], leaders[1][1] if len(leaders) > 1 else 0
    if most == second:
        return None, 0.0
    return label, cap * (most - second) / (most + 1)


def _spaced(text: str) -> str:
    """The words alone, a space on either side of each."""
    words = re.findall(r"\w+", text.lower())
    return f" {' '.join(words)} "
