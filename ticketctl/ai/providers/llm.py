"""The provider that asks a language model over HTTP, checks its responses, and falls back to the offline engine."""

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
from ticketctl.ai.providers.http_client import MAX_RESPONSE_SECONDS, HttpClient, ProviderUnavailableError
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

_Parse = Callable[[str], Output]
_Fallback = Callable[[], Awaitable[ProviderResponse[Output]]]

_MAX_REPEATED = 2_000  # characters of an unusable response that the model sees again
_MAX_REASON = 300  # characters of a failure that a review reason quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """How to reach a model. `models` replaces `model` for single steps; times are in seconds.

    `timeout` bounds each wait for the next bytes, `max_response_seconds` a whole response. `redact` replaces e-mail
    addresses and phone numbers by placeholders; card and account numbers are always replaced.
    """

    provider: Literal["openai", "anthropic"]
    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    models: Mapping[Step, str] = field(default_factory=dict)
    timeout: float = 30.0
    max_response_seconds: float = MAX_RESPONSE_SECONDS
    retries: int = 3
    max_concurrency: int = 32
    max_tokens: int = 2_000
    redact: bool = True

    def __post_init__(self) -> None:
        """Raise ConfigError if the server needs a key and there is none."""
        if self.base_url is None and not self.api_key:
            raise ConfigError(
                f"the AI provider {self.provider} needs a key",
                hint="set TICKETCTL_AI_API_KEY, or TICKETCTL_AI_BASE_URL to a server that needs none",
            )

    def model_for(self, step: Step) -> str:
        """Return the model that is asked for a step."""
        return self.models.get(step, self.model)


class LlmProvider:
    """Asks a language model for each step. Made once per event loop, because `client` is bound to one.

    If a response cannot be used, the model is asked once more and told why. If that fails too, or the server cannot
    be reached, the offline engine answers instead: the output is `degraded` and has a reason for a review.
    `sleep` waits between attempts; tests replace it.
    """

    local = False

    def __init__(
        self,
        settings: LlmSettings,
        taxonomy: Taxonomy,
        offline: OfflineProvider,
        client: httpx.AsyncClient,
        budget: Budget,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = settings.provider
        self._settings = settings
        self._taxonomy = taxonomy
        self._offline = offline
        self._budget = budget
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        http = HttpClient(
            client, retries=settings.retries, max_seconds=settings.max_response_seconds, sleep=sleep
        )
        self._chat = _make_chat_model(settings, http)

    def fingerprint(self, step: Step) -> str:
        """Return a text that changes whenever the responses of this step may change."""
        settings = self._settings
        model = settings.model_for(step)
        request = [prompts.VERSION, settings.base_url, model, settings.redact, settings.max_tokens]
        return json_digest([self.name, request, self._offline.fingerprint(step)])

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        """Classify the ticket. Raises ProviderError if the server refuses the request."""
        response = await self._ask(
            Step.CLASSIFY,
            prompts.classify_prompt(self._taxonomy),
            self._redact(ticket),
            lambda text: parse_classification(text, self._taxonomy),
            lambda: self._offline.classify(ticket),
        )
        output = response.output
        review = dict.fromkeys((*output.review, *detect_prompt_injection(ticket.text)))
        return replace(response, output=replace(output, review=tuple(review)))

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        """Extract the entities of the ticket's text. Raises ProviderError if the server refuses the request."""
        redacted = self._redact(ticket)
        return await self._ask(
            Step.EXTRACT,
            prompts.extract_prompt(self._taxonomy),
            redacted,
            lambda text: parse_extraction(text, self._taxonomy, ticket.text, redacted),
            lambda: self._offline.extract(ticket),
        )

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> ProviderResponse[Draft]:
        """Draft a reply. Raises ProviderError if the server refuses the request."""
        redacted = self._redact(ticket)
        return await self._ask(
            Step.RESPOND,
            prompts.respond_prompt(self._taxonomy, classification, route),
            redacted,
            lambda text: parse_draft(text, self._taxonomy, ticket.text, redacted),
            lambda: self._offline.respond(ticket, classification, extraction, route),
        )

    async def _ask(
        self,
        step: Step,
        prompt: Prompt,
        redacted: RedactedText,
        parse: _Parse[Output],
        fallback: _Fallback[Output],
    ) -> ProviderResponse[Output]:
        completions: list[Completion] = []
        model = self._settings.model_for(step)
        try:
            output = await self._converse(model, prompt, redacted, parse, completions)
            response = ProviderResponse(output=output, model=model)
        except (UnusableResponseError, ProviderUnavailableError) as error:
            response = _degrade(await fallback(), error)
            if completions:
                response = replace(response, model=f"{response.model}{INSTEAD_OF}{model}")
        return replace(
            response,
            input_tokens=sum(completion.input_tokens for completion in completions),
            output_tokens=sum(completion.output_tokens for completion in completions),
            sent=redacted.text[:MAX_CHARACTERS],
        )

    async def _converse(
        self,
        model: str,
        prompt: Prompt,
        redacted: RedactedText,
        parse: _Parse[Output],
        completions: list[Completion],
    ) -> Output:
        """Return the parsed response; ask once more if the first is unusable. Appends each to `completions`."""
        ticket = ChatMessage("user", fence(redacted.text))
        first = await self._complete(model, prompt, [ticket], completions)
        try:
            return _parse_completion(first, parse)
        except UnusableResponseError as error:
            repeated = [
                ticket,
                ChatMessage("assistant", first.text[:_MAX_REPEATED] or "(no answer)"),
                ChatMessage(
                    "user", f"That answer cannot be used: {error}. Answer again, as the instructions ask."
                ),
            ]
        return _parse_completion(await self._complete(model, prompt, repeated, completions), parse)

    async def _complete(
        self, model: str, prompt: Prompt, conversation: list[ChatMessage], completions: list[Completion]
    ) -> Completion:
        async with self._slots:
            self._budget.check(model)
            completion = await self._chat.complete(model, prompt, conversation)
        self._budget.add(model, completion.input_tokens, completion.output_tokens)
        completions.append(completion)
        return completion

    def _redact(self, ticket: Ticket) -> RedactedText:
        """Return the part of the ticket that leaves the machine."""
        return redact(ticket.text, PERSONAL_KINDS if self._settings.redact else MASKED_KINDS)


def _make_chat_model(settings: LlmSettings, http: HttpClient) -> ChatModel:
    if settings.provider == "openai":
        return openai.OpenAIChat(
            http,
            base_url=settings.base_url or openai.BASE_URL,
            api_key=settings.api_key,
            max_tokens=settings.max_tokens,
        )
    return anthropic.AnthropicMessages(
        http,
        base_url=settings.base_url or anthropic.BASE_URL,
        api_key=settings.api_key,
        max_tokens=settings.max_tokens,
    )


def _parse_completion(completion: Completion, parse: _Parse[Output]) -> Output:
    if completion.problem is not None:
        raise UnusableResponseError(completion.problem)
    return parse(completion.text)


def _degrade(response: ProviderResponse[Output], error: Exception) -> ProviderResponse[Output]:
    """Mark an offline response as a replacement, with the reason for a review."""
    cause = " ".join(strip_invisible(str(error)).split())[:_MAX_REASON]
    reason = f"the AI provider could not be used: {cause}"
    output = replace(response.output, degraded=True, review=(*response.output.review, reason))
    return replace(response, output=output)
