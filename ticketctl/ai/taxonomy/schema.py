"""The vocabulary of a support team: categories, priorities, teams, routing rules, replies, thresholds.

The pipeline writes only values of this vocabulary on a ticket. The classes are frozen msgspec structs because
defining one is thirty times faster than defining a dataclass, which matters in a cold start.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ticketctl.tickets.models import Classification, Extraction, Route, Step

_NAME, _KIND, _LANGUAGE = r"^[^\x00-\x1f\x7f]+$", r"^[a-z][a-z0-9_]{0,39}$", r"^[a-z]{2,3}$"
PATTERN_MEANINGS = {
    _NAME: "text without control characters",
    _KIND: "lower-case letters, digits and _, starting with a letter, at most 40 characters",
    _LANGUAGE: "an ISO 639 language code such as en",
}
"""What each pattern of a field requires, for error messages."""
Name = Annotated[str, Meta(min_length=1, max_length=80, pattern=_NAME)]
Kind = Annotated[str, Meta(pattern=_KIND)]
Language = Annotated[str, Meta(pattern=_LANGUAGE)]
Sentiment = Literal["negative", "neutral", "positive"]
Share = Annotated[float, Meta(ge=0, le=1)]

BUILT_IN_KINDS = frozenset(
    {
        "card",
        "date",
        "email",
        "error_code",
        "exception",
        "file",
        "iban",
        "ip",
        "money",
        "phone",
        "time",
        "url",
        "version",
    }
)
"""Entity kinds that the engine extracts without configuration."""


class TaxonomyPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One part of a taxonomy; unknown keys in a file are errors."""


class Category(TaxonomyPart, frozen=True, kw_only=True):
    """A subject that tickets are about.

    `examples` train the engine; without them it uses the name and `keywords` only. `replies` are templates by
    language, `reply` is the template for all other languages. `threshold` replaces the general threshold.
    `priority` is the priority of its tickets unless their text indicates another. A sentence that contains all parts
    of one of the `cues` ("changed + my password") decides the category, whatever the model says. `negatable` are
    words that say nothing about the category after a negation ("no outage").
    """

    name: Name
    description: str = ""
    examples: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    reply: str = ""
    replies: dict[Language, str] = {}
    priority: Name | None = None
    threshold: Share | None = None
    cues: tuple[str, ...] = ()
    negatable: tuple[str, ...] = ()


class MessageKind(TaxonomyPart, frozen=True, kw_only=True):
    """A kind of message that is no ticket, such as a bounce. It gets no draft and the lowest priority.

    A message is of this kind if its subject begins with one of `subjects`, if its first words contain one of
    `phrases`, or if it contains `min_cues` of the `cues`; but not if it is longer than `max_words` or contains a word
    of `unless`. `category` and `sentiment` are those of such messages. `review` sends them to a person.
    """

    name: Kind
    description: str = ""
    subjects: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    min_cues: Annotated[int, Meta(ge=1)] = 2
    max_words: Annotated[int, Meta(ge=1)] | None = None
    unless: tuple[str, ...] = ()
    category: Name | None = None
    sentiment: Sentiment | None = None
    review: bool = True


class Priority(TaxonomyPart, frozen=True, kw_only=True):
    """How soon a person must look at a ticket. `keywords` decide it; `examples` train the engine."""

    name: Name
    description: str = ""
    examples: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


class Team(TaxonomyPart, frozen=True, kw_only=True):
    """A team that tickets are routed to."""

    name: Name
    description: str = ""


class Conditions(TaxonomyPart, frozen=True, kw_only=True):
    """The conditions of a rule: all that are set must hold.

    `entities` maps entity kinds to regular expressions: at least one entity of each kind must match. An empty
    expression requires only that an entity of the kind was found.
    """

    category: tuple[Name, ...] = ()
    priority: tuple[Name, ...] = ()
    sentiment: tuple[Name, ...] = ()
    language: tuple[Language, ...] = ()
    entities: dict[Kind, str] = {}
    confidence_below: Share | None = None
    confidence_from: Share | None = None

    def unmet_condition(self, classification: Classification, extraction: Extraction) -> str | None:
        """Return why the conditions do not hold, or None if they do."""
        for field in ("category", "priority", "sentiment", "language"):
            allowed, actual = getattr(self, field), getattr(classification, field)
            if allowed and actual not in allowed:
                return f"{field} is {actual or 'unknown'}, not {' or '.join(allowed)}"
        confidence = classification.confidence
        if self.confidence_below is not None and confidence >= self.confidence_below:
            return f"confidence {confidence:.2f} is not below {self.confidence_below:.2f}"
        if self.confidence_from is not None and confidence < self.confidence_from:
            return f"confidence {confidence:.2f} is below {self.confidence_from:.2f}"
        return self._unmet_entity_condition(extraction)

    def _unmet_entity_condition(self, extraction: Extraction) -> str | None:
        from ticketctl.ai.regex_safety import search

        for kind, pattern in self.entities.items():
            if not any(
                e.kind == kind and (not pattern or search(pattern, e.value)) for e in extraction.entities
            ):
                return f"no {kind} that matches {pattern!r}" if pattern else f"no {kind} in the text"
        return None


class RoutingRule(TaxonomyPart, frozen=True, kw_only=True):
    """Routes a ticket to `team` when the conditions hold."""

    team: Name
    when: Conditions
    name: str = ""


class Identifier(TaxonomyPart, frozen=True, kw_only=True):
    """A kind of number that requesters quote, recognised by a keyword before it.

    `pattern` is the regular expression of the number itself.
    """

    kind: Kind
    keywords: tuple[Annotated[str, Meta(min_length=1)], ...]
    pattern: str = r"[A-Z]{0,6}[-_/]?\d[A-Z0-9]*(?:[-_/][A-Z0-9]+)*"


