"""One audit hook for all recorders. They subscribe to the events that they need.

Python calls an audit hook for every event of the process, and never forgets it (PEP 578). One hook that looks up the
event's name costs the handler less than a hook for each recorder.
"""

import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

Subscriber = Callable[[str, tuple[Any, ...], FrameType], None]
"""Takes an event's name, its arguments, and the frame that raised it."""

_SUBSCRIBERS: dict[str, list[Subscriber]] = {}


def subscribe(events: Iterable[str], subscriber: Subscriber) -> None:
    """Call the subscriber for each of these audit events, from now on to the end of the process."""
    if not _SUBSCRIBERS:
        sys.addaudithook(_dispatch)
    for event in events:
        _SUBSCRIBERS.setdefault(event, []).append(subscriber)


def _dispatch(event: str, arguments: tuple[Any, ...]) -> None:
    subscribers = _SUBSCRIBERS.get(event)
    if subscribers:
        frame = sys._getframe(1)  # noqa: SLF001 the only way to the caller's frame
        for subscriber in subscribers:
            subscriber(event, arguments, frame)
