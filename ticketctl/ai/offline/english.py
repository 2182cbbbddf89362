"""Recognize texts that are certainly English, without a language model.

Loading fastText's model takes longer than all other work on a worker's first ticket. A text is certainly English if it
has enough words that only English has, and none of the small words without which hardly a sentence of another language
in Latin script does. Everything else is left to the model.
"""

import re

_WORDS = re.compile(r"[a-z]+(?:'[a-z]+)?")
_MIN_WORDS = 5
_MIN_DISTINCT = 3
_MIN_SHARE = 0.2
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|un|all|dall|dell|nell|sull)'[a-z]{2}")
"""French and Italian join short words to the next one."""

_ENGLISH = frozenset(
    (  # noqa: SIM905 - a word per line would fill pages
        "about after again and any anything are because been before being between can't cannot charged could couldn't did "
        "didn't does doesn't doing don't each every from getting got have haven't he how i'd i'm i've if into isn't "
        "it's its know money my need not of other our ours please received refund she should since somebody someone "
        "something still than thanks that that's the their them then there these they thing this those through today tried "
        "trying twice until using very wanted wasn't we've were weren't what what's when where which while who why with "
        "without won't working would wouldn't wrong yesterday yet you you're your yours"
    ).split()
)
"""Words of English sentences and tickets. Some exist elsewhere too (`not` in German), so that one alone proves nothing."""

_FOREIGN = frozenset(
    (  # noqa: SIM905 - as above
        # German
        "aber als auch auf aus bei bin bitte das dass dem den der des dich dir durch ein eine einen einer er es haben hat ich "
        "ihr ihre ist ja kann kein keine mein meine mit nach nicht oder sehr sich sie sind und uns vom von wie wir zu zum zur "
        "hallo danke kannst "
        # French
        "au aux avec ce cette dans de du elle est et je la le les leur lui mais mon ne nous ou par pas plus pour que qui sa "
        "sans ses son sont sur un une votre vous bonjour merci peux puis "
        # Spanish and Portuguese
        "al ao com como con da das del desde donde dos el ella em en entre essa esse esta este eu foi fue ha hay las lo los "
        "mas meu minha muy na nada nas nem nos obrigado os para pela pelo pero por porque quem sao se sem ser seu si sin sobre "
        "su sua sus tem tiene todo tu um uma y ya "
        "hola gracias puedo tengo quiero necesito ola consigo tenho posso preciso "
        # Italian
        "ai alla anche che chi ci come dal della di dove gli grazie ho il io ma mi mio nel non per quando questo sono ti tra "
        "ciao riesco posso voglio "
        # Dutch
        "aan bij dat deze die dit een geen het hij hoe ik jij maar met mij mijn naar niet nog onder ons ook op te uit van "
        "voor wat werd wij zijn zo "
        # Swedish, Danish, Norwegian
        "af att av ble det efter eller ett har hon ikke inte jag jeg kan med men min och og om ska som till til var vi "
        # Polish, Turkish
        "ale bir bu czy ile jak jest ktory nie oraz przez sie ve"
    ).split()
)


def is_clearly_english(text: str) -> bool:
    """Return whether a lower-case text is English beyond doubt; False means that it is not known."""
    if not text.isascii():
        return False
    words = _WORDS.findall(text)
    if len(words) < _MIN_WORDS:
        return False
    english = [word for word in words if word in _ENGLISH]
    return (
        len(set(english)) >= _MIN_DISTINCT
        and len(english) >= _MIN_SHARE * len(words)
        and _FOREIGN.isdisjoint(words)
        and not _ELISION.search(text)
    )
