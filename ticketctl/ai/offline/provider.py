"""The provider that needs no network: the same text gives the same response on every machine."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ticketctl.ai.taxonomy.schema import Taxonomy, json_digest
from ticketctl.tickets.models import Classification, Draft, Extraction, Route, Step, Ticket
from ticketctl.tickets.protocols import ProviderResponse

if TYPE_CHECKING:
    from ticketctl.ai.offline.classifier import Classifier
    from ticketctl.ai.offline.engine.dense import Encoder
    from ticketctl.ai.offline.engine.model import Model

Output = TypeVar("Output")

VERSION = "4"
"""Increase it whenever the same taxonomy may give other results: saved steps are then run again."""


class OfflineProvider:
    """Classifies by a model trained on the taxonomy's examples, extracts by patterns, replies from templates.

    `cache` is a folder for trained models. `trained_model` is a model, or the file of one that `ticketctl train`
    wrote; it replaces the taxonomy's examples. `encoder` is an embedding model, whose vectors are added to the features
    that tell categories apart. Nothing is loaded or trained before the first ticket.
    """

    name = "offline"
    local = True
    model = f"offline-{VERSION}"

    def __init__(
        self,
        taxonomy: Taxonomy,
        cache: Path | None = None,
        trained_model: "Path | Model | None" = None,
        encoder: "Encoder | None" = None,
    ) -> None:
        self._taxonomy = taxonomy
        self._encoder = encoder
        self._cache = cache
        self._trained_model = trained_model
        self._fingerprints: dict[Step, str] = {}

    def fingerprint(self, step: Step, ticket: Ticket | None = None) -> str:  # noqa: ARG002  (the protocol's)
        """Return a text that changes whenever the responses of this step may change."""
        if step not in self._fingerprints:
            inputs = self._taxonomy.step_inputs(step)
            encoder = [self._encoder.digest] if self._encoder and step is Step.CLASSIFY else []
            self._fingerprints[step] = json_digest([self.model, step, inputs, self._model_digest, *encoder])
        return self._fingerprints[step]

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        """Classify the ticket. The first call loads or trains the models.

        Raises:
            ConfigError: The trained model cannot be used with this taxonomy, or the embedding model not at all.
        """
        response = self._respond_with(self._classifier.classify(ticket.text))
        embedding_model = self._classifier.embedding_model
        if embedding_model is None:
            return response
        return replace(response, model=f"{self.model}+{embedding_model}")

    def is_ticket(self, ticket: Ticket) -> bool:
        """Tell whether the message asks for something, and is no bounce, spam or the like."""
        return self._classifier.find_message_kind(ticket.text) is None

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        """Extract the entities of the requester's own words."""
        from ticketctl.ai.offline.mail_entities import extract_from_mail

        return self._respond_with(extract_from_mail(ticket.text, self._taxonomy.identifiers))

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> ProviderResponse[Draft]:
        """Draft a reply from the category's template."""
        from ticketctl.ai.offline.drafting import fill_draft

        return self._respond_with(fill_draft(self._taxonomy, ticket, classification, extraction, route))

    def load(self) -> None:
        """Load the trained model and the embedding model now, to report their errors before the first ticket.

        With an embedding model, this trains on the taxonomy's examples if no trained model is in the cache.

        Raises:
            ConfigError: The trained model cannot be used with this taxonomy, or the embedding model not at all.
        """
        if self._encoder is not None:
            self._encoder.encode("")
        self._classifier.load()

    def _respond_with(self, output: Output) -> ProviderResponse[Output]:
        return ProviderResponse(output=output, model=self.model)

    @cached_property
    def _classifier(self) -> "Classifier":
        from ticketctl.ai.offline.classifier import Classifier
        from ticketctl.ai.offline.engine.model_store import load_model_file

        model = self._trained_model
        if isinstance(model, Path):
            model = load_model_file(model, self._taxonomy, self._encoder)
        elif model is not None:
            model = model.with_encoder(self._encoder)
        return Classifier(self._taxonomy, self._cache, model, self._encoder)

    @cached_property
    def _model_digest(self) -> str | None:
        """The digest of the trained model, or None if the taxonomy's own examples are used."""
        from hashlib import sha256

        from ticketctl.ai.offline.engine.artifact import read_artifact, serialize

        model = self._trained_model
        if model is None:
            return None
        data = read_artifact(model) if isinstance(model, Path) else serialize(model)
        return sha256(data).hexdigest()
