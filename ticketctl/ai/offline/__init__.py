"""The offline engine: standard library only, deterministic, honest about what it does not know."""

from ticketctl.ai.offline.provider import OfflineProvider

__all__ = ["OfflineProvider"]
