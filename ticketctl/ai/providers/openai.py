"""Client of the chat completions API of OpenAI, vLLM, Ollama, llama.cpp and other servers.

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
"""Response formats, the strictest first; where the server enforces no schema, the prompt contains it."""

_FORMAT_REFUSED = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_IMPLEMENTED}
)


class OpenAIChat:
    """Client of one server; it remembers the strictest response format that the server accepts."""

    def __init__(self, http: HttpClient, *, base_url: str, api_key: str | None, max_tokens: int) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._max_tokens = max_tokens
        self._format = 0

    async def complete(self, model: str, prompt: Prompt, conversation: list[ChatMessage]) -> Completion:
        """Return the model's reply to the last message; retry in the next simpler format if the server refuses one.

        Raises the errors of HttpClient.post.
        """
        index = self._format
        while True:
            body = self._request_body(model, prompt, conversation, _FORMATS[index])
            try:
                response = await self._http.post(self._url, self._headers, body)
            except RequestRefusedError as error:
                if error.status not in _FORMAT_REFUSED or index == len(_FORMATS) - 1:
                    raise
                log.info("the AI provider refuses the response format %s: %s", _FORMATS[index], error)
                index += 1
            else:
                # requests run concurrently: another one may have found a simpler format already
                self._format = max(self._format, index)
                return _parse_completion(response)

    def _request_body(
        self, model: str, prompt: Prompt, conversation: list[ChatMessage], response_format: str
    ) -> dict[str, Any]:
        system = prompt.system if response_format == "json_schema" else prompt.with_schema
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "system", "content": system}, *message_dicts(conversation)],
            "max_completion_tokens": self._max_tokens,
        }
        if response_format == "json_schema":
            schema = {"name": prompt.name, "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif response_format == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body


def _parse_completion(response: dict[str, Any]) -> Completion:
    choices = response.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    text, problem = "", "the model gave no answer"
    if isinstance(choice, dict) and isinstance(message, dict):
        content = message.get("content")
        text = content if isinstance(content, str) else ""
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
    if finish_reason == "content_filter":
        return "a content filter withheld the answer"
    return "" if text.strip() else "the model gave no answer"
