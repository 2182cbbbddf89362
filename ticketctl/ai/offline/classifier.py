"""Category, priority and sentiment of a text, with a confidence that says how often such an answer is right."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ticketctl.ai.offline import sentiment_cues
from ticketctl.ai.offline.engine.model import Model
from ticketctl.ai.offline.engine.model_store import Rows, model_for
from ticketctl.ai.offline.keywords import Keywords, judged, named
from ticketctl.ai.offline.language import language_of
from ticketctl.ai.offline.quote_stripping import own_words
from ticketctl.ai.prompt_injection import suspicions
from ticketctl.ai.sanitize import LIMIT
from ticketctl.ai.taxonomy.schema import SENTIMENTS, Taxonomy
from ticketctl.tickets.models import Classification

_SURE = 0.6
"""The confidence from which the engine's word on priority and sentiment counts; below it, the usual is assumed."""


class Found(NamedTuple):
    """A category or None, the confidence of 0 to 1, and how it was found."""

    category: str | None
    confidence: float
    method: str


class Classifier:
    """Reads texts by one taxonomy. `model` replaces training on the taxonomy's own examples; `folder` keeps models."""

    def __init__(self, taxonomy: Taxonomy, folder: Path | None = None, model: Model | None = None) -> None:
        self._taxonomy = taxonomy
        self._folder = folder
        self._given = model

    def classify(self, text: str) -> Classification:
        """Say what a text is about; what is not sure enough carries the reason why a human must look."""
        whole, text = text, own_words(text)[:LIMIT]
        found = self._category(text)
        return Classification(
            category=found.category,
            priority=self._priority(text, found),
            sentiment=self._sentiment(text),
            language=language_of(text),
            confidence=round(found.confidence, 4),
            method=found.method,
            review=(*self._taxonomy.doubts(found.category, found.confidence), *suspicions(whole)),
        )

    def _category(self, text: str) -> Found:
        best = self._by_model(text)
        if best.category and best.confidence >= self._taxonomy.threshold(best.category):
            return best
        ruled, confidence = judged(self._keywords.found(text), self._taxonomy.thresholds.rules)
        return Found(ruled, confidence, "rules") if ruled else best

    def _by_model(self, text: str) -> Found:
        if self._model is None:
            return Found(None, 0.0, "rules")
        judgement = self._model.judge(text)
        if not judgement.in_scope or judgement.confidence < self._taxonomy.thresholds.guess:
            return Found(None, 0.0, "model")
        return Found(judgement.label, judgement.confidence, "model")

    def _priority(self, text: str, found: Found) -> str:
        """The highest that a cue asks for; else what the engine is sure of; else what the category mostly has."""
        cued = self._priority_cues.found(text)
        for priority in reversed(self._taxonomy.priorities):
            if cued[priority.name]:
                return priority.name
        category = self._taxonomy.category(found.category or "")
        usual = category.priority if category and found.confidence >= _SURE else None
        return _sure(self._priorities, text) or usual or self._taxonomy.default_priority

    def _sentiment(self, text: str) -> str:
        cued, _ = judged(self._tones.found(text), 1.0)
        return cued or _sure(self._sentiments, text) or "neutral"

    @cached_property
    def _model(self) -> Model | None:
        if self._given is not None:
            return self._given
        return self._learned(category_rows(self._taxonomy))

    @cached_property
    def _keywords(self) -> Keywords:
        """The categories that the model does not know."""
        known = set(self._model.labels) if self._model else set()
        unknown = [category for category in self._taxonomy.categories if category.name not in known]
        return Keywords({category.name: named(category.name, category.keywords) for category in unknown})

    @cached_property
    def _priorities(self) -> Model | None:
        return self._learned(priority_rows(self._taxonomy))

    @cached_property
    def _priority_cues(self) -> Keywords:
        return Keywords({priority.name: priority.keywords for priority in self._taxonomy.priorities})

    @cached_property
    def _sentiments(self) -> Model | None:
        return self._learned(sentiment_rows())

    @cached_property
    def _tones(self) -> Keywords:
        return Keywords(sentiment_cues.CUES)

    def _learned(self, rows: Rows) -> Model | None:
        """The model of these rows, or None where they do not tell two labels apart."""
        return model_for(rows, self._folder) if len({label for _, label in rows}) > 1 else None


def category_rows(taxonomy: Taxonomy) -> Rows:
    """What the categories that have examples are learned from: these, the description and the keywords."""
    return tuple(
        (text, category.name)
        for category in taxonomy.categories
        if category.examples
        for text in (*category.examples, category.description, *category.keywords)
        if text
    )


def priority_rows(taxonomy: Taxonomy) -> Rows:
    """What the priorities are learned from."""
    return _rows({priority.name: priority.examples for priority in taxonomy.priorities})


def sentiment_rows() -> Rows:
    """What the sentiments are learned from."""
    return _rows({sentiment: sentiment_cues.EXAMPLES[sentiment] for sentiment in SENTIMENTS})


def _rows(examples: Mapping[str, Iterable[str]]) -> Rows:
    return tuple((text, label) for label, texts in examples.items() for text in texts)


def _sure(model: Model | None, text: str) -> str | None:
    judgement = model.judge(text) if model else None
    return judgement.label if judgement and judgement.in_scope and judgement.confidence >= _SURE else None
