"""The chat-completions format, as OpenAI, vLLM, Ollama and llama.cpp's server speak it.

https://platform.openai.com/docs/api-reference/chat/create
"""

import logging
from http import HTTPStatus
from typing import Any

from ticketctl.ai.providers.chat import ChatMessage, Completion, message_dicts, token_count
from ticketctl.ai.providers.http_client import HttpClient, RequestRefusedError
from ticketctl.ai.providers.prompts import Prompt

log = logging.getLogger(__name__)

BASE_URL = "https://api.openai.com/v1"

_FORMATS = ("json_schema", "json_object", "none")
"""How an answer's form is asked for, the strictest first; the schema stands in the prompt where it is not enforced."""

_NOT_UNDERSTOOD = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_IMPLEMENTED}
)


class OpenAIChat:
    """Speaks to one server, and remembers which way of asking for JSON it understands."""

    def __init__(self, transport: HttpClient, *, base_url: str, api_key: str | None, max_tokens: int) -> None:
        self._transport = transport
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._max_tokens = max_tokens
        self._format = 0

    async def complete(self, model: str, prompt: Prompt, conversation: list[ChatMessage]) -> Completion:
        """Answer the last of the conversation; what a server refuses is asked in the next simpler form."""
        at = self._format
        while True:
            body = self._body(model, prompt, conversation, _FORMATS[at])
            try:
                answer = await self._transport.post(self._url, self._headers, body)
            except RequestRefusedError as refused:
                if refused.status not in _NOT_UNDERSTOOD or at == len(_FORMATS) - 1:
                    raise
                log.info("the AI provider does not take %s: %s", _FORMATS[at], refused)
                at += 1
            else:
                self._format = max(self._format, at)
                return _completion(answer)

    def _body(self, model: str, prompt: Prompt, conversation: list[ChatMessage], form: str) -> dict[str, Any]:
        system = prompt.system if form == "json_schema" else prompt.with_schema
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "system", "content": system}, *message_dicts(conversation)],
            "max_completion_tokens": self._max_tokens,
        }
        if form == "json_schema":
            schema = {"name": prompt.name, "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif form == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body


def _completion(answer: dict[str, Any]) -> Completion:
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    said, problem = "", "the model gave no answer"
    if isinstance(choice, dict) and isinstance(message, dict):
        content = message.get("content")
        said = content if isinstance(content, str) else ""
        problem = _problem(choice.get("finish_reason"), message.get("refusal"), said)
    usage = answer.get("usage")
    return Completion(
        said, token_count(usage, "prompt_tokens"), token_count(usage, "completion_tokens"), problem or None
    )


def _problem(finish_reason: Any, refusal: Any, said: str) -> str:
    if refusal:
        return "the model refused to answer"
    if finish_reason == "length":
        return "the answer was cut off: it was too long"
    if finish_reason == "content_filter":
        return "the answer was withheld by a filter"
    return "" if said.strip() else "the model gave no answer"
