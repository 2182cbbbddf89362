"""The span and the token metric of one request to a language model.

By https://opentelemetry.io/docs/specs/semconv/gen-ai/. Prompts and answers are not recorded: they quote tickets.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ticketctl.telemetry.metrics import TOKENS
from ticketctl.telemetry.protocols import Attributes, Telemetry

RecordTokens = Callable[[int, int], None]
"""Records the input and output tokens of the request."""


@contextmanager
def open_gen_ai_span(
    telemetry: Telemetry, provider: str, model: str, max_tokens: int
) -> Iterator[RecordTokens]:
    """Open the span of one request, with its retries."""
    request = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }
    attributes: Attributes = {**request, "gen_ai.request.max_tokens": max_tokens}
    with telemetry.span(f"chat {model}", "client", attributes) as span:

        def record(input_tokens: int, output_tokens: int) -> None:
            used = {"input": input_tokens, "output": output_tokens}
            span.set_attributes({f"gen_ai.usage.{name}_tokens": count for name, count in used.items()})
            for name, count in used.items():
                telemetry.record(TOKENS, count, {**request, "gen_ai.token.type": name})

        yield record
