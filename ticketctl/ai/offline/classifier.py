"""Classify a text: category, priority and sentiment, with a calibrated confidence for the category."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ticketctl.ai.offline.assertions import find_cued_label, remove_denials, remove_quotations
from ticketctl.ai.offline.engine.dense import Encoder
from ticketctl.ai.offline.engine.model import Model
from ticketctl.ai.offline.engine.model_store import LabelledTexts, load_or_train
from ticketctl.ai.offline.html_text import html_to_text, is_html
from ticketctl.ai.offline.keywords import KeywordMatcher, label_keywords, pick_label
from ticketctl.ai.offline.language import NAMES, detect_language
from ticketctl.ai.offline.mail_text import is_forwarded, own_words
from ticketctl.ai.offline.message_kind import detect_message_kind
from ticketctl.ai.offline.signal_model import SignalModel, load_or_fit, load_sentiment_model
from ticketctl.ai.offline.signals import (
    deniable_phrases,
    find_sentiment_signals,
    find_urgency_signals,
    waiting_phrases,
)
from ticketctl.ai.prompt_injection import detect_prompt_injection
from ticketctl.ai.sanitize import MAX_CHARACTERS
from ticketctl.ai.taxonomy.schema import NO_CATEGORY, MessageKind, Taxonomy
from ticketctl.tickets.models import Classification

_MIN_CONFIDENCE = 0.6
"""The confidence in a category from which its own priority applies to a ticket without signals."""

_MIN_PROBABILITY = 0.4
"""The probability from which the signals decide on priority and sentiment; below it, the default applies."""

_FORWARDED = "Fwd:"
"""The subject of a forwarded mail, of which the body alone is read."""

_MIN_WORDS = 6
"""The words that must be left without quotations; of a shorter text, the quotations are classified too."""


class CategoryPrediction(NamedTuple):
    """A category or None, its confidence (0 to 1), and the method: "model", "rules" or "cues"."""

    category: str | None
    confidence: float
    method: str


class Classifier:
    """Classifies texts by one taxonomy.

    `model` replaces training on the taxonomy's examples; `folder` caches trained models. `encoder` adds vectors to
    the features that tell categories apart.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        folder: Path | None = None,
        model: Model | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self._taxonomy = taxonomy
        self._folder = folder
        self._given_model = model
        self._encoder = encoder

    def classify(self, text: str) -> Classification:
        """Return the classification of a text, with the reasons for a review, if there are any."""
        # the injection check reads the whole text: quoted mail reaches a model too
        whole, text = text, read_mail(text)[:MAX_CHARACTERS]
        language = detect_language(text)
        kind = detect_message_kind(remove_quotations(text), self._taxonomy.kinds)
        if kind is not None:
            return self._classify_by_kind(text, kind, language)
        prediction = self._predict_category(text)
        return Classification(
            category=prediction.category,
            priority=self._predict_priority(text, prediction),
            sentiment=self._predict_sentiment(text),
            language=language,
            confidence=round(prediction.confidence, 4),
            method=prediction.method,
            review=(
                *self._taxonomy.review_reasons(
                    prediction.category, prediction.confidence, self._threshold_for(prediction.category or "")
                ),
                *self._review_language(language),
                *detect_prompt_injection(whole),
            ),
        )

    @property
    def embedding_model(self) -> str | None:
        """Return the embedding model that tells categories apart, None if words alone do."""
        model = self._category_model
        return model.dense.model if model is not None and model.dense is not None else None

    def load(self) -> None:
        """Load the model of the categories now, or train it: with embeddings that takes longer than a ticket may."""
        self._category_model  # noqa: B018  (a cached property: reading it loads the model)

    def find_message_kind(self, text: str) -> MessageKind | None:
        """Return the kind of a message that is no ticket, or None for a ticket."""
        own = read_mail(text)[:MAX_CHARACTERS]
        return detect_message_kind(remove_quotations(own), self._taxonomy.kinds)

    def _classify_by_kind(self, text: str, kind: MessageKind, language: str) -> Classification:
        """Return the classification of a message that is no ticket: its kind decides about it."""
        return Classification(
            category=kind.category,
            priority=self._taxonomy.priorities[0].name,
            sentiment=kind.sentiment or self._predict_sentiment(text),
            language=language,
            confidence=1.0 if kind.category else 0.0,
            method="rules",
            review=(f"this is no ticket, but {kind.name.replace('_', ' ')}",) if kind.review else (),
            kind=kind.name,
        )

    def _review_language(self, language: str) -> Iterator[str]:
        if self._taxonomy.is_unanswered_language(language):
            yield f"the ticket is in {NAMES.get(language, language)}, which the team does not answer"

    def _predict_category(self, text: str) -> CategoryPrediction:
        """Return the category of a cue; else the model's if it is confident enough, else the keywords', else the model's."""
        text = remove_denials(text, self._negatable, self._fillers)
        asserted = remove_quotations(text)
        if len(asserted.split()) >= _MIN_WORDS:
            text = asserted
        predicted = self._predict_by_model(text)
        cued = find_cued_label(asserted, self._cues)
        if cued:
            confidence = (
                predicted.confidence if predicted.category == cued else self._taxonomy.thresholds.rules
            )
            return CategoryPrediction(cued, confidence, "cues")
        if predicted.category and predicted.confidence >= self._threshold_for(predicted.category):
            return predicted
        label, confidence = pick_label(
            self._category_keywords.count_matches(text), self._taxonomy.thresholds.rules
        )
        return CategoryPrediction(label, confidence, "rules") if label else predicted

    def _threshold_for(self, category: str) -> float:
        """Return the confidence below which a person decides: the category's own, else the model's, else the general."""
        known = self._taxonomy.find_category(category)
        target = self._taxonomy.thresholds.target_precision
        if (
            target is not None
            and self._category_model is not None
            and (known is None or known.threshold is None)
        ):
            threshold = self._category_model.threshold_for(target)
            if threshold is not None:
                return threshold
        return self._taxonomy.threshold_for(category)

    def _predict_by_model(self, text: str) -> CategoryPrediction:
        if self._category_model is None:
            return CategoryPrediction(None, 0.0, "rules")
        scored = self._category_model.predict(text)
        if scored.label == NO_CATEGORY and scored.confidence < self._taxonomy.thresholds.category:
            scored = self._category_model.predict(text, unless=NO_CATEGORY)
        is_unlikely = not scored.in_scope or scored.confidence < self._taxonomy.thresholds.guess
        if is_unlikely or scored.label == NO_CATEGORY:
            return CategoryPrediction(None, 0.0, "model")
        return CategoryPrediction(scored.label, scored.confidence, "model")

    def _predict_priority(self, text: str, prediction: CategoryPrediction) -> str:
        """Return the highest priority with a keyword, else the one that the signals of the text show.

        What the text denies or quotes is no sign; a denial such as "not urgent" may be one of its own. Without a
        probable priority the category's own applies. A category that a cue decides is never below its own priority.
        """
        own = remove_quotations(text)
        asserted = remove_denials(own, self._deniable)
        matches = self._priority_keywords.count_matches(asserted)
        for priority in reversed(self._taxonomy.priorities[1:]):
            if matches[priority.name]:
                return priority.name
        lowest = self._taxonomy.priorities[0].name
        if self._priority_keywords.count_matches(own)[lowest]:
            return lowest
        category = self._taxonomy.find_category(prediction.category or "")
        is_sure = prediction.confidence >= _MIN_CONFIDENCE or prediction.method == "cues"
        usual = category.priority if category and is_sure else None
        shown = self._priority_by_signals(own, asserted)
        if usual and shown and prediction.method == "cues":
            order = [priority.name for priority in self._taxonomy.priorities]
            return max(usual, shown, key=order.index)
        return shown or usual or self._taxonomy.default_priority

    def _priority_by_signals(self, own: str, asserted: str) -> str | None:
        """Return the probable priority, or None; `own` is the text with what it denies."""
        if self._priority_model is None:
            return None
        signals = find_urgency_signals(asserted)
        if own != asserted and find_urgency_signals(own)["can_wait"]:
            signals["can_wait"] = 1
        return _pick_probable(self._priority_model.predict(signals))

    def _predict_sentiment(self, text: str) -> str:
        signals = find_sentiment_signals(remove_quotations(text))
        return _pick_probable(load_sentiment_model().predict(signals)) or "neutral"

    @cached_property
    def _deniable(self) -> tuple[str, ...]:
        """The phrases that say nothing about the priority after a negation."""
        return (*self._negatable, *deniable_phrases())

    @cached_property
    def _negatable(self) -> tuple[str, ...]:
        """The phrases that say nothing about the category after a negation."""
        urgent = [word for priority in self._taxonomy.priorities[1:] for word in priority.keywords]
        negatable = (word for category in self._taxonomy.categories for word in category.negatable)
        return (*urgent, *deniable_phrases(), *negatable)

    @cached_property
    def _fillers(self) -> tuple[str, ...]:
        """The phrases that say only that a ticket can wait, such as "when you have a minute"."""
        return (
            *waiting_phrases(),
            *(word for word in self._taxonomy.priorities[0].keywords if " " in word),
        )

    @cached_property
    def _cues(self) -> tuple[tuple[str, str], ...]:
        """Each cue of a category, with the category's name."""
        return tuple((cue, category.name) for category in self._taxonomy.categories for cue in category.cues)

    @cached_property
    def _category_model(self) -> Model | None:
        if self._given_model is not None:
            return self._given_model
        texts = category_texts(self._taxonomy)
        return load_or_train(texts, self._folder, self._encoder) if _has_labels(texts) else None

    @cached_property
    def _category_keywords(self) -> KeywordMatcher:
        """The keywords of the categories that the model does not know."""
        known = set(self._category_model.labels) if self._category_model else set()
        unknown = [category for category in self._taxonomy.categories if category.name not in known]
        return KeywordMatcher(
            {category.name: label_keywords(category.name, category.keywords) for category in unknown}
        )

    @cached_property
    def _priority_model(self) -> SignalModel | None:
        texts = priority_texts(self._taxonomy)
        return load_or_fit(texts, find_urgency_signals, self._folder) if _has_labels(texts) else None

    @cached_property
    def _priority_keywords(self) -> KeywordMatcher:
        return KeywordMatcher({priority.name: priority.keywords for priority in self._taxonomy.priorities})


