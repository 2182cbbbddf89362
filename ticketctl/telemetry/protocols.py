"""The interface to traces and metrics. Without a collector it is `OFF`, which does nothing and imports nothing."""

import math
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

Attributes = Mapping[str, str | int | float | bool]
SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
NO_ATTRIBUTES: Attributes = MappingProxyType({})
_RESERVE = 0.5  # seconds between the end of a flush and the end of the invocation


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: what it is called and counts, and in which unit (UCUM)."""

    kind: Literal["counter", "up_down_counter", "histogram", "gauge"]
    name: str
    unit: str
    description: str


class Span(Protocol):
    """One operation of a trace."""

    def set_attributes(self, attributes: Attributes) -> None:
        """Add attributes."""

    def set_name(self, name: str) -> None:
        """Rename the span, where its name is known late."""

    def end(self, error: BaseException | None = None) -> None:
        """End the span; an error marks it as failed. The error's text is not sent: it may quote a ticket."""


class Telemetry(Protocol):
    """Records spans and metrics. No method raises, whatever the collector does."""

    @property
    def is_on(self) -> bool:
        """Whether anything is recorded."""

    @property
    def traceparent(self) -> str | None:
        """The current span as W3C Trace Context writes it; None without one."""

    def start_span(
        self,
        name: str,
        kind: SpanKind = "internal",
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Collection[str] = (),
    ) -> Span:
        """Start a span that the caller ends. `parent` and `links` are traceparents; default parent: the current span."""

    def span(
        self,
        name: str,
        kind: SpanKind = "internal",
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Collection[str] = (),
    ) -> AbstractContextManager[Span]:
        """Return a context in which a new span is the current one. An exception marks it as failed."""

    def record(self, metric: Metric, value: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        """Add to a counter, or record a value of a histogram or gauge."""

    def flush(self, seconds: float = math.inf, *, is_last: bool = False) -> None:
        """Send the spans, and the metrics once a second or if `is_last`, which also closes the connections.

        Return when the collector has them, after `seconds`, or after the exporter's timeout.
        """

    def keep_flushing(self) -> AbstractContextManager[None]:
        """Return a context in which a thread sends what was recorded every few seconds, and the rest at its end."""


def get_seconds_to_flush(context: Any) -> float:
    """Return the seconds that a flush may take at the end of an invocation with Lambda's context, which may be None."""
    get_remaining = getattr(context, "get_remaining_time_in_millis", None)
    return max(0.0, get_remaining() / 1000 - _RESERVE) if callable(get_remaining) else math.inf


class _NoSpan:
    def set_attributes(self, attributes: Attributes) -> None: ...

    def set_name(self, name: str) -> None: ...

    def end(self, error: BaseException | None = None) -> None: ...


class _NoTelemetry:
    is_on = False
    traceparent: str | None = None

    def start_span(self, *_: object, **__: object) -> Span:
        return _NO_SPAN

    def span(self, *_: object, **__: object) -> AbstractContextManager[Span]:
        return _NO_CONTEXT

    def record(self, metric: Metric, value: float, attributes: Attributes = NO_ATTRIBUTES) -> None: ...

    def flush(self, seconds: float = math.inf, *, is_last: bool = False) -> None: ...

    def keep_flushing(self) -> AbstractContextManager[None]:
        return nullcontext()


_NO_SPAN = _NoSpan()
_NO_CONTEXT: AbstractContextManager[Span] = nullcontext(_NO_SPAN)
OFF: Telemetry = _NoTelemetry()
"""Records nothing."""
