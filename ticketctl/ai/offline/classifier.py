"""Classify a text: category, priority and sentiment, with a calibrated confidence for the category."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ticketctl.ai.offline import sentiment_cues
from ticketctl.ai.offline.assertions import find_cued_label, remove_denials, remove_quotations
from ticketctl.ai.offline.engine.dense import Encoder
from ticketctl.ai.offline.engine.model import Model
from ticketctl.ai.offline.engine.model_store import LabelledTexts, load_or_train
from ticketctl.ai.offline.html_text import html_to_text, is_html
from ticketctl.ai.offline.keywords import KeywordMatcher, label_keywords, pick_label
from ticketctl.ai.offline.language import NAMES, detect_language
from ticketctl.ai.offline.mail_text import is_forwarded, own_words
from ticketctl.ai.offline.message_kind import detect_message_kind
from ticketctl.ai.prompt_injection import detect_prompt_injection
from ticketctl.ai.sanitize import MAX_CHARACTERS
from ticketctl.ai.taxonomy.schema import NO_CATEGORY, SENTIMENTS, MessageKind, Taxonomy
from ticketctl.tickets.models import Classification

_MIN_CONFIDENCE = 0.6
"""The confidence from which the model decides on priority and sentiment; below it, the default applies."""


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
        """Return the highest priority with a cue, else the model's if confident, else the category's default.

        What the text denies or quotes is no cue; a denial such as "not urgent" may be a cue of its own.
        """
        lowest = self._taxonomy.priorities[0].name
        is_low = bool(self._priority_keywords.count_matches(text)[lowest])
        text = remove_denials(remove_quotations(text), self._negatable)
        matches = self._priority_keywords.count_matches(text)
        for priority in reversed(self._taxonomy.priorities[1:]):
            if matches[priority.name]:
                return priority.name
        if is_low:
            return lowest
        category = self._taxonomy.find_category(prediction.category or "")
        is_sure = prediction.confidence >= _MIN_CONFIDENCE or prediction.method == "cues"
        usual = category.priority if category and is_sure else None
        if usual and prediction.method == "cues":
            return usual
        return _predict_confidently(self._priority_model, text) or usual or self._taxonomy.default_priority

    def _predict_sentiment(self, text: str) -> str:
        label, _ = pick_label(self._sentiment_keywords.count_matches(text), 1.0)
        return label or _predict_confidently(self._sentiment_model, text) or "neutral"

    @cached_property
    def _negatable(self) -> tuple[str, ...]:
        """The phrases that a negation turns into their opposite."""
        urgent = [word for priority in self._taxonomy.priorities[1:] for word in priority.keywords]
        return (*urgent, *(word for category in self._taxonomy.categories for word in category.negatable))

    @cached_property
    def _fillers(self) -> tuple[str, ...]:
        """The phrases that say only that a ticket can wait, such as "when you have a minute"."""
        return tuple(word for word in self._taxonomy.priorities[0].keywords if " " in word)

    @cached_property
    def _cues(self) -> tuple[tuple[str, str], ...]:
        """Each cue of a category, with the category's name."""
        return tuple((cue, category.name) for category in self._taxonomy.categories for cue in category.cues)

    @cached_property
    def _category_model(self) -> Model | None:
        if self._given_model is not None:
            return self._given_model
        return self._load_model(category_texts(self._taxonomy), self._encoder)

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

    def _load_model(self, texts: LabelledTexts, encoder: Encoder | None = None) -> Model | None:
        """Return the model of a training set, or None if the set has fewer than two labels."""
        return load_or_train(texts, self._folder, encoder) if len({label for _, label in texts}) > 1 else None


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
    return _label_texts({priority.name: priority.examples for priority in taxonomy.priorities})


def sentiment_texts() -> LabelledTexts:
    """Return the training set for sentiments."""
    return _label_texts({sentiment: sentiment_cues.EXAMPLES[sentiment] for sentiment in SENTIMENTS})


def _label_texts(examples: Mapping[str, Iterable[str]]) -> LabelledTexts:
    return tuple((text, label) for label, texts in examples.items() for text in texts)


def _predict_confidently(model: Model | None, text: str) -> str | None:
    scored = model.predict(text) if model else None
    return scored.label if scored and scored.in_scope and scored.confidence >= _MIN_CONFIDENCE else None
