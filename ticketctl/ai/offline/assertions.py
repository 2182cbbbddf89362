"""Keep what a text asserts: leave out what it denies ("no outage") and what it quotes ("the video says ...")."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

_NEGATION_WORDS = (
    "no not nothing never none neither without if isn't wasn't aren't don't doesn't didn't won't "
    "kein keine keinen keiner keinem nicht nichts nie ohne falls "
    "pas aucun aucune rien jamais sans sin ningún ninguna ningun nada nunca "
    "não nao nenhum nenhuma sem non nessun nessuna niente senza geen niet niets zonder nooit"
)
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_WINDOW = 5  # words between a negation and what it denies
_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"[.!?\n]+")
_TOKEN = re.compile(r"\w+(?:['\u2019]\w+)?|[.,;:!?\n()]")
_CONJUNCTIONS = frozenset({"but", "aber", "sondern", "mais", "pero", "sino", "mas", "ma", "maar"})
_QUOTATION = re.compile(
    r"\"[^\"\n]{3,300}\"|\u201c[^\u201d\n]{3,300}\u201d|\u201e[^\u201c\u201d\n]{3,300}[\u201c\u201d]|\u00ab[^\u00bb\n]{3,300}\u00bb"
)


def remove_quotations(text: str) -> str:
    """Return the text without passages in quotation marks."""
    return _QUOTATION.sub(" ", text)


def remove_denials(text: str, phrases: Sequence[str], fillers: Sequence[str] = ()) -> str:
    """Return the text without the clauses that deny one of these phrases, such as "the service is not down".

    Clauses with one of the fillers go too. If nothing else is left, the result is the whole text.
    """
    index = _index_by_first_word(tuple(phrases))
    padded = [f" {filler} " for filler in fillers]
    kept = [
        text[start:end]
        for start, end, words in _clauses(text)
        if not _denies(words, index) and not _contains(words, padded)
    ]
    remaining = "".join(kept)
    return remaining if any(map(str.isalnum, remaining)) else text


def _clauses(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield start, end and lower-case words of each clause; together they are the whole text."""
    start, words = 0, []
    for token in _TOKEN.finditer(text):
        word = token[0].lower().replace("\u2019", "'")
        if word[0].isalnum() and word not in _CONJUNCTIONS:
            words.append(word)
        else:
            yield start, token.end(), words
            start, words = token.end(), []
    yield start, len(text), words


def _contains(words: Sequence[str], phrases: Sequence[str]) -> bool:
    """Tell whether a clause contains one of the phrases, which have a space on either side."""
    return any(map(f" {' '.join(words)} ".__contains__, phrases))


def _denies(words: Sequence[str], index: dict[str, list[list[str]]]) -> bool:
    """Tell whether a negation stands in the window before one of the phrases."""
    last_negation = -_WINDOW - 2
    for at, word in enumerate(words):
        for form in {word, word.partition("'")[2]}:  # "d'urgence" begins with an article
            if at - last_negation <= _WINDOW + 1 and any(
                words[at + 1 : at + len(phrase)] == phrase[1:] for phrase in index.get(form, ())
            ):
                return True
        if word in _NEGATIONS or word.partition("'")[2] in _NEGATIONS:
            last_negation = at
    return False


@lru_cache(maxsize=4)
def _index_by_first_word(phrases: tuple[str, ...]) -> dict[str, list[list[str]]]:
    index: dict[str, list[list[str]]] = {}
    for phrase in phrases:
        words = phrase.lower().split()
        index.setdefault(words[0], []).append(words)
    return index


def find_cued_label(text: str, cues: tuple[tuple[str, str], ...]) -> str | None:
    """Return the label of the first cue of which one sentence contains all parts, or None.

    A cue is a pair of parts joined by " + " and a label.
    """
    sentences = [
        " ".join(["", *_WORD.findall(sentence), ""]) for sentence in _SENTENCE_END.split(text.lower())
    ]
    whole = "\n".join(sentences)
    for parts, label in _split_cues(cues):
        # most cues fail at their first part
        if parts[0] in whole and any(all(part in sentence for part in parts) for sentence in sentences):
            return label
    return None


@lru_cache(maxsize=4)
def _split_cues(cues: tuple[tuple[str, str], ...]) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return the padded parts of each cue, with its label."""
    return tuple(
        (tuple(f" {part.strip()} " for part in cue.lower().split("+")), label) for cue, label in cues
    )
