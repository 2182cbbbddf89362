"""The provider behind HTTP: asks a model, believes nothing it says, and lets the offline engine stand in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import httpx

from ticketctl.ai.budget import Budget
from ticketctl.ai.offline.extraction import MASKED_KINDS
from ticketctl.ai.offline.provider import OfflineProvider
from ticketctl.ai.prompt_injection import detect_prompt_injection
from ticketctl.ai.providers import anthropic, openai, prompts
from ticketctl.ai.providers.chat import ChatMessage, ChatModel, Completion
from ticketctl.ai.providers.http_client import HttpClient, ProviderUnavailableError
from ticketctl.ai.providers.prompts import Prompt
from ticketctl.ai.providers.response_parsing import (
    UnusableResponseError,
    parse_classification,
    parse_draft,
    parse_extraction,
)
from ticketctl.ai.redaction import PERSONAL_KINDS, RedactedText, redact
from ticketctl.ai.sanitize import MAX_CHARACTERS, fence, strip_invisible
from ticketctl.ai.taxonomy.schema import Taxonomy, json_digest
from ticketctl.errors import ConfigError
from ticketctl.tickets.models import Classification, Draft, Extraction, Route, Step, Ticket
from ticketctl.tickets.pricing import INSTEAD_OF
from ticketctl.tickets.protocols import ProviderResponse

Output = TypeVar("Output", Classification, Extraction, Draft)

_Read = Callable[[str], Output]
_StandIn = Callable[[], Awaitable[ProviderResponse[Output]]]

_QUOTED = 2_000  # characters of a bad answer that are shown to the model again
_SHOWN = 300  # characters of a failure that a reason quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """How to reach a model. `models` replaces `model` for single steps; `timeout` is in seconds.

    `redact` keeps e-mail addresses and phone numbers at home; card and account numbers never leave.
    """

    provider: Literal["openai", "anthropic"]
    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    models: Mapping[Step, str] = field(default_factory=dict)
    timeout: float = 30.0
    retries: int = 3
    max_concurrency: int = 32
    max_tokens: int = 2_000
    redact: bool = True

    def __post_init__(self) -> None:
        """Raise ConfigError where the server wants a key and there is none."""
        if self.base_url is None and not self.api_key:
            raise ConfigError(
                f"the AI provider {self.provider} needs a key",
                hint="set TICKETCTL_AI_API_KEY, or TICKETCTL_AI_BASE_URL to a server that needs none",
            )

    def model_for(self, step: Step) -> str:
        """The model that is asked for a step."""
        return self.models.get(step, self.model)


class LlmProvider:
    """Asks a model for each step. Made once per event loop, for `client` belongs to one.

    An answer that cannot be used is asked for once more, with the reason; then, and when the server cannot be
    reached, the offline engine stands in: `degraded`, with a reason for a human to look.
    """

    local = False

    def __init__(
        self,
        settings: LlmSettings,
        taxonomy: Taxonomy,
        offline: OfflineProvider,
        client: httpx.AsyncClient,
        budget: Budget,
    ) -> None:
        self.name = settings.provider
        self._settings = settings
        self._taxonomy = taxonomy
        self._offline = offline
        self._budget = budget
        self._free = asyncio.Semaphore(settings.max_concurrency)
        self._chat = _chat(settings, client)

    def fingerprint(self, step: Step) -> str:
        """A text that changes whenever the answers to this step may change."""
        settings = self._settings
        model = settings.model_for(step)
        asked = [prompts.VERSION, settings.base_url, model, settings.redact, settings.max_tokens]
        return json_digest([self.name, asked, self._offline.fingerprint(step)])

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        """Say what the ticket is about. Raises ProviderError where asking again cannot help."""
        prompt = prompts.classify_prompt(self._taxonomy)
        answer = await self._asked(
            Step.CLASSIFY,
            prompt,
            self._redacted(ticket),
            lambda said: parse_classification(said, self._taxonomy),
            lambda: self._offline.classify(ticket),
        )
        said = answer.output
        review = dict.fromkeys((*said.review, *detect_prompt_injection(ticket.text)))
        return replace(answer, output=replace(said, review=tuple(review)))

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        """Find the entities in the ticket's text. Raises ProviderError where asking again cannot help."""
        sent = self._redacted(ticket)
        return await self._asked(
            Step.EXTRACT,
            prompts.extract_prompt(self._taxonomy),
            sent,
            lambda said: parse_extraction(said, self._taxonomy, ticket.text, sent),
            lambda: self._offline.extract(ticket),
        )

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> ProviderResponse[Draft]:
        """Draft a reply. Raises ProviderError where asking again cannot help."""
        sent = self._redacted(ticket)
        return await self._asked(
            Step.RESPOND,
            prompts.respond_prompt(self._taxonomy, classification, route),
            sent,
            lambda said: parse_draft(said, self._taxonomy, ticket.text, sent),
            lambda: self._offline.respond(ticket, classification, extraction, route),
        )

    async def _asked(
        self, step: Step, prompt: Prompt, sent: RedactedText, read: _Read[Output], stand_in: _StandIn[Output]
    ) -> ProviderResponse[Output]:
        said: list[Completion] = []
        model = self._settings.model_for(step)
        try:
            output = await self._conversed(model, prompt, sent, read, said)
            answer = ProviderResponse(output=output, model=model)
        except (UnusableResponseError, ProviderUnavailableError) as failed:
            answer = _degraded(await stand_in(), failed)
            if said:
                answer = replace(answer, model=f"{answer.model}{INSTEAD_OF}{model}")
        return replace(
            answer,
            input_tokens=sum(completion.input_tokens for completion in said),
            output_tokens=sum(completion.output_tokens for completion in said),
            sent=sent.text[:MAX_CHARACTERS],
        )

    async def _conversed(
        self, model: str, prompt: Prompt, sent: RedactedText, read: _Read[Output], said: list[Completion]
    ) -> Output:
        """Ask, and where the answer cannot be used ask once more, showing why; `said` keeps what was answered."""
        ticket = ChatMessage("user", fence(sent.text))
        first = await self._completed(model, prompt, [ticket], said)
        try:
            return _usable(first, read)
        except UnusableResponseError as bad:
            again = [
                ticket,
                ChatMessage("assistant", first.text[:_QUOTED] or "(no answer)"),
                ChatMessage(
                    "user",
                    f"That answer cannot be used: {bad}. ProviderResponse again, as the instructions ask.",
                ),
            ]
        return _usable(await self._completed(model, prompt, again, said), read)

    async def _completed(
        self, model: str, prompt: Prompt, conversation: list[ChatMessage], said: list[Completion]
    ) -> Completion:
        async with self._free:
            self._budget.check(model)
            completion = await self._chat.complete(model, prompt, conversation)
        self._budget.add(model, completion.input_tokens, completion.output_tokens)
        said.append(completion)
        return completion

    def _redacted(self, ticket: Ticket) -> RedactedText:
        """What leaves the machine of a ticket."""
        return redact(ticket.text, PERSONAL_KINDS if self._settings.redact else MASKED_KINDS)


def _chat(settings: LlmSettings, client: httpx.AsyncClient) -> ChatModel:
    kinds: dict[str, tuple[type[openai.OpenAIChat | anthropic.AnthropicMessages], str]] = {
        "openai": (openai.OpenAIChat, openai.BASE_URL),
        "anthropic": (anthropic.AnthropicMessages, anthropic.BASE_URL),
    }
    kind, base_url = kinds[settings.provider]
    return kind(
        HttpClient(client, retries=settings.retries),
        base_url=settings.base_url or base_url,
        api_key=settings.api_key,
        max_tokens=settings.max_tokens,
    )


def _usable(completion: Completion, read: _Read[Output]) -> Output:
    if completion.problem is not None:
        raise UnusableResponseError(completion.problem)
    return read(completion.text)


def _degraded(answer: ProviderResponse[Output], failed: Exception) -> ProviderResponse[Output]:
    reason = f"the AI provider could not be used: {' '.join(strip_invisible(str(failed)).split())[:_SHOWN]}"
    output = replace(answer.output, degraded=True, review=(*answer.output.review, reason))
    return replace(answer, output=output)