class Thresholds(TaxonomyPart, frozen=True, kw_only=True):
    """Confidences, 0 to 1: below `category` a person decides, below `guess` no category is proposed.

    `rules` is the most that name and keyword rules may give. With `target_precision`, the engine takes
    the confidence from which texts held out in training reach this precision, one in six of no category, for `category`.
    """

    category: Share = 0.6
    guess: Share = 0.2
    rules: Share = 0.5
    target_precision: Share | None = None


class ReplySettings(TaxonomyPart, frozen=True, kw_only=True):
    """The reply template for categories without their own, and what replies may name.

    `defaults` are such templates by language, `default` is the template for all other languages.
    `allow` lists links, hosts, e-mail addresses and amounts that a reply may name although the ticket does not.
    """

    default: str = (
        "Hello,\n\nthank you for your message about \u201c{subject}\u201d. We are looking into it.\n"
    )
    defaults: dict[Language, str] = {}
    allow: tuple[str, ...] = ()


class Taxonomy(TaxonomyPart, frozen=True, kw_only=True):
    """The whole vocabulary. Priorities are ordered from low to high; the first route that matches wins.

    `other` are examples of tickets that fit no category. `languages` are the languages that the team answers, first the one of `reply`: a ticket in another language goes
    to review, and gets a draft only from a template in its language. If it is empty, every language is accepted.
    """

    categories: Annotated[tuple[Category, ...], Meta(min_length=1)]
    priorities: Annotated[tuple[Priority, ...], Meta(min_length=1)]
    default_priority: Name
    teams: Annotated[tuple[Team, ...], Meta(min_length=1)]
    default_team: Name
    routes: tuple[RoutingRule, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    thresholds: Thresholds = Thresholds()
    reply: ReplySettings = ReplySettings()
    other: tuple[str, ...] = ()
    languages: tuple[Language, ...] = ()
    kinds: tuple[MessageKind, ...] = ()

    def find_category(self, name: str) -> Category | None:
        """Return the category with this name, or None."""
        return next((category for category in self.categories if category.name == name), None)

    def threshold_for(self, category: str) -> float:
        """Return the confidence, 0 to 1, below which a person decides on this category."""
        known = self.find_category(category)
        return self.thresholds.category if known is None or known.threshold is None else known.threshold

    def review_reasons(
        self, category: str | None, confidence: float, threshold: float | None = None
    ) -> Iterator[str]:
        """Yield why a person must review a category of this confidence, 0 to 1; nothing if it is high enough."""
        if category is None:
            yield "no category fits"
        elif confidence < (threshold := self.threshold_for(category) if threshold is None else threshold):
            yield f"confidence {confidence:.3f} is below {threshold:.3f}"

    def entity_kinds(self) -> frozenset[str]:
        """Return every entity kind that the engine may extract."""
        return BUILT_IN_KINDS | {identifier.kind for identifier in self.identifiers}

    def reply_template(self, category: str | None, language: str) -> str:
        """Return the reply template of a category in a language, or the closest one.

        It is empty for a language that the team does not answer, unless there is a template in that language.
        """
        known = self.find_category(category) if category else None
        own = known.replies.get(language) if known else None
        template = own or self.reply.defaults.get(language)
        if self.languages and language not in {self.languages[0], UNKNOWN_LANGUAGE}:
            return template or ""
        return own or (known.reply if known else "") or template or self.reply.default

    def is_unanswered_language(self, language: str) -> bool:
        """Tell whether the team does not answer this language; an unknown one is none."""
        return bool(self.languages) and language not in (*self.languages, UNKNOWN_LANGUAGE)

    def step_inputs(self, step: Step) -> object:
        """Return the parts that one step's response depends on: a new reply template does not change a classification."""
        if step is Step.EXTRACT:
            return self.identifiers
        if step is Step.RESPOND:
            replies = [(c.name, c.reply, c.replies) for c in self.categories]
            return [replies, self.reply, self.identifiers, self.languages]
        without_replies = [msgspec.structs.replace(c, reply="", replies={}) for c in self.categories]
        levels = [self.priorities, self.default_priority, self.thresholds]
        return [without_replies, *levels, self.other, self.languages, self.kinds]

    def fingerprint(self) -> str:
        """Return a text that changes whenever the routing may change."""
        return json_digest([self.routes, self.teams, self.default_team])

    def route(self, classification: Classification, extraction: Extraction) -> Route:
        """Return the team of the first rule that matches, or the default team."""
        for rule, unmet in self.explain(classification, extraction):
            if unmet is None:
                return Route(team=rule.team, rule=rule.name, reason=f"rule {rule.name!r} matched")
        return Route(team=self.default_team, rule="default", reason="no rule matched")

    def explain(
        self, classification: Classification, extraction: Extraction
    ) -> Iterator[tuple[RoutingRule, str | None]]:
        """Yield each rule in order, with the condition that does not hold, or None if the rule matches."""
        for number, rule in enumerate(self.routes, start=1):
            named = rule if rule.name else msgspec.structs.replace(rule, name=f"rule {number}")
            yield named, rule.when.unmet_condition(classification, extraction)


UNKNOWN_LANGUAGE = "und"
"""The ISO 639-2 code for an undetermined language."""

NO_CATEGORY = "none"
"""The category that a model answers if none fits."""

SENTIMENTS = ("negative", "neutral", "positive")
"""The sentiments; a taxonomy file cannot change them."""


def json_digest(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hexadecimal."""
    from hashlib import sha256

    return sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
