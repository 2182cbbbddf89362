"""Client of the chat completions API of OpenAI, Azure OpenAI, Amazon Bedrock, vLLM, Ollama and other servers.

https://platform.openai.com/docs/api-reference/chat/create
https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
"""

import logging
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from ticketctl.ai.providers.chat import (
    ChatMessage,
    Completion,
    FormatMemory,
    content_text,
    may_suit_another_form,
    message_dicts,
    token_count,
)
from ticketctl.ai.providers.error_responses import RequestRefusedError
from ticketctl.ai.providers.http_client import HttpClient, OnUnanswered
from ticketctl.ai.providers.prompts import Prompt

log = logging.getLogger(__name__)

BASE_URL = "https://api.openai.com/v1"

_FORMATS = ("json_schema", "json_object", "none")
"""Response formats, the strictest first; where the server enforces no schema, the prompt contains it."""
_FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured output", "guided", "grammar")
_NEW_LIMIT, _OLD_LIMIT = "max_completion_tokens", "max_tokens"
"""Reasoning models of OpenAI refuse max_tokens; Mistral refuses max_completion_tokens, and Ollama ignores it."""
_PING_TOKENS = 16


class _Form(NamedTuple):
    """How a request is written: an index into _FORMATS, and the name of the token limit."""

    format: int
    limit: str


class OpenAIChat:
    """Client of one server; it remembers the response format and the name of the token limit that it accepts."""

    def __init__(
        self, http: HttpClient, *, base_url: str, max_tokens: int, api_version: str | None = None
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/").removesuffix("/chat/completions")
        self._api_version = api_version
        self._max_tokens = max_tokens
        self._format = FormatMemory()
        self._limit = _NEW_LIMIT
        self._refused_limits: set[str] = set()

    async def complete(
        self, model: str, prompt: Prompt, conversation: list[ChatMessage], on_unanswered: OnUnanswered
    ) -> Completion:
        """Return the model's reply to the last message; rewrite the request if the server refuses its form.

        Raises the errors of HttpClient.post.
        """
        form = _Form(self._format.index, self._limit)
        is_explained = True
        refused_limit: str | None = None
        sent: set[_Form] = set()
        while True:
            sent.add(form)
            body = self._request_body(model, prompt, conversation, form)
            try:
                response = await self._http.post(self._url(model), {}, body, on_unanswered)
            except RequestRefusedError as error:
                following = _next_form(form, error)
                if following is None or following in sent:
                    raise
                log.info("the AI provider refuses the request, sending it in another form: %s", error)
                if following.format != form.format:
                    is_explained = is_explained and any(word in error.body for word in _FORMAT_WORDS)
                else:
                    refused_limit = form.limit
                form = following
            else:
                self._format.record(form.format, is_explained=is_explained)
                completion = _parse_completion(response)
                self._remember_limit(form.limit, refused_limit, completion)
                return completion

    async def ping(self, model: str) -> None:
        """Send the smallest request there is. Raises the errors of HttpClient.post."""
        messages = [{"role": "user", "content": "Answer: ok"}]
        body = {"model": model, "messages": messages, self._limit: _PING_TOKENS}
        await self._http.post(self._url(model), {}, body, lambda _: None)

    def _url(self, model: str) -> str:
        """Return the URL; Azure's classic API has the deployment in its path, and dated versions."""
        base, version = self._base_url, self._api_version
        if version is None:
            return f"{base}/chat/completions"
        path = urlsplit(base).path
        if "/deployments/" not in path and not path.endswith("/v1"):
            base = f"{base.removesuffix('/openai')}/openai/deployments/{quote(model, safe='')}"
        return f"{base}/chat/completions?api-version={quote(version, safe='')}"

    def _request_body(
        self, model: str, prompt: Prompt, conversation: list[ChatMessage], form: _Form
    ) -> dict[str, Any]:
        response_format = _FORMATS[form.format]
        system = prompt.system if response_format == "json_schema" else prompt.with_schema
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "system", "content": system}, *message_dicts(conversation)],
            form.limit: self._max_tokens,
        }
        if response_format == "json_schema":
            schema = {"name": prompt.name, "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif response_format == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    def _remember_limit(self, limit: str, refused: str | None, completion: Completion) -> None:
        """Keep the name of the limit that works; more tokens than allowed mean that the server ignored the limit."""
        if refused is not None:
            self._refused_limits.add(refused)
            self._limit = limit
        elif (
            limit == _NEW_LIMIT
            and completion.output_tokens > self._max_tokens
            and _OLD_LIMIT not in self._refused_limits
        ):
            log.info("the AI provider ignores %s, using %s from now on", _NEW_LIMIT, _OLD_LIMIT)
            self._limit = _OLD_LIMIT


def _next_form(form: _Form, error: RequestRefusedError) -> _Form | None:
    """Return the form to try after a refusal; None if no other form can help."""
    if not may_suit_another_form(error):
        return None
    if form.limit == _NEW_LIMIT and _NEW_LIMIT in error.body:
        return form._replace(limit=_OLD_LIMIT)
    if form.limit == _OLD_LIMIT and _NEW_LIMIT in error.body:
        return form._replace(limit=_NEW_LIMIT)
    return form._replace(format=form.format + 1) if form.format + 1 < len(_FORMATS) else None


def _parse_completion(response: dict[str, Any]) -> Completion:
    choices = response.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    text, problem = "", "the model gave no answer"
    if isinstance(choice, dict) and isinstance(message, dict):
        text = content_text(message.get("content"))
        problem = _find_problem(choice.get("finish_reason"), message.get("refusal"), text)
    usage = response.get("usage")
    return Completion(
        text, token_count(usage, "prompt_tokens"), token_count(usage, "completion_tokens"), problem or None
    )


def _find_problem(finish_reason: Any, refusal: Any, text: str) -> str:
    if refusal:
        return "the model refused to answer"
    if finish_reason == "length":
        return "the answer was cut off: it was too long"
    if finish_reason in {"content_filter", "safety", "sensitive"}:
        return "a content filter withheld the answer"
    if finish_reason in {"error", "network_error", "insufficient_system_resource"}:
        return "the server failed while the model answered"
    return "" if text.strip() else "the model gave no answer"
