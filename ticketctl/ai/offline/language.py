"""Detect the language of a text: by its script, then by the most common words of languages in Latin script."""

import re
from functools import cache

UNKNOWN = "und"
"""The ISO 639-2 code for an undetermined language."""

_MAX_CHARACTERS = 5_000  # enough to decide

_SCRIPTS = {
    "ja": r"[\u3040-\u30ff]",
    "ko": r"[\u1100-\u11ff\uac00-\ud7af]",
    "zh": r"[\u3400-\u9fff]",
    "ar": r"[\u0600-\u06ff]",
    "he": r"[\u0590-\u05ff]",
    "el": r"[\u0370-\u03ff]",
    "hi": r"[\u0900-\u097f]",
    "th": r"[\u0e00-\u0e7f]",
    "uk": r"[\u0456\u0457\u0454\u0491]",
    "ru": r"[\u0400-\u04ff]",
}
_MIN_SHARE = 0.2  # of the letters: names and codes in Latin script occur in any text
_MIN_SHARES = {
    "ja": 0.05,
    "uk": 0.01,
}  # kana among Han characters, Ukrainian letters among other Cyrillic ones

_WORDS = {
    "en": "the and is to of in it you i my that for not have with this on was are be can we do an your but from or at",
    "de": "der die das und ist nicht ich sie mit ein eine zu auf für den dem von wir es bei kann mein meine haben bitte",
    "fr": "le la les et est je vous ne pas de des un une que pour dans sur avec mon ma nous à du ce au bonjour merci",
    "es": "el la los las y es no de que en un una por para con mi se me lo su hola gracias está pero cuando puedo como",
    "it": "il la che non è di un una per con mi sono ho del della si ma come quando grazie posso questo nel al mio ad",
    "pt": "o a os as e não é de que em um uma para com meu minha do da no na eu por se obrigado como mas está quando",
    "nl": "de het een en is niet ik van op te dat met voor zijn mijn heb naar er aan bij kan wij maar graag wordt ook",
    "pl": "nie jest się na do i w z że to mój moje jak dla proszę ale mam czy od po przez już nasz dzień dobry",
    "sv": "och är inte jag det att en ett på med för som min mitt kan har till av vi men när från hej tack om",
    "da": "og er ikke jeg det at en et på med for som min mit kan har til af vi men når fra hej tak hvordan",
    "tr": "ve bir bu için ile değil ben mi var yok çok nasıl ama da de ne lütfen benim gibi olarak teşekkürler",  # noqa: RUF001  (Turkish has a dotless i)
    "fi": "ja on ei se että minun en ole hei kiitos mutta kun voi miten tämä kuin olen meidän myös jos tai",
}
_LETTERS = {"de": "ß", "es": "ñ¿¡", "pt": "ãõ", "pl": "ąęłśźżń", "tr": "ğış", "fr": "œ", "da": "øæ"}
_MIN_SCORE = 2.0
_MIN_LEAD = 1.2  # times the score of the second language


def detect_language(text: str) -> str:
    """Return the ISO 639-1 code of the text's language, or `und` if it is unclear."""
    text = text[:_MAX_CHARACTERS].lower()
    return (None if text.isascii() else _detect_by_script(text)) or _detect_by_words(text)


def _detect_by_script(text: str) -> str | None:
    letters = sum(map(str.isalpha, text))
    for language, pattern in _SCRIPTS.items():
        count = len(re.findall(pattern, text))
        if count and count >= letters * _MIN_SHARES.get(language, _MIN_SHARE):
            return language
    return None


def _detect_by_words(text: str) -> str:
    scores = dict.fromkeys(_WORDS, 0.0)
    for word in re.findall(r"[^\W\d_]+", text):
        languages = _word_languages().get(word, ())
        for language in languages:
            scores[language] += 1.0 / len(languages)
    for language, letters in _LETTERS.items():
        scores[language] += min(2, sum(map(text.count, letters)))
    best, second = sorted(scores.items(), key=lambda item: -item[1])[:2]
    return best[0] if best[1] >= _MIN_SCORE and best[1] >= _MIN_LEAD * second[1] else UNKNOWN


@cache
def _word_languages() -> dict[str, tuple[str, ...]]:
    """Map each common word to the languages in which it is common."""
    profiles: dict[str, tuple[str, ...]] = {}
    for language, words in _WORDS.items():
        for word in words.split():
            profiles[word] = (*profiles.get(word, ()), language)
    return profiles