def read_mail(text: str) -> str:
    """Return the sender's own words as text; of a forwarded mail, without the subject that the first sender chose."""
    subject, separator, body = text.partition("\n\n")
    if separator and is_html(body):
        text = f"{subject}\n\n{html_to_text(body)}"
    own = own_words(text)
    if not is_forwarded(text):
        return own
    subject, _, body = own.partition("\n")
    return f"{_FORWARDED}\n{body}" if len(body.split()) >= _MIN_WORDS else own


def category_texts(taxonomy: Taxonomy) -> LabelledTexts:
    """Return the training set for categories: examples, description and keywords of those that have examples.

    What fits no category has the label `NO_CATEGORY`.
    """
    texts = [
        (text, category.name)
        for category in taxonomy.categories
        if category.examples
        for text in (*category.examples, category.description, *category.keywords)
        if text
    ]
    return (*texts, *((text, NO_CATEGORY) for text in taxonomy.other)) if texts else ()


def priority_texts(taxonomy: Taxonomy) -> LabelledTexts:
    """Return the training set for priorities."""
    return tuple((text, priority.name) for priority in taxonomy.priorities for text in priority.examples)


def _has_labels(texts: LabelledTexts) -> bool:
    """Tell whether there is something to tell apart."""
    return len({label for _, label in texts}) > 1


def _pick_probable(probabilities: Mapping[str, float]) -> str | None:
    """Return the most probable label, or None if it is not probable enough."""
    label = max(probabilities, key=probabilities.__getitem__)
    return label if probabilities[label] >= _MIN_PROBABILITY else None
