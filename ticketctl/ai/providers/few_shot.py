"""Choose labelled examples for the prompt of a classification: the nearest ones, and what people corrected last.

Nearness is the cosine between the word features of the offline engine, which costs milliseconds and sends nothing.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ticketctl.ai.evaluation.dataset import get_text, read_rows
from ticketctl.ai.offline.classifier import read_mail
from ticketctl.ai.offline.engine.features import FIXED_POINT_ONE, SparseVector, Vocabulary, count_features
from ticketctl.ai.prompt_injection import detect_prompt_injection
from ticketctl.ai.redaction import redact
from ticketctl.ai.sanitize import remove_fences
from ticketctl.ai.taxonomy.schema import NO_CATEGORY, Taxonomy
from ticketctl.errors import ConfigError, InvalidInputError

MAX_EXAMPLES = 8
"""The most examples in one prompt, the corrections among them."""
MAX_CORRECTIONS = 2
"""The most recent corrections that are shown although others are nearer."""
MAX_EXAMPLE_BYTES = 400
"""The most bytes of an example's text. A token has at least one byte, and about four of English text."""

_MAX_ROWS = 5_000  # the last rows of a file: an index of them takes one to two seconds
_MIN_SIMILARITY = 0.1  # below it two texts share little but common words
_MAX_FEATURES = 64  # of a text, those that say most about it
_MAX_OCCURRENCES = 500  # a feature of more examples says little about any, and costs time
_MAX_CHARACTERS = 2_000  # of a text, for its features
_HINT = "ticketctl corrections export FILE.csv writes such a file"


class Example(NamedTuple):
    """A text and its right category. `corrected_at` is when a person corrected the engine about it, else empty."""

    text: str
    category: str
    corrected_at: str = ""


class ExampleIndex:
    """Finds the examples for a text. The index is built with the first text."""

    def __init__(self, examples: Iterable[Example]) -> None:
        # a text that was labelled twice counts once, as it was labelled last
        self._examples = list({example.text: example for example in examples}.values())
        self.choose = lru_cache(maxsize=256)(self._choose)

    def _choose(self, text: str) -> tuple[Example, ...]:
        """Return at most MAX_EXAMPLES examples for a ticket's text, the nearest first, then recent corrections.

        Examples that may be prompt injections are left out.
        """
        words = read_mail(text)[:_MAX_CHARACTERS]
        usable = filter(_is_harmless, self._rank(words))
        nearest = list(islice(usable, MAX_EXAMPLES))
        others = filter(_is_harmless, (one for one in self._corrections if one not in nearest))
        recent = list(islice(others, MAX_CORRECTIONS))
        return (*nearest[: MAX_EXAMPLES - len(recent)], *recent)

    def _rank(self, text: str) -> list[Example]:
        """Return the examples that are similar to a text, the most similar first; a tie goes to the later one."""
        vocabulary, postings = self._index
        scores: Counter[int] = Counter()
        for feature, value in _strongest(vocabulary.vectorize(count_features(text))):
            for position, weight in postings[feature]:
                scores[position] += value * weight
        least = _MIN_SIMILARITY * FIXED_POINT_ONE * FIXED_POINT_ONE
        # twice as many as are needed: some may be left out
        best = nlargest(2 * MAX_EXAMPLES, scores.items(), key=lambda scored: (scored[1], scored[0]))
        return [self._examples[position] for position, score in best if score >= least]

    @cached_property
    def _corrections(self) -> list[Example]:
        """The examples about which a person corrected the engine, the latest first."""
        corrected = [example for example in self._examples if example.corrected_at]
        return sorted(corrected, key=lambda example: example.corrected_at, reverse=True)[: 2 * MAX_EXAMPLES]

    @cached_property
    def _index(self) -> tuple[Vocabulary, list[list[tuple[int, int]]]]:
        """The vocabulary, and for each feature the examples that have it with its value there."""
        counts = [count_features(example.text[:_MAX_CHARACTERS]) for example in self._examples]
        documents: Counter[str] = Counter()
        for count in counts:
            documents.update(count.keys())
        names = sorted(documents)
        vocabulary = Vocabulary(tuple(names), tuple(documents[name] for name in names), len(counts))
        postings: list[list[tuple[int, int]]] = [[] for _ in names]
        for position, count in enumerate(counts):
            for feature, value in _strongest(vocabulary.vectorize(count)):
                if vocabulary.document_counts[feature] <= _MAX_OCCURRENCES:
                    postings[feature].append((position, value))
        return vocabulary, postings


def load_examples(path: Path, taxonomy: Taxonomy) -> list[Example]:
    """Return the examples in a file with the columns text and label, as `corrections export` writes it.

    Where its columns `predicted` and `label` differ, `decided_at` says when a person corrected the engine. Of a long
    file the last rows count.

    Raises:
        ConfigError: The file cannot be read, or a row is malformed or has a category that the taxonomy lacks; the error
            names the line.
    """
    known = {NO_CATEGORY, *(category.name for category in taxonomy.categories)}
    examples: list[Example] = []
    try:
        for line, row in read_rows(path):
            text, label = get_text(path, line, row, "text"), get_text(path, line, row, "label")
            if label not in known:
                raise ConfigError(
                    f"{path}, line {line}: the taxonomy has no category {label[:100]!r}",
                    hint="add it to the taxonomy, or remove the line",
                )
            predicted, decided_at = row.get("predicted"), row.get("decided_at")
            is_correction = isinstance(predicted, str) and predicted != label
            examples.append(Example(text, label, str(decided_at or "") if is_correction else ""))
    except InvalidInputError as error:
        raise ConfigError(f"the examples cannot be used: {error}", hint=error.hint) from None
    if not examples:
        raise ConfigError(f"the examples cannot be used: {path} has no rows", hint=_HINT)
    return examples[-_MAX_ROWS:]


def list_taxonomy_examples(taxonomy: Taxonomy) -> list[Example]:
    """Return the examples of the taxonomy's categories, and those that fit none."""
    examples = [Example(text, one.name) for one in taxonomy.categories for text in one.examples]
    return [*examples, *(Example(text, NO_CATEGORY) for text in taxonomy.other)]


def write_examples(
    examples: Sequence[Example], redacted_kinds: frozenset[str], phone_regions: tuple[str, ...]
) -> str:
    """Return the examples for a prompt, one JSON object a line, with personal data of these kinds replaced.

    A text cannot end its JSON string, because quotes and line breaks in it are escaped.
    """
    lines = []
    for example in examples:
        text = " ".join(read_mail(example.text).split())
        text = redact(text, redacted_kinds, phone_regions, limit=MAX_EXAMPLE_BYTES).text
        text = remove_fences(text).encode(errors="replace")[:MAX_EXAMPLE_BYTES].decode(errors="ignore")
        lines.append(json.dumps({"text": text, "category": example.category}, ensure_ascii=False))
    return "\n".join(lines)


def _is_harmless(example: Example) -> bool:
    return not detect_prompt_injection(example.text)


def _strongest(vector: SparseVector) -> list[tuple[int, int]]:
    """Return the features of a vector that weigh most, with their values."""
    pairs = list(zip(vector.indices, vector.values, strict=True))
    return pairs if len(pairs) <= _MAX_FEATURES else nlargest(_MAX_FEATURES, pairs, key=lambda pair: pair[1])
