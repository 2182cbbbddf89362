"""Record spans in the trace of the current context.

OpenTelemetry's SDK takes some 50 microseconds for a span, because it copies and checks each attribute. That is a tenth of
a batch of ten tickets. These spans take a tenth of that.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextvars import ContextVar, Token
from random import SystemRandom
from types import TracebackType
from typing import NamedTuple, Self

from ticketctl.telemetry.protocols import NO_ATTRIBUTES, Attributes, SpanKind

MAX_SPANS = 2048
"""Spans that wait for an export; of more, the oldest are dropped."""

IsSampled = Callable[[int, bool | None], bool]
"""Returns whether spans of this trace are sent; the second argument is what the remote parent decided, if any."""

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_draw_bits = SystemRandom().getrandbits  # a fork or a restored snapshot does not repeat its numbers


class SpanContext(NamedTuple):
    """What a traceparent names, https://www.w3.org/TR/trace-context/."""

    trace_id: int
    span_id: int
    is_sampled: bool


class RecordedSpan:
    """A span; implements `protocols.Span`. As a context manager it is the current span; an exception marks it as failed.

    `start` and `end_time` are nanoseconds since 1970. `parent_id` is 0 for the root of a trace.
    """

    __slots__ = (
        *("_buffer", "_token", "attributes", "context", "end_time", "has_failed", "is_parent_remote"),
        *("kind", "links", "name", "parent_id", "start"),
    )

    def __init__(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        *,
        context: SpanContext,
        parent_id: int,
        is_parent_remote: bool,
        links: Collection[SpanContext],
        buffer: deque["RecordedSpan"],
    ) -> None:
        self.name = name
        self.kind = kind
        self.attributes = dict(attributes)
        self.context = context
        self.parent_id = parent_id
        self.is_parent_remote = is_parent_remote
        self.links = links
        self.has_failed = False
        self._buffer = buffer
        self._token: Token[RecordedSpan | None] | None = None
        self.end_time = 0
        self.start = time.time_ns()

    def set_attributes(self, attributes: Attributes) -> None:
        """Add attributes."""
        self.attributes.update(attributes)

    def set_name(self, name: str) -> None:
        """Rename the span."""
        self.name = name

    def end(self, error: BaseException | None = None) -> None:
        """End the span; it then waits for an export if its trace is sampled."""
        self.end_time = time.time_ns()
        if error is not None:
            self.attributes["error.type"] = type(error).__qualname__
            self.has_failed = True
        if self.context.is_sampled:
            self._buffer.append(self)

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        self.end(error)


_current: ContextVar[RecordedSpan | None] = ContextVar("span", default=None)


class SpanRecorder:
    """Starts spans; those that have ended wait in `ended`."""

    def __init__(self, is_sampled: IsSampled) -> None:
        self.ended: deque[RecordedSpan] = deque(maxlen=MAX_SPANS)
        self._is_sampled = is_sampled

    @property
    def traceparent(self) -> str | None:
        """The current span as a traceparent."""
        span = _current.get()
        return None if span is None else format_traceparent(span.context)

    def start(
        self,
        name: str,
        kind: SpanKind = "internal",
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Iterable[str] = (),
    ) -> RecordedSpan:
        """Start a span under the traceparent `parent`, or else under the current span. What is not valid is left out."""
        remote = None if parent is None else parse_traceparent(parent)
        current = _current.get() if parent is None else None
        above = remote if current is None else current.context
        trace_id = _draw_bits(128) if above is None else above.trace_id
        if current is not None:
            is_sampled = current.context.is_sampled
        else:
            is_sampled = self._is_sampled(trace_id, None if above is None else above.is_sampled)
        return RecordedSpan(
            name,
            kind,
            attributes,
            context=SpanContext(trace_id, _draw_bits(64), is_sampled),
            parent_id=0 if above is None else above.span_id,
            is_parent_remote=remote is not None,
            links=[linked for linked in map(parse_traceparent, sorted(links)) if linked is not None],
            buffer=self.ended,
        )


def parse_traceparent(text: str) -> SpanContext | None:
    """Return what a traceparent names, None if it is not valid."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id, flags = (int(group, 16) for group in found.groups())
    return SpanContext(trace_id, span_id, bool(flags & 1)) if trace_id and span_id else None


def format_traceparent(context: SpanContext) -> str:
    """Return a span's context as a traceparent."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.is_sampled):02x}"


def make_sampler(environment: Mapping[str, str]) -> IsSampled:
    """Return the sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG ask for, parentbased_always_on by default.

    https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration
    """
    name = environment.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on"
    is_parent_based = name.startswith("parentbased_")
    ratios = {"always_on": 1.0, "always_off": 0.0, "traceidratio": _read_ratio(environment)}
    bound = round(ratios.get(name.removeprefix("parentbased_"), 1.0) * 2**64)

    def is_sampled(trace_id: int, parent: bool | None) -> bool:  # noqa: FBT001 - None means no parent
        if is_parent_based and parent is not None:
            return parent
        return trace_id % 2**64 < bound

    return is_sampled


def _read_ratio(environment: Mapping[str, str]) -> float:
    try:
        ratio = float(environment.get("OTEL_TRACES_SAMPLER_ARG") or 1)
    except ValueError:
        return 1.0
    return ratio if 0 <= ratio <= 1 else 1.0
