"""The provider that asks a language model over HTTP, checks its responses, and falls back to the offline engine."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import httpx

from ticketctl.ai.budget import Budget
from ticketctl.ai.offline.extraction import MASKED_KINDS
from ticketctl.ai.offline.provider import OfflineProvider
from ticketctl.ai.prompt_injection import detect_prompt_injection
from ticketctl.ai.providers import anthropic, openai, prompts
from ticketctl.ai.providers.account_status import AccountStatus
from ticketctl.ai.providers.authentication import Authentication
from ticketctl.ai.providers.chat import ChatMessage, ChatModel, Completion
from ticketctl.ai.providers.error_responses import (
    AccountRefusedError,
    ProviderUnavailableError,
    RequestRefusedError,
)
from ticketctl.ai.providers.few_shot import ExampleIndex, write_examples
from ticketctl.ai.providers.gen_ai_spans import open_gen_ai_span
from ticketctl.ai.providers.http_client import HttpClient
from ticketctl.ai.providers.llm_settings import LlmSettings
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
from ticketctl.telemetry.protocols import OFF, Telemetry
from ticketctl.tickets.models import Classification, Draft, Extraction, Route, Step, Ticket
from ticketctl.tickets.pricing import INSTEAD_OF
from ticketctl.tickets.protocols import ProviderResponse

log = logging.getLogger(__name__)

Output = TypeVar("Output", Classification, Extraction, Draft)

_Parse = Callable[[str], Output]
_Fallback = Callable[[], Awaitable[ProviderResponse[Output]]]

_MAX_REPEATED = 2_000  # characters of an unusable response that the model sees again
_MAX_REASON = 300  # characters of a failure that a review reason quotes
_BYTES_PER_TOKEN = 4  # of a request, to estimate the tokens of one that got no response


class LlmProvider:
    """Asks a language model for each step. Made once per event loop, because `client` is bound to one.

    If a response cannot be used, the model is asked once more and told why. If that fails too, the server refuses the
    request or cannot be reached, the offline engine answers instead: the output is `degraded` and has a reason for a
    review. `account` counts refusals of the whole account. `examples` are labelled texts, of which the nearest go into
    the prompt for a classification. `sleep` waits between attempts; tests replace it.
    """

    local = False

    def __init__(  # noqa: PLR0913 - each is one collaborator, and the optional ones are named
        self,
        settings: LlmSettings,
        taxonomy: Taxonomy,
        offline: OfflineProvider,
        client: httpx.AsyncClient,
        budget: Budget,
        *,
        authentication: Authentication | None = None,
        account: AccountStatus | None = None,
        telemetry: Telemetry = OFF,
        examples: ExampleIndex | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = settings.provider
        self._telemetry = telemetry
        self._examples = examples
        self._settings = settings
        self._taxonomy = taxonomy
        self._offline = offline
        self._budget = budget
        self._account = account or AccountStatus()
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        http = HttpClient(
            client,
            authentication or settings.make_authentication(),
            retries=settings.retries,
            max_seconds=settings.max_response_seconds,
            sleep=sleep,
            telemetry=telemetry,
        )
        self._chat = _make_chat_model(settings, http)

    def fingerprint(self, step: Step, ticket: Ticket | None = None) -> str:
        """Return a text that changes whenever the responses of this step may change, for a ticket with its examples."""
        settings = self._settings
        model = settings.model_for(step)
        request = [
            prompts.VERSION,
            settings.base_url,
            model,
            settings.redact,
            settings.phone_regions,
            settings.max_tokens,
        ]
        if step is Step.CLASSIFY and ticket is not None and self._examples is not None:
            request += self._examples.choose(ticket.text)
        return json_digest([self.name, request, self._offline.fingerprint(step)])

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        """Classify the ticket. Raises ProviderError if the budget is exhausted.

        What is no ticket, such as a bounce, is recognised here and never sent.
        """
        if not self._offline.is_ticket(ticket):
            return await self._offline.classify(ticket)
        examples = self._write_examples(ticket)
        response = await self._ask(
            Step.CLASSIFY,
            prompts.classify_prompt(self._taxonomy, has_examples=bool(examples)),
            self._redact(ticket),
            lambda text: parse_classification(text, self._taxonomy),
            lambda: self._offline.classify(ticket),
            examples,
        )
        output = response.output
        review = dict.fromkeys((*output.review, *detect_prompt_injection(ticket.text)))
        return replace(response, output=replace(output, review=tuple(review)))

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        """Extract the entities of the ticket's text. Raises ProviderError if the budget is exhausted."""
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
        """Draft a reply. Raises ProviderError if the budget is exhausted."""
        redacted = self._redact(ticket)
        prompt = prompts.respond_prompt(self._taxonomy, classification, route)
        return await self._ask(
            Step.RESPOND,
            prompt,
            redacted,
            lambda text: parse_draft(text, self._taxonomy, ticket.text, redacted, prompt.system),
            lambda: self._offline.respond(ticket, classification, extraction, route),
        )

    async def _ask(
        self,
        step: Step,
        prompt: Prompt,
        redacted: RedactedText,
        parse: _Parse[Output],
        fallback: _Fallback[Output],
        examples: str = "",
    ) -> ProviderResponse[Output]:
        completions: list[Completion] = []
        model = self._settings.model_for(step)
        fenced = f"{fence(examples, 'examples')}\n\n" if examples else ""
        message = ChatMessage("user", fenced + fence(redacted.text))
        try:
            output = await self._converse(model, prompt, message, parse, completions)
            response = ProviderResponse(output=output, model=model)
        except (UnusableResponseError, ProviderUnavailableError, RequestRefusedError) as error:
            if self._settings.raise_account_errors and isinstance(error, AccountRefusedError):
                raise
            response = _degrade(await fallback(), error)
            if completions:
                response = replace(response, model=f"{response.model}{INSTEAD_OF}{model}")
        return replace(
            response,
            input_tokens=sum(completion.input_tokens for completion in completions),
            output_tokens=sum(completion.output_tokens for completion in completions),
            sent="\n\n".join(filter(None, (examples, redacted.text[:MAX_CHARACTERS]))),
        )

    async def _converse(
        self,
        model: str,
        prompt: Prompt,
        ticket: ChatMessage,
        parse: _Parse[Output],
        completions: list[Completion],
    ) -> Output:
        """Return the parsed response; ask once more if the first is unusable. Appends each to `completions`."""
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
        def add(completion: Completion) -> None:
            self._budget.add(model, completion.input_tokens, completion.output_tokens)
            completions.append(completion)

        def on_unanswered(request_bytes: int) -> None:
            input_tokens = -(-request_bytes // _BYTES_PER_TOKEN)
            add(Completion("", input_tokens, self._settings.max_tokens, problem="no response"))

        async with self._slots:
            self._budget.check(model)
            try:
                limit = self._settings.max_tokens
                with open_gen_ai_span(self._telemetry, self.name, model, limit) as record_tokens:
                    completion = await self._chat.complete(model, prompt, conversation, on_unanswered)
                    record_tokens(completion.input_tokens, completion.output_tokens)
            except AccountRefusedError as error:
                self._record_refusal(error)
                raise
        self._account.record_response()
        add(completion)
        return completion

    async def check_account(self) -> str | None:
        """Send the smallest request, and return why the provider still refuses the account; None if it accepts it.

        Raises:
            ProviderUnavailableError: The provider cannot be reached.
        """
        try:
            await self._chat.ping(self._settings.model)
        except AccountRefusedError as error:
            return str(error)
        except RequestRefusedError:
            pass  # the server read the request: the account is not what it refuses
        return None

    def _record_refusal(self, error: AccountRefusedError) -> None:
        reason = f"{error} ({error.hint})" if error.hint else str(error)
        if self._account.failures == 0:
            log.warning("%s; tickets need a review meanwhile", reason)
        self._account.record_refusal(reason)

    def _redact(self, ticket: Ticket) -> RedactedText:
        """Return the part of the ticket that leaves the machine."""
        return redact(ticket.text, self._redacted_kinds, self._settings.phone_regions)

    def _write_examples(self, ticket: Ticket) -> str:
        """Return the examples for a ticket, a JSON object a line, redacted as the ticket is; empty if there are none."""
        if self._examples is None:
            return ""
        chosen = self._examples.choose(ticket.text)
        return write_examples(chosen, self._redacted_kinds, self._settings.phone_regions)

    @property
    def _redacted_kinds(self) -> frozenset[str]:
        return PERSONAL_KINDS if self._settings.redact else MASKED_KINDS


def _make_chat_model(settings: LlmSettings, http: HttpClient) -> ChatModel:
    if settings.provider == "openai":
        return openai.OpenAIChat(
            http,
            base_url=settings.url,
            max_tokens=settings.max_tokens,
            api_version=settings.api_version,
        )
    return anthropic.AnthropicMessages(http, base_url=settings.url, max_tokens=settings.max_tokens)


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
