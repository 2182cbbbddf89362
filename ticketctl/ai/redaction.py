"""Replace personal data by placeholders before a text is sent to a provider, and restore it in the response."""

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ticketctl.ai.email_addresses import find_emails
from ticketctl.ai.normalization import normalize
from ticketctl.ai.offline.extraction import MASKED_KINDS, mask
from ticketctl.ai.payment_numbers import find_cards, find_ibans
from ticketctl.ai.phone_numbers import DEFAULT_REGIONS, find_phones
from ticketctl.ai.sanitize import MAX_CHARACTERS, strip_invisible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PERSONAL_KINDS = frozenset({"email", "phone", "card", "iban"})
"""The kinds of entity that redaction replaces by default."""

_LONGEST = 256  # characters of a value: what begins before the limit is read to its end
_PLACEHOLDER = re.compile(r"\[(?:EMAIL|PHONE|CARD|IBAN)_\d{1,4}\]")


@dataclass(frozen=True)
class RedactedText:
    """A text with placeholders, and the original value of each."""

    text: str
    originals: dict[str, str] = field(default_factory=dict)

    def restore(self, text: str) -> str:
        """Return a text with its placeholders replaced by the original values; cards and IBANs stay masked."""
        return _PLACEHOLDER.sub(lambda match: self._display(match[0]), text)

    def restore_exactly(self, value: str) -> str:
        """Return a value with its placeholders replaced by the exact original values."""
        return _PLACEHOLDER.sub(lambda match: self.originals.get(match[0], match[0]), value)

    def unknown_placeholders(self, text: str) -> list[str]:
        """Return the placeholders in a text that have no original value."""
        return [name for name in _PLACEHOLDER.findall(text) if name not in self.originals]

    def _display(self, placeholder: str) -> str:
        original = self.originals.get(placeholder, placeholder)
        return mask(original) if placeholder[1:].partition("_")[0].lower() in MASKED_KINDS else original


def redact(
    text: str,
    kinds: frozenset[str] = PERSONAL_KINDS,
    regions: tuple[str, ...] = DEFAULT_REGIONS,
    limit: int = MAX_CHARACTERS,
) -> RedactedText:
    """Return the first `limit` characters of a text with every value of these kinds replaced.

    Invisible characters are removed first: removed later, they could join the parts of a number that was not
    recognized. Equal values get the same placeholder. National phone numbers are those of the regions.
    """
    text = strip_invisible(text[: limit + _LONGEST])
    numbers: Counter[str] = Counter()
    placeholders: dict[tuple[str, str], str] = {}
    pieces, end = [], 0
    for kind, start, stop in _find_personal_data(text, kinds, regions):
        if start >= limit:
            break
        value = text[start:stop]
        if (kind, value) not in placeholders:
            numbers[kind] += 1
            placeholders[kind, value] = f"[{kind.upper()}_{numbers[kind]}]"
        pieces += [text[end:start], placeholders[kind, value]]
        end = stop
    pieces.append(text[end : max(end, limit)])
    return RedactedText(
        "".join(pieces), {placeholder: value for (_, value), placeholder in placeholders.items()}
    )


def _find_personal_data(
    text: str, kinds: frozenset[str], regions: tuple[str, ...]
) -> list[tuple[str, int, int]]:
    """Return kind, start and end of every value in the text, in order and without overlaps."""
    normalized = normalize(text)
    compact = normalized.without_letter_spacing()
    spans: list[tuple[int, int, int, str]] = []
    for view in (normalized,) if compact is normalized else (normalized, compact):
        finders: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
            "card": find_cards,
            "iban": find_ibans,
            "email": find_emails,
            "phone": partial(find_phones, regions=regions),
        }
        for rank, (kind, find) in enumerate(finders.items()):
            if kind in kinds:
                spans += [(*view.original_span(start, end), rank, kind) for start, end in find(view.text)]
    # Overlapping values become one: it has the kind with the surest evidence and hides all of their characters.
    merged: list[tuple[int, int, int, str]] = []
    for start, end, rank, kind in sorted(spans):
        if merged and start < merged[-1][1]:
            first, last, surest, name = merged[-1]
            merged[-1] = (first, max(last, end), *min((surest, name), (rank, kind)))
        else:
            merged.append((start, end, rank, kind))
    return [(kind, start, end) for start, end, _, kind in merged]
