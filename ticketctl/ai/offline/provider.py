"""The provider that needs no network: the same text gets the same answers on every machine."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ticketctl.ai.taxonomy.schema import Taxonomy, digest
from ticketctl.tickets.models import Classification, Draft, Extraction, Route, Step, Ticket
from ticketctl.tickets.protocols import ProviderResponse

if TYPE_CHECKING:
    from ticketctl.ai.offline.classifier import Classifier
    from ticketctl.ai.offline.engine.model import Model

Output = TypeVar("Output")

VERSION = "1"
"""Changes whenever the engine may answer otherwise from the same taxonomy."""


class OfflineProvider:
    """Classifies by a model trained on the taxonomy's examples, extracts by patterns, replies from templates.

    `cache` is a folder that keeps what training gives; `trained` is a model, or the file of one that `ticketctl
    train` wrote, and takes the place of the taxonomy's examples. Nothing is read or trained before the first ticket.
    """

    name = "offline"
    local = True
    model = f"offline-{VERSION}"

    def __init__(
        self, taxonomy: Taxonomy, cache: Path | None = None, trained: "Path | Model | None" = None
    ) -> None:
        self._taxonomy = taxonomy
        self._cache = cache
        self._trained = trained
        self._fingerprints: dict[Step, str] = {}

    def fingerprint(self, step: Step) -> str:
        """A text that changes whenever the answers to this step may change."""
        if step not in self._fingerprints:
            read = self._taxonomy.read_by(step)
            self._fingerprints[step] = digest([self.model, step, read, self._trained_on])
        return self._fingerprints[step]

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        """Say what the ticket is about. The first call reads or trains the models.

        Raises:
            ConfigError: The trained model cannot be used with this taxonomy.
        """
        return self._answer(self._classifier.classify(ticket.text))

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        """Find the entities in the ticket's text."""
        from ticketctl.ai.offline.extraction import extract

        return self._answer(extract(ticket.text, self._taxonomy.identifiers))

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> ProviderResponse[Draft]:
        """Fill in the category's template."""
        from ticketctl.ai.offline.drafting import drafted

        return self._answer(drafted(self._taxonomy, ticket, classification, extraction, route))

    def load(self) -> None:
        """Read the trained model now, so that what is wrong with it is told before the first ticket.

        Raises:
            ConfigError: It cannot be used with this taxonomy.
        """
        self._classifier  # noqa: B018  (it is made, and kept)

    def _answer(self, output: Output) -> ProviderResponse[Output]:
        return ProviderResponse(output=output, model=self.model)

    @cached_property
    def _classifier(self) -> "Classifier":
        from ticketctl.ai.offline.classifier import Classifier
        from ticketctl.ai.offline.engine.model_store import read

        trained = self._trained
        if isinstance(trained, Path):
            trained = read(trained, self._taxonomy)
        return Classifier(self._taxonomy, self._cache, trained)

    @cached_property
    def _trained_on(self) -> str | None:
        """What tells one trained model from another; None where the taxonomy's own examples are used."""
        from hashlib import sha256

        from ticketctl.ai.offline.engine.artifact import packed

        if self._trained is None:
            return None
        data = self._trained.read_bytes() if isinstance(self._trained, Path) else packed(self._trained)
        return sha256(data).hexdigest()
