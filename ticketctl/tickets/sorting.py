"""The orders of a ticket list: every shown column, in both directions. Declared once, for every edge.

The command line imports this module to build its help, so the module stays cheap to import.
"""

from collections.abc import Mapping
from types import MappingProxyType

DEFAULT_SORT = "-created"
SORT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "created": "created_at",
        "updated": "updated_at",
        "id": "id",
        "status": "status",
        "priority": "priority",
        "category": "category",
        "team": "team",
        "confidence": "confidence",
        "requester": "requester",
        "language": "language",
        "subject": "subject",
    }
)
"""The column of `tickets` behind each order."""
SORTS = tuple(sort for name in SORT_COLUMNS for sort in (f"-{name}", name))
"""The orders; a minus means descending, for times the newest first. Equal tickets are ordered by their number."""
