"""An execution environment with a provider of the benchmarks' own, which answers when it is told to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from uuid import uuid4

from tests.benchmarks.bench import messages_of
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Engines
from ticketctl.postgres.pools import get_pool
from ticketctl.postgres.store import PostgresStore
from ticketctl.processing.batch import Limits, process
from ticketctl.processing.pipeline import Pipeline
from ticketctl.settings import Settings
from ticketctl.tickets.models import Classification, Draft, Extraction, Route, Step, Ticket
from ticketctl.tickets.protocols import ProviderResponse


@dataclass(frozen=True, slots=True)
class WaitingProvider:
    """A provider whose every answer is worth saving, and comes after `wait`."""

    wait: Callable[[], Awaitable[object]]
    name = "waiting"
    local = False

    def fingerprint(self, step: Step, ticket: object = None) -> str:  # noqa: ARG002  (the protocol's)
        """Nothing that its answers depend on ever changes."""
        return f"waiting:{step}"

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:  # noqa: ARG002 - as the port says
        """Answer with what a model would say."""
        await self.wait()
        classification = Classification(
            category="billing",
            priority="normal",
            sentiment="neutral",
            language="en",
            confidence=0.9,
            method="model",
        )
        return ProviderResponse(output=classification, model="waiting", input_tokens=400, output_tokens=40)

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:  # noqa: ARG002 - as the port says
        """Answer that nothing was found."""
        await self.wait()
        return ProviderResponse(output=Extraction(), model="waiting", input_tokens=400, output_tokens=10)

    async def respond(
        self,
        ticket: Ticket,  # noqa: ARG002 - as the port says
        classification: Classification,  # noqa: ARG002
        extraction: Extraction,  # noqa: ARG002
        route: Route,  # noqa: ARG002
    ) -> ProviderResponse[Draft]:
        """Answer with a short reply."""
        await self.wait()
        draft = Draft(text="We refunded the second payment.", method="model")
        return ProviderResponse(output=draft, model="waiting", input_tokens=600, output_tokens=20)


class Environment:
    """What `ticketctl.worker` composes, with the worker's default settings, and this provider in it."""

    def __init__(self, settings: Settings, provider: WaitingProvider) -> None:
        self._engines = Engines(Address.parse(settings.database_url or ""), get_pool(settings.pool), settings)
        self._provider = provider
        self._settings = settings
        self._environment_id = str(uuid4())

    async def process(self, ticket_ids: list[int]) -> None:
        """Process a batch in the running loop. Raises whatever a record failed with."""
        lifetime = self._settings.visibility_timeout
        limits = Limits(
            deadline=monotonic() + lifetime,
            lease=timedelta(seconds=lifetime),
            max_receive_count=self._settings.max_receive_count,
        )
        async with self._engines.open_connections() as connections:
            pipeline = Pipeline(
                store=PostgresStore(connections), provider=self._provider, router=default_taxonomy()
            )
            messages = messages_of(ticket_ids)
            results = await process(messages, pipeline, limits, environment_id=self._environment_id)
        for result in results:
            if result.error is not None:
                raise result.error
