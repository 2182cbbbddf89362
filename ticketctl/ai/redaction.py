"""Replace personal data by placeholders before a text is sent to a provider, and restore it in the response."""

import re
from collections import Counter
from dataclasses import dataclass, field

from ticketctl.ai.offline.extraction import MASKED_KINDS, find_entities, mask

PERSONAL_KINDS = frozenset({"email", "phone", "card", "iban"})
"""The kinds of entity that redaction replaces by default."""

_PLACEHOLDER = re.compile(r"\[(?:EMAIL|PHONE|CARD|IBAN)_\d{1,4}\]")


@dataclass(frozen=True)
class RedactedText:
    """A text with placeholders, and the original value of each."""

    text: str
    originals: dict[str, str] = field(default_factory=dict)

    def restore(self, text: str) -> str:
        """Return a text with its placeholders replaced by the original values; cards and IBANs stay mask."""
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


def redact(text: str, kinds: frozenset[str] = PERSONAL_KINDS) -> RedactedText:
    """Return the text with every value of these kinds replaced; equal values get the same placeholder."""
    numbers: Counter[str] = Counter()
    placeholders: dict[tuple[str, str], str] = {}
    pieces, end = [], 0
    for entity in find_entities(text, kinds=kinds):
        value = text[entity.start : entity.end]
        key = (entity.kind, value)
        if key not in placeholders:
            numbers[entity.kind] += 1
            placeholders[key] = f"[{entity.kind.upper()}_{numbers[entity.kind]}]"
        pieces += [text[end : entity.start], placeholders[key]]
        end = entity.end
    pieces.append(text[end:])
    return RedactedText(
        "".join(pieces), {placeholder: value for (_, value), placeholder in placeholders.items()}
    )
