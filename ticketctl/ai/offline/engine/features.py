"""Turns text into numbers: words and pairs of words, and runs of three and four letters within a word."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

ONE = 1 << 14
"""Features are fixed-point integers with this as 1.0: whole numbers add up alike on every machine."""

_READ = 20_000  # characters; what a ticket is about stands in its first pages
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_SEEN = 2  # texts that a feature must stand in: once is chance, and half of the vocabulary


class Vector(NamedTuple):
    """A text as the indices of its known features and their values; its length is at most `ONE`."""

    features: Sequence[int]
    values: Sequence[int]


@dataclass(frozen=True)
class Vocabulary:
    """The known features, in order, and in how many of `texts` texts each was seen."""

    names: tuple[str, ...]
    seen: tuple[int, ...]
    texts: int

    @cached_property
    def index(self) -> dict[str, int]:
        """Where each feature stands."""
        return {name: at for at, name in enumerate(self.names)}

    @cached_property
    def rarity(self) -> list[float]:
        """How much each feature tells: smoothed inverse document frequency."""
        by_times = {times: self._rarity(times) for times in set(self.seen)}
        return [by_times[times] for times in self.seen]

    def _rarity(self, times: int) -> float:
        return round(math.log((1 + self.texts) / (1 + times)) + 1.0, 6)

    @cached_property
    def _strange(self) -> float:
        """How much a feature tells that is not known."""
        return self._rarity(1)

    def vector(self, counts: Counter[str]) -> Vector:
        """Sublinear term frequency times rarity, scaled by all features: strange text weighs little."""
        index, rarity, strange = self.index, self.rarity, self._strange
        features, known = [], []
        squares = 0.0
        for name, count in counts.items():
            at = index.get(name)
            value = strange if at is None else rarity[at]
            if count > 1:
                value *= 1.0 + math.log(count)
            squares += value * value
            if at is not None:
                features.append(at)
                known.append(value)
        scale = ONE / math.sqrt(squares) if squares else 0.0
        return Vector(features, [round(value * scale) for value in known])


@lru_cache(maxsize=1)  # the models of category, priority and sentiment read one text after the other
def counts(text: str) -> Counter[str]:
    """The features of a text and how often each stands in it; not to be changed by who asks."""
    words = _WORD.findall(text[:_READ].lower().replace("\u2019", "'"))
    found = Counter(words)
    found.update(map(" ".join, pairwise(words)))
    for word, times in Counter(words).items():
        for run in runs(f" {word} "):
            found[run] += times
    return found


def runs(padded: str) -> list[str]:
    """The runs of three and four characters of a word with a space on either side, told from words by a sign."""
    return [f"#{padded[at : at + size]}" for size in (3, 4) for at in range(len(padded) - size + 1)]


def learned(texts: Iterable[Counter[str]]) -> Vocabulary:
    """The vocabulary of a set of texts: every feature that stands in two of them, with its count."""
    seen: Counter[str] = Counter()
    total = 0
    for text in texts:
        seen.update(text.keys())
        total += 1
    kept = sorted(name for name, times in seen.items() if times >= _SEEN)
    return Vocabulary(tuple(kept), tuple(seen[name] for name in kept), total)
