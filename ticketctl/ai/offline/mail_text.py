"""Find the sender's own words in a mail: without quoted mail, signature and disclaimer, with what was forwarded.

The result is a list of spans of the text, so that an entity keeps its place in the original.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from ticketctl.ai.sanitize import MAX_CHARACTERS

Span = tuple[int, int]

_SIGNATURE = re.compile(r"-- ?|[_\u2013\u2014-]{20,}\s*")
_FORWARD_LINE = re.compile(
    r"(?i)(?:-{2,}\s?)?(?:(?:begin )?forwarded message|(?:anfang der )?weitergeleitete[nr]? (?:nachricht|e-?mail)"
    r"|(?:début du )?message (?:transféré|réexpédié)|mensaje reenviado|mensagem (?:encaminhada|reencaminhada)"
    r"|(?:inizio )?messaggio inoltrato|doorgestuurd bericht|begin doorgestuurd bericht)\s?(?::|-{2,})\s*"
)
_SEPARATOR = re.compile(
    r"(?i)[-_]{2,}\s?(?:original (?:message|appointment)|ursprüngliche nachricht|originalnachricht"
    r"|message d'origine|message original|mensaje original|mensagem original|messaggio originale"
    r"|oorspronkelijk bericht)"
)
_INTRODUCTION = re.compile(
    r"(?i)(?:on .{5,160} wrote|am .{5,160} schrieb.{0,80}|le .{5,160} a écrit|el .{5,160} escribió"
    r"|em .{5,160} escreveu|il .{5,160} ha scritto|op .{5,160} (?:schreef|het volgende geschreven).{0,80}) ?:\s*"
)
_INTRODUCTORY_WORDS = ("on ", "am ", "le ", "el ", "em ", "il ", "op ")
_MAX_INTRODUCTION = 250  # characters of "On ... wrote:"; mail programs break it into two lines
_MAX_RULE = 100  # characters: all that is read of a line of dashes and of "Forwarded message"
_HEADER = re.compile(
    r"(?i)\*?(?:from|sent|date|to|cc|subject|von|gesendet|datum|an|betreff|de|envoyé|à|objet|enviado|fecha|para"
    r"|asunto|data|assunto|da|inviato|a|oggetto|van|verzonden|aan|onderwerp|reply-to)\*? ?:\*?\s.{0,300}"
)
_MIN_HEADERS = 2  # consecutive lines: a single "To: ..." may be the sender's own
_FORWARD_SUBJECT = re.compile(
    r"(?i)(?:(?:re|aw|antw|sv|ynt|odp) ?: ?)*(?:fwd?|wg|tr|rv|enc|i|doorst) ?: ?|.{0,100}\bfwd?: "
)
_DEVICE = re.compile(
    r"(?i)(?:sent from (?:my|outlook|mail)|get outlook for|von meinem .{2,40} gesendet|gesendet mit|envoyé de(?:puis)? mo"
    r"|enviado (?:desde|do) m[ie]|inviato da(?:l mio)?|verstuurd vanaf mijn|verzonden vanaf mijn).{0,80}"
)
_CLOSING = re.compile(
    r"(?i)(?:best|kind|warm)(?: |est )?(?:regards|wishes)?|regards|sincerely|yours (?:sincerely|faithfully)|cheers"
    r"|(?:mit )?(?:freundlichen|besten|vielen|herzlichen|liebe[n]?|viele|beste) gr(?:üßen|üsse[n]?|üße)|mfg|lg"
    r"|(?:bien )?(?:cordialement|à vous)|salutations.{0,30}|(?:un (?:cordial )?)?saludos?|atentamente"
    r"|atenciosamente|cumprimentos|(?:cordiali|distinti) saluti|met vriendelijke groet(?:en)?|groet(?:en|jes)?"
)
_MAX_SIGNATURE_LINES = 10
_MAX_SIGNATURE_LINE = 70  # characters: a longer line is a sentence
_DISCLAIMER = re.compile(
    r"(?i)\W{0,3}(?:confidentiality (?:notice|note)|disclaimer|this (?:e-?mail|message)\b.{0,120}\bconfidential"
    r"|diese e-?mail\b.{0,120}\bvertraulich|ce (?:message|courriel)\b.{0,120}\bconfidentiel"
    r"|este (?:mensaje|correo)\b.{0,120}\bconfidencial|esta mensagem\b.{0,120}\bconfidencial"
    r"|(?:questo|il presente) messaggio\b.{0,120}\briservat|di[te] (?:e-?mail|bericht)\b.{0,120}\bvertrouwelijk)"
)


def own_words(text: str) -> str:
    """Return the sender's own words and what the sender forwarded; the whole text if nothing else is left."""
    return _join(text, find_own_spans(text)) or text


