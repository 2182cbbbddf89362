"""The offline provider: deterministic, without a network, and with calibrated confidence.

Training and prediction (`engine`) need the standard library alone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ticketctl.ai.offline.provider import OfflineProvider

__all__ = ["OfflineProvider"]


def __getattr__(name: str) -> Any:
    if name != "OfflineProvider":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # imported on first use: a training process never needs the provider and msgspec
    from ticketctl.ai.offline.provider import OfflineProvider

    return OfflineProvider
