"""Classify a text: category, priority and sentiment, with a calibrated confidence for the category."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ticketctl.ai.offline import sentiment_cues
from ticketctl.ai.offline.engine.model import Model
from ticketctl.ai.offline.engine.model_store import LabelledTexts, load_or_train
from ticketctl.ai.offline.keywords import KeywordMatcher, label_keywords, pick_label
from ticketctl.ai.offline.language import detect_language
from ticketctl.ai.offline.quote_stripping import strip_quotes
from ticketctl.ai.prompt_injection import detect_prompt_injection
from ticketctl.ai.sanitize import MAX_CHARACTERS
from ticketctl.ai.taxonomy.schema import SENTIMENTS, Taxonomy
from ticketctl.tickets.models import Classification

_MIN_CONFIDENCE = 0.6
"""The confidence from which the model decides on priority and sentiment; below it, the default applies."""


class CategoryPrediction(NamedTuple):
    """A category or None, its confidence (0 to 1), and the method: "model" or "rules"."""

    category: str | None
    confidence: float
    method: str


class Classifier:
    """Classifies texts by one taxonomy.

    `model` replaces training on the taxonomy's examples; `folder` caches trained models.
    """

    def __init__(self, taxonomy: Taxonomy, folder: Path | None = None, model: Model | None = None) -> None:
        self._taxonomy = taxonomy
        self._folder = folder
        self._given_model = model

    def classify(self, text: str) -> Classification:
        """Return the classification of a text, with the reasons for a review, if there are any."""
        # the injection check reads the whole text: quoted mail reaches a model too
        whole, text = text, strip_quotes(text)[:MAX_CHARACTERS]
        prediction = self._predict_category(text)
        return Classification(
            category=prediction.category,
            priority=self._predict_priority(text, prediction),
            sentiment=self._predict_sentiment(text),
            language=detect_language(text),
            confidence=round(prediction.confidence, 4),
            method=prediction.method,
            review=(
                *self._taxonomy.review_reasons(prediction.category, prediction.confidence),
                *detect_prompt_injection(whole),
            ),
        )

    def _predict_category(self, text: str) -> CategoryPrediction:
        """Return the model's category if it is confident enough, else the keywords', else the model's."""
        predicted = self._predict_by_model(text)
        if predicted.category and predicted.confidence >= self._taxonomy.threshold_for(predicted.category):
            return predicted
        label, confidence = pick_label(
            self._category_keywords.count_matches(text), self._taxonomy.thresholds.rules
        )
        return CategoryPrediction(label, confidence, "rules") if label else predicted

    def _predict_by_model(self, text: str) -> CategoryPrediction:
        if self._category_model is None:
            return CategoryPrediction(None, 0.0, "rules")
        scored = self._category_model.predict(text)
        if not scored.in_scope or scored.confidence < self._taxonomy.thresholds.guess:
            return CategoryPrediction(None, 0.0, "model")
        return CategoryPrediction(scored.label, scored.confidence, "model")

    def _predict_priority(self, text: str, prediction: CategoryPrediction) -> str:
        """Return the highest priority with a cue, else the model's if confident, else the category's default."""
        matches = self._priority_keywords.count_matches(text)
        for priority in reversed(self._taxonomy.priorities):
            if matches[priority.name]:
                return priority.name
        category = self._taxonomy.find_category(prediction.category or "")
        usual = category.priority if category and prediction.confidence >= _MIN_CONFIDENCE else None
        return _predict_confidently(self._priority_model, text) or usual or self._taxonomy.default_priority

    def _predict_sentiment(self, text: str) -> str:
        label, _ = pick_label(self._sentiment_keywords.count_matches(text), 1.0)
        return label or _predict_confidently(self._sentiment_model, text) or "neutral"

    @cached_property
    def _category_model(self) -> Model | None:
        if self._given_model is not None:
            return self._given_model
        return self._load_model(category_texts(self._taxonomy))

    @cached_property
    def _category_keywords(self) -> KeywordMatcher:
        """The keywords of the categories that the model does not know."""
        known = set(self._category_model.labels) if self._category_model else set()
        unknown = [category for category in self._taxonomy.categories if category.name not in known]
        return KeywordMatcher(
            {category.name: label_keywords(category.name, category.keywords) for category in unknown}
        )

    @cached_property
    def _priority_model(self) -> Model | None:
        return self._load_model(priority_texts(self._taxonomy))

    @cached_property
    def _priority_keywords(self) -> KeywordMatcher:
        return KeywordMatcher({priority.name: priority.keywords for priority in self._taxonomy.priorities})

    @cached_property
    def _sentiment_model(self) -> Model | None:
        return self._load_model(sentiment_texts())

    @cached_property
    def _sentiment_keywords(self) -> KeywordMatcher:
        return KeywordMatcher(sentiment_cues.CUES)

    def _load_model(self, texts: LabelledTexts) -> Model | None:
        """Return the model of a training set, or None if the set has fewer than two labels."""
        return load_or_train(texts, self._folder) if len({label for _, label in texts}) > 1 else None


def category_texts(taxonomy: Taxonomy) -> LabelledTexts:
    """Return the training set for categories: examples, description and keywords of those that have examples."""
    return tuple(
        (text, category.name)
        for category in taxonomy.categories
        if category.examples
        for text in (*category.examples, category.description, *category.keywords)
        if text
    )


def priority_texts(taxonomy: Taxonomy) -> LabelledTexts:
    """Return the training set for priorities."""
    return _label_texts({priority.name: priority.examples for priority in taxonomy.priorities})


def sentiment_texts() -> LabelledTexts:
    """Return the training set for sentiments."""
    return _label_texts({sentiment: sentiment_cues.EXAMPLES[sentiment] for sentiment in SENTIMENTS})


def _label_texts(examples: Mapping[str, Iterable[str]]) -> LabelledTexts:
    return tuple((text, label) for label, texts in examples.items() for text in texts)


def _predict_confidently(model: Model | None, text: str) -> str | None:
    scored = model.predict(text) if model else None
    return scored.label if scored and scored.in_scope and scored.confidence >= _MIN_CONFIDENCE else None