def is_forwarded(text: str) -> bool:
    """Tell whether the subject, which is the first line, marks a forwarded mail."""
    return _FORWARD_SUBJECT.match(text[:200]) is not None


def find_own_spans(text: str) -> list[Span]:
    """Return the spans of the sender's own lines; the span of the whole text if there are none.

    They end after `MAX_CHARACTERS` of the sender's own, which is all that is read of a ticket.
    """
    spans: list[Span] = []
    length = 0
    for start, end in _own_lines(text):
        spans.append((start, end))
        length += end - start + 1
        if length >= MAX_CHARACTERS:
            break
    spans = _drop_signature(text, spans)
    return spans if any(text[start:end].strip() for start, end in spans) else [(0, len(text))]


def _own_lines(text: str) -> Iterator[Span]:
    """Yield the span of each line that is not quoted, up to the first quoted mail, signature or disclaimer."""
    lines = text.split("\n")
    headers = _find_headers(lines)
    has_forward = is_forwarded(text)
    position = 0
    for number, (line, following) in enumerate(pairwise([*lines, ""])):
        start, position = position, position + len(line) + 1
        is_quoted = line.lstrip(" \t").startswith(">")
        if is_quoted and not has_forward and number not in headers:
            continue  # first, because it is cheap: a mail may consist of such lines
        has_forward = has_forward or _FORWARD_LINE.fullmatch(line, 0, _MAX_RULE) is not None
        if number in headers or _ends_own_words(line, following):
            if not has_forward:
                return
        elif _DISCLAIMER.match(line):
            return
        elif is_quoted:
            yield start + len(line) - len(line.lstrip(" \t>")), start + len(line)
        elif not _FORWARD_LINE.fullmatch(line, 0, _MAX_RULE) and not _DEVICE.fullmatch(line.strip()):
            yield start, start + len(line)


def _find_headers(lines: list[str]) -> set[int]:
    """Return the numbers of the lines that belong to the header of a quoted or forwarded mail."""
    found: set[int] = set()
    block: list[int] = []
    for number, line in enumerate([*lines, ""]):
        if number and ":" in line and _HEADER.fullmatch(line.lstrip("> \t")):
            block.append(number)
            continue
        if len(block) >= _MIN_HEADERS:
            found.update(block)
        block = []
    return found


def _ends_own_words(line: str, following: str) -> bool:
    """Tell whether a signature or a quoted mail begins with this line."""
    if _SEPARATOR.match(line, 0, _MAX_RULE) or _SIGNATURE.fullmatch(line, 0, _MAX_RULE):
        return True
    if not line[:3].lower().startswith(_INTRODUCTORY_WORDS) or len(line) > _MAX_INTRODUCTION:
        return False
    both = f"{line} {following[:_MAX_INTRODUCTION]}"
    return any(_INTRODUCTION.fullmatch(candidate) is not None for candidate in (line, both))


def _drop_signature(text: str, spans: list[Span]) -> list[Span]:
    """Return the spans without the closing formula near their end and the short lines after it."""
    first = max(1, len(spans) - _MAX_SIGNATURE_LINES)
    for at in range(first, len(spans)):
        line = text[slice(*spans[at])].strip()
        if len(line) > _MAX_SIGNATURE_LINE:
            continue
        rest = spans[at + 1 :]
        if _CLOSING.fullmatch(line.rstrip(",.! ")) and all(
            end - start <= _MAX_SIGNATURE_LINE for start, end in rest
        ):
            return spans[:at]
    return spans


def _join(text: str, spans: list[Span]) -> str:
    return "\n".join(text[start:end] for start, end in spans).strip()
