"""Turn text into TF-IDF vectors of words, word bigrams and character n-grams (3 and 4) within words."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

FIXED_POINT_ONE = 1 << 14
"""The fixed-point representation of 1.0. Sums of integers are the same on every machine, sums of floats are not."""

_MAX_CHARACTERS = 20_000  # the start of a text says what it is about
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_MIN_DOCUMENT_COUNT = 2  # features of one text alone are half of the vocabulary and predict nothing


class SparseVector(NamedTuple):
    """A text as the indices of its known features and their values; its L2 norm is at most `FIXED_POINT_ONE`."""

    indices: Sequence[int]
    values: Sequence[int]


@dataclass(frozen=True)
class Vocabulary:
    """The known features in sorted order, and in how many of `documents` training texts each occurs."""

    names: tuple[str, ...]
    document_counts: tuple[int, ...]
    documents: int

    @cached_property
    def _positions(self) -> dict[str, int]:
        """Map each feature to its position. It is made in a cold start: no loop."""
        return dict(zip(self.names, range(len(self.names)), strict=True))

    @cached_property
    def _idf_by_count(self) -> dict[int, float]:
        """Map each document count to the smoothed inverse document frequency."""
        return {count: self._idf(count) for count in set(self.document_counts)}

    def _idf(self, document_count: int) -> float:
        return round(math.log((1 + self.documents) / (1 + document_count)) + 1.0, 6)

    @cached_property
    def _unknown_idf(self) -> float:
        """The inverse document frequency of a feature outside the vocabulary."""
        return self._idf(1)

    def vectorize(self, counts: Counter[str]) -> SparseVector:
        """Return the TF-IDF vector of feature counts, with sublinear term frequency.

        Unknown features count in the norm: a text with few known features gets a short vector.
        """
        find, unknown_idf = self._positions.get, self._unknown_idf
        idf, document_counts = self._idf_by_count, self.document_counts
        indices, known_values = [], []
        squares = 0.0
        for name, count in counts.items():
            position = find(name)
            value = unknown_idf if position is None else idf[document_counts[position]]
            if count > 1:
                value *= 1.0 + math.log(count)
            squares += value * value
            if position is not None:
                indices.append(position)
                known_values.append(value)
        scale = FIXED_POINT_ONE / math.sqrt(squares) if squares else 0.0
        return SparseVector(indices, [round(value * scale) for value in known_values])


@lru_cache(maxsize=1)  # the models of category, priority and sentiment classify the same text in turn
def count_features(text: str) -> Counter[str]:
    """Return the features of a text and how often each occurs. The result is cached: do not change it."""
    words = _WORD.findall(text[:_MAX_CHARACTERS].lower().replace("\u2019", "'"))
    counts = Counter(words)
    counts.update(map(" ".join, pairwise(words)))
    for word, occurrences in Counter(words).items():
        for ngram in character_ngrams(f" {word} "):
            counts[ngram] += occurrences
    return counts


def character_ngrams(padded: str) -> list[str]:
    """Return the 3- and 4-grams of a word that has a space on either side; `#` marks them as n-grams."""
    return [f"#{padded[at : at + size]}" for size in (3, 4) for at in range(len(padded) - size + 1)]


def build_vocabulary(texts: Iterable[Counter[str]]) -> Vocabulary:
    """Return the features that occur in at least two texts, with their document counts."""
    document_counts: Counter[str] = Counter()
    documents = 0
    for text in texts:
        document_counts.update(text.keys())
        documents += 1
    names = sorted(name for name, count in document_counts.items() if count >= _MIN_DOCUMENT_COUNT)
    return Vocabulary(tuple(names), tuple(document_counts[name] for name in names), documents)
