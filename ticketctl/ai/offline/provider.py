"""The provider that needs no network: the same text gets the same answers on every machine."""

from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ticketctl.ai.offline.drafting import drafted
from ticketctl.ai.offline.extraction import extract
from ticketctl.ai.offline.language import language_of
from ticketctl.ai.offline.rules import Keywords, judged, named
from ticketctl.ai.taxonomy import Taxonomy, digest
from ticketctl.domain import Classification, Draft, Extraction, Route, Step, Ticket
from ticketctl.ports import Answer

Output = TypeVar("Output")

VERSION = "1"
"""Changes whenever the engine may answer otherwise from the same taxonomy."""


class OfflineProvider:
    """Classifies by the taxonomy's names and keywords, extracts by patterns, replies from templates.

    `cache` is a folder for what training gives.
    """

    name = "offline"
    local = True

    def __init__(self, taxonomy: Taxonomy, cache: Path | None = None) -> None:
        self._taxonomy = taxonomy
        self._cache = cache

    @property
    def model(self) -> str:
        """What answers, as `steps.model` keeps it."""
        return f"offline-{VERSION}"

    def fingerprint(self, step: Step) -> str:
        """A text that changes whenever the answers to this step may change."""
        return f"{VERSION}:{step}:{digest(self._taxonomy)}"

    async def classify(self, ticket: Ticket) -> Answer[Classification]:
        """Say what the ticket is about."""
        category, confidence = judged(self._categories.found(ticket.text), self._taxonomy.thresholds.rules)
        priority, _ = judged(self._priorities.found(ticket.text), 1.0)
        review = [] if category else ["no category fits"]
        if category and confidence < self._taxonomy.threshold(category):
            review.append(f"confidence {confidence:.2f} is below {self._taxonomy.threshold(category):.2f}")
        return self._answer(
            Classification(
                category=category,
                priority=priority or self._taxonomy.default_priority,
                sentiment="neutral",
                language=language_of(ticket.text),
                confidence=confidence,
                method="rules",
                review=tuple(review),
            )
        )

    async def extract(self, ticket: Ticket) -> Answer[Extraction]:
        """Find the entities in the ticket's text."""
        return self._answer(extract(ticket.text, self._taxonomy.identifiers))

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> Answer[Draft]:
        """Fill in the category's template."""
        return self._answer(drafted(self._taxonomy, ticket, classification, extraction, route))

    def _answer(self, output: Output) -> Answer[Output]:
        return Answer(output=output, model=self.model)

    @cached_property
    def _categories(self) -> Keywords:
        return Keywords({c.name: named(c.name, c.keywords) for c in self._taxonomy.categories})

    @cached_property
    def _priorities(self) -> Keywords:
        return Keywords({p.name: p.keywords for p in self._taxonomy.priorities})
