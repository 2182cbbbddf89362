"""The offline engine: deterministic, without a network, honest about what it does not know.

What learns and judges (`training`, `model`, `artifact`) needs the standard library alone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ticketctl.ai.offline.provider import OfflineProvider

__all__ = ["OfflineProvider"]


def __getattr__(name: str) -> Any:
    if name != "OfflineProvider":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ticketctl.ai.offline.provider import OfflineProvider

    return OfflineProvider
