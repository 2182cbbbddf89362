"""The vocabulary of a support desk: categories, priorities, teams, routing rules, replies, thresholds.

Everything that the pipeline may answer is named here; nothing else ever reaches a ticket. Frozen msgspec
structs: thirty times cheaper to define than dataclasses, which counts in a cold start.
"""

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from ticketctl.tickets.models import Classification, Extraction, Route, Step

Name = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
Kind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Language = Annotated[str, Meta(pattern=r"^[a-z]{2,3}$")]
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
"""The kinds of entity that are found without being configured."""


class TaxonomyPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of a taxonomy share: unknown keys in a file are errors."""


class Category(TaxonomyPart, frozen=True, kw_only=True):
    """What a ticket may be about.

    `examples` train the engine; without any, the name and `keywords` are all that it has. `replies` are
    templates by language, `reply` the one for every other. `threshold` replaces the general one. `priority` is
    what its tickets have where nothing in the text says otherwise.
    """

    name: Name
    description: str = ""
    examples: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    reply: str = ""
    replies: dict[Language, str] = {}
    priority: Name | None = None
    threshold: Share | None = None


class Priority(TaxonomyPart, frozen=True, kw_only=True):
    """How soon a ticket needs a person. `keywords` settle it; `examples` train the engine."""

    name: Name
    description: str = ""
    examples: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


class Team(TaxonomyPart, frozen=True, kw_only=True):
    """Who gets a ticket."""

    name: Name
    description: str = ""


class Conditions(TaxonomyPart, frozen=True, kw_only=True):
    """What must hold, all of it, for a rule to match; what is left out always holds.

    `entities` maps kinds to regular expressions: some entity of each kind must match its own; an empty one
    asks only that the kind was found.
    """

    category: tuple[Name, ...] = ()
    priority: tuple[Name, ...] = ()
    sentiment: tuple[Name, ...] = ()
    language: tuple[Language, ...] = ()
    entities: dict[Kind, str] = {}
    confidence_below: Share | None = None
    confidence_from: Share | None = None

    def unmet_condition(self, classification: Classification, extraction: Extraction) -> str | None:
        """Say which condition does not hold, or None where all do."""
        for field in ("category", "priority", "sentiment", "language"):
            wanted, found = getattr(self, field), getattr(classification, field)
            if wanted and found not in wanted:
                return f"{field} is {found or 'unknown'}, not {' or '.join(wanted)}"
        confidence = classification.confidence
        if self.confidence_below is not None and confidence >= self.confidence_below:
            return f"confidence {confidence:.2f} is not below {self.confidence_below:.2f}"
        if self.confidence_from is not None and confidence < self.confidence_from:
            return f"confidence {confidence:.2f} is below {self.confidence_from:.2f}"
        return self._missing(extraction)

    def _missing(self, extraction: Extraction) -> str | None:
        for kind, pattern in self.entities.items():
            if not any(e.kind == kind and re.search(pattern, e.value) for e in extraction.entities):
                return f"no {kind} that matches {pattern!r}" if pattern else f"no {kind} in the text"
        return None


class RoutingRule(TaxonomyPart, frozen=True, kw_only=True):
    """A team, and when it gets a ticket."""

    team: Name
    when: Conditions
    name: str = ""


class Identifier(TaxonomyPart, frozen=True, kw_only=True):
    """A kind of number that the desk's customers quote, found by the keyword before it.

    `pattern` is a regular expression for the number itself.
    """

    kind: Kind
    keywords: tuple[Annotated[str, Meta(min_length=1)], ...]
    pattern: str = r"[A-Z]{0,6}[-_/]?\d[A-Z0-9]*(?:[-_/][A-Z0-9]+)*"


class Thresholds(TaxonomyPart, frozen=True, kw_only=True):
    """Below `category`, a human decides; below `guess`, no category is even proposed to them.

    `rules` is the most that name and keyword rules may claim.
    """

    category: Share = 0.6
    guess: Share = 0.2
    rules: Share = 0.5


class ReplySettings(TaxonomyPart, frozen=True, kw_only=True):
    """The reply of a category that has none, and what replies may name besides what the ticket names.

    `allow` lists links, hosts, e-mail addresses and amounts.
    """

    default: str = (
        "Hello,\n\nthank you for your message about \u201c{subject}\u201d. We are looking into it.\n"
    )
    allow: tuple[str, ...] = ()


class Taxonomy(TaxonomyPart, frozen=True, kw_only=True):
    """The whole vocabulary. Priorities go from the lowest to the highest; of the routes, the first match wins."""

    categories: Annotated[tuple[Category, ...], Meta(min_length=1)]
    priorities: Annotated[tuple[Priority, ...], Meta(min_length=1)]
    default_priority: Name
    teams: Annotated[tuple[Team, ...], Meta(min_length=1)]
    default_team: Name
    routes: tuple[RoutingRule, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    thresholds: Thresholds = Thresholds()
    reply: ReplySettings = ReplySettings()

    def find_category(self, name: str) -> Category | None:
        """The category of that name, or None."""
        return next((category for category in self.categories if category.name == name), None)

    def threshold_for(self, category: str) -> float:
        """The confidence, 0 to 1, below which a human decides on this category."""
        found = self.find_category(category)
        return self.thresholds.category if found is None or found.threshold is None else found.threshold

    def review_reasons(self, category: str | None, confidence: float) -> Iterator[str]:
        """Why a human must look at a category found with this confidence, 0 to 1; nothing where it is sure."""
        if category is None:
            yield "no category fits"
        elif confidence < (threshold := self.threshold_for(category)):
            yield f"confidence {confidence:.3f} is below {threshold:.3f}"

    def entity_kinds(self) -> frozenset[str]:
        """Every kind of entity that may be found."""
        return BUILT_IN_KINDS | {identifier.kind for identifier in self.identifiers}

    def reply_template(self, category: str | None, language: str) -> str:
        """The reply template for a category in a language, or the nearest there is."""
        found = self.find_category(category) if category else None
        if found is None:
            return self.reply.default
        return found.replies.get(language) or found.reply or self.reply.default

    def step_inputs(self, step: Step) -> object:
        """The parts that one step's answer depends on, so that a new reply leaves what is classified as it is."""
        if step is Step.EXTRACT:
            return self.identifiers
        if step is Step.RESPOND:
            return [[(c.name, c.reply, c.replies) for c in self.categories], self.reply, self.identifiers]
        silent = [msgspec.structs.replace(c, reply="", replies={}) for c in self.categories]
        return [silent, self.priorities, self.default_priority, self.thresholds]

    def fingerprint(self) -> str:
        """A text that changes whenever the routing may change."""
        return json_digest([self.routes, self.teams, self.default_team])

    def route(self, classification: Classification, extraction: Extraction) -> Route:
        """Choose the team by the first rule that matches."""
        for rule, unmet in self.explain(classification, extraction):
            if unmet is None:
                return Route(team=rule.team, rule=rule.name, reason=f"rule {rule.name!r} matched")
        return Route(team=self.default_team, rule="default", reason="no rule matched")

    def explain(
        self, classification: Classification, extraction: Extraction
    ) -> Iterator[tuple[RoutingRule, str | None]]:
        """Each rule in order, with the condition that does not hold, or None where the rule matches."""
        for number, rule in enumerate(self.routes, start=1):
            named = rule if rule.name else msgspec.structs.replace(rule, name=f"rule {number}")
            yield named, rule.when.unmet_condition(classification, extraction)


NO_CATEGORY = "none"
"""What a model answers where no category fits."""

SENTIMENTS = ("negative", "neutral", "positive")
"""How the writer feels: a closed vocabulary that no file changes."""


def json_digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON, in hexadecimal."""
    from hashlib import sha256

    return sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
