"""Takes what is personal out of a text before it leaves the machine, and puts it back into what comes home."""

import re
from collections import Counter
from dataclasses import dataclass, field

from ticketctl.ai.offline.extraction import MASKED, found, masked

PERSONAL = frozenset({"email", "phone", "card", "iban"})
"""Kinds that a redacted text does not hold."""

_PLACEHOLDER = re.compile(r"\[(?:EMAIL|PHONE|CARD|IBAN)_\d{1,4}\]")


@dataclass(frozen=True)
class Redacted:
    """A text with placeholders, and what each stands for."""

    text: str
    originals: dict[str, str] = field(default_factory=dict)

    def restored(self, text: str) -> str:
        """The text with its placeholders replaced; cards and IBANs come back masked."""
        return _PLACEHOLDER.sub(lambda match: self._shown(match[0]), text)

    def literal(self, value: str) -> str:
        """What a value stood for in the ticket, to the letter."""
        return _PLACEHOLDER.sub(lambda match: self.originals.get(match[0], match[0]), value)

    def unknown(self, text: str) -> list[str]:
        """Placeholders in a text that stand for nothing."""
        return [found for found in _PLACEHOLDER.findall(text) if found not in self.originals]

    def _shown(self, placeholder: str) -> str:
        original = self.originals.get(placeholder, placeholder)
        return masked(original) if placeholder[1:].partition("_")[0].lower() in MASKED else original


def redacted(text: str, kinds: frozenset[str] = PERSONAL) -> Redacted:
    """The text with every value of these kinds replaced; the same value gets the same placeholder."""
    numbers: Counter[str] = Counter()
    placeholders: dict[tuple[str, str], str] = {}
    pieces, end = [], 0
    for entity in found(text, kinds=kinds):
        value = text[entity.start : entity.end]
        key = (entity.kind, value)
        if key not in placeholders:
            numbers[entity.kind] += 1
            placeholders[key] = f"[{entity.kind.upper()}_{numbers[entity.kind]}]"
        pieces += [text[end : entity.start], placeholders[key]]
        end = entity.end
    pieces.append(text[end:])
    return Redacted("".join(pieces), {placeholder: value for (_, value), placeholder in placeholders.items()})
