"""What a support reply must never do: ask for secrets, promise money, or name a wallet. English, and some of other languages."""

import re
from collections.abc import Iterator
from functools import cache

_SENSITIVE = (
    r"(?:pass(?:w[o0]rd|code|phrase)s?|pin(?: code| number)?s?|otp|tan|cvv2?|cvc2?|"
    r"(?:one-time|single-use|verification|security|confirmation|login|log-in|sign-in|sms|text|2fa|mfa|two-factor|authentication|"
    r"authenticator|authori[sz]ation|recovery|backup|access|secret) (?:pass)?codes?|"
    r"(?:three|four|six|eight|\d)-digit (?:\w+ )?(?:code|number|pin)s?|codes? (?:that |which )?(?:we|you|i|was|were|is|are) (?:just )?(?:sent|texted|e-?mailed|received|got|see|find|shown|displayed)|"
    r"codes? (?:in|from) (?:the|your|that) (?:sms|text|phone|app|authenticator|e-?mail|message)|"
    r"(?:credit |debit |payment |bank )?card(?:'s)? (?:number|details?|data|info(?:rmation)?)s?|(?:credit|debit) cards?|"
    r"bank(?:ing)? (?:details|account(?: number)?|log-?in|information|data|credentials)|payment details|iban|"
    r"social security(?: number)?|ssn|(?:seed|recovery|secret) (?:phrase|words)|private keys?|(?:api|secret|access) (?:keys?|tokens?)|"
    r"credentials|log-?in (?:details|data)|mother's maiden name|passport(?: number)?|"
    r"passw[oö]rt\w*|kennwort\w*|kreditkart\w+|karten(?:nummer|daten)|pr[uü]fnummer|zugangsdaten|bankdaten|"
    r"mots? de passe|(?:num[eé]ro de )?carte(?: bancaire| de cr[eé]dit)|coordonn[eé]es bancaires|code de (?:v[eé]rification|s[eé]curit[eé])|"
    r"contrase[nñ]as?|(?:n[uú]mero de )?tarjeta(?: de cr[eé]dito)?|c[oó]digo de (?:verificaci[oó]n|seguridad)|"
    r"carta di credito|codice di (?:verifica|sicurezza)|senha|cart[aã]o de cr[eé]dito|wachtwoord\w*|l[oö]senord\w*|has[lł]o|парол\w+|密码|密碼|パスワード)"
)
_NOT_THE_VALUE = r"(?! ?-?(?:reset|recovery (?:page|link|mail|e-mail)|change[ds]?|link|manager|polic|page|mail|e-mail|field|rules?|was|has been|is (?:valid|correct|not)))"
_REQUEST = (
    r"(?:reply|respond|answer|send|e-?mail|text|tell|give|provide|share|submit|enter|type|fill in|supply|forward|confirm|verify|"
    r"disclose|reveal|state|include|write|attach|post|let us (?:know|have)|need|require|requires|want|read|dm|type in|key in|ask(?:ing)? (?:you )?for|message|"
    r"senden|schicken|teilen|nennen|geben|antworten|best[aä]tigen|brauchen|ben[oö]tigen|mitteilen|"
    r"envoye[rz]|indique[rz]|communique[rz]|donne[rz]|r[eé]ponde[rz]|confirme[rz]|fournir|fournissez|"
    r"env[ií][ea]\w*|indique|responda|confirme|facilite|inviare|invii|comunic\w+|fornisc\w+|informe|podaj|prze[sś]lij|stuur|geef|skicka|ange|"
    r"отправ\w+|сообщ\w+|пришл\w+)"
)
_SENSITIVE_REQUEST = (
    rf"(?i)\b{_REQUEST}\b(?:[ ,:(]{{1,2}}[^\s.!?]{{1,24}}){{0,9}}?[ ,:(]{{1,2}}{_SENSITIVE}\b{_NOT_THE_VALUE}"
    rf"|\b(?:what(?:'s| is| are)|which is) (?:\w+ ){{0,3}}?{_SENSITIVE}\b"
    rf"|\b{_SENSITIVE} (?:and \w+ ){{0,2}}?(?:is|are) (?:required|needed|necessary)|\b(?:your|ihre?n?|votre|su) {_SENSITIVE},? (?:please|bitte|s'il vous pla[iî]t|por favor)"
    r"|请.{0,12}(?:密码|卡号|验证码)|パスワード.{0,12}(?:ください|教えて)"
)
_HARMLESS_REQUEST = (
    r"(?i)n't\b|\b(?:never|not|without|no need|neither|nor|nobody|reset(?:ting)?|forgot(?:ten)?|new|last (?:four|4)|change[ds]?|niemals|nie|nicht|kein\w*|"
    r"jamais|pas|aucun\w*|nunca|no|mai|non|nooit|geen|niet|aldrig|inte|nigdy|nie|никогда|не|不要|勿|sen[dt] you|e-?mail(?:ed)? you|you (?:entered|typed))\b"
)

# Cyrillic and Greek letters that look like Latin ones (Unicode TR 39, confusables)
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһӏвкмнтԝοαενρικ", "aeopcyxijsdhlbkmhtwoaevpik")

_MONEY_NOUN = r"(?:refunds?|reimbursements?|credits?|credit notes?|compensations?|payouts?|vouchers?|gift cards?|cashback|chargebacks?|repayments?|rebates?)"
_ADVERBS = r"(?:(?:also|now|gladly|happily|fully|be|been|already|just|then|certainly|immediately|today|of course|hereby|gladly|to|able|going|happy|pleased|glad|decided|agree|agreed|promise|guarantee|you|back|completely|partially) ){0,4}"
_PROMISE = (
    rf"(?i)\b{_MONEY_NOUN}\b(?: [^\s.!?]{{1,30}}){{0,8}}? (?:approved|granted|issued|processed|authori[sz]ed|completed|transferred|on (?:its|the) way|credited|initiated|sent|applied|confirmed|guaranteed|arranged|waiting)\b"
    r"|\b(?:we|i)(?:'ll| will| shall| can| have|'ve| are|'re| am|'m| would)? "
    rf"{_ADVERBS}(?:refund(?:ed|ing)?|reimburs(?:e|ed|ing)|compensat(?:e|ed|ing)|credit(?:ed|ing)?|repay|repaid|pay(?:ing)?|paid|pay for|waiv(?:e|ed|ing)|return(?:ed|ing)?) (?:you|your (?:money|card|account|payment|purchase|order|fee|costs?)|the (?:full|whole|total|entire|amount|money|fee|charges?|cost|price|payment|difference)|it|this|that|everything|all|both|\w+ (?:euros?|dollars?|pounds?))\b"
    rf"|\b(?:we|i)(?:'ll| will| shall| can| have|'ve| are|'re| am)? {_ADVERBS}(?:give|giv(?:en|ing)|grant(?:ed|ing)?|offer(?:ed|ing)?|issue[d]?|issuing|approve[d]?|approving|guarantee[d]?|promise[d]?|send|sent|process(?:ed)?|authori[sz]ed?|add(?:ed)?|arrange[d]?) (?:you )?(?:\w+ ){{0,4}}?(?:{_MONEY_NOUN}|discounts?|free (?:month|year|upgrade|licen[cs]e)s?|money|payments?)\b"
    rf"|\byou(?:'ll| will| are going to| shall| can expect to)? {_ADVERBS}(?:receive|get|find|see|have) (?:[^\s.!?]{{1,30}} ){{0,5}}?(?:{_MONEY_NOUN}|money)\b"
    r"|\byou(?:'ll| will| are going to| shall|'ve| have) (?:be |been )(?:\w+ly )?(?:refunded|reimbursed|compensated|credited|repaid|paid)\b"
    r"|\b(?:your|the|all (?:your|the)) (?:money|payment|amount|fee)s? (?:will|has|have|is|was|are|were)(?: \w+){0,3} (?:refunded|returned|back|reimbursed|credited|repaid|waived|paid back)\b"
    r"|\b(?:free of charge|at no cost|on us|for free)\b(?=.{0,40}\b(?:month|year|replacement|upgrade)\b)"
    r"|\bwir (?:werden |haben )?(?:ihnen |dir )?(?:[^\s.!?]{1,30} ){0,6}?(?:erstatten|erstattet|zur[uü]ckzahlen|zur[uü]ckgezahlt|gutschreiben|gutgeschrieben|[uü]berweisen|[uü]berwiesen)\b"
    r"|\b(?:ihre|deine|die) (?:r[uü]ck)?(?:erstattung|zahlung|gutschrift)(?: [^\s.!?]{1,30}){0,4}? (?:genehmigt|bewilligt|veranlasst|[uü]berwiesen|best[aä]tigt|unterwegs)"
    r"|\bsie (?:erhalten|bekommen) (?:[^\s.!?]{1,30} ){0,5}?(?:erstattung|r[uü]ckerstattung|gutschrift|gutschein|geld)"
    r"|\bnous (?:vous )?(?:[^\s.!?]{1,30} ){0,3}?(?:rembours(?:erons|ons|er)|cr[eé]dit(?:erons|ons)|vers(?:erons|ons))\b|\bremboursement(?: [^\s.!?]{1,30}){0,4}? (?:approuv[eé]|accord[eé]|effectu[eé]|valid[eé]|accept[eé])"
    r"|\b(?:le|les|te) (?:[^\s.!?]{1,30} ){0,3}?(?:reembolsaremos|reembolsamos|devolveremos|abonaremos)|\breembolso(?: [^\s.!?]{1,30}){0,4}? (?:aprobado|autorizado|aprovado|emitido|realizado|procesado)"
    r"|\b(?:la|ti|vi) rimborseremo|\brimborso(?: [^\s.!?]{1,30}){0,4}? (?:approvato|autorizzato|effettuato)"
)
_UNCERTAIN = (
    r"(?i)\b(?:if|whether|once|when|as soon as|unless|until|not|n't|never|cannot|may|might|could|check(?:ing)?|ask(?:ed)?|decide|request(?:ed)?|"
    r"eligible|possible|before|after|how long|ob|wenn|sobald|falls|nicht|si|sobre|peut|no|se|quando)\b|n't"
)

_NUMBER_WORD = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|dozen|half|ein|eine|zwei|drei|vier|f[uü]nf|sechs|sieben|acht|neun|zehn|"
    r"zwanzig|f[uü]nfzig|hundert|tausend|\w*(?:hundert|tausend)\w*|deux|trois|quatre|cinq|sept|huit|neuf|dix|vingt|cinquante|cent|cents|mille|dos|tres|cuatro|cinco|seis|siete|"
    r"ocho|nueve|diez|veinte|cincuenta|cien|cientos|mil|\d{1,12}(?:[.,]\d{1,3})?k?)"
)
_MONEY_UNIT = r"(?:euros?|dollars?|pounds?|bucks|quid|cents?|pesos?|francs?|franken|yen|rupees?|eur|usd|gbp|chf|bitcoins?|btc|eth)"
_MONEY_IN_WORDS = (
    rf"(?i)\b{_NUMBER_WORD}(?:[ -](?:and |und |et |y )?{_NUMBER_WORD}){{0,6}}[ -]{_MONEY_UNIT}\b|\b(?:eur|usd|gbp|chf|btc) {_NUMBER_WORD}\b"
    rf"|\b{_NUMBER_WORD}(?:[ -]{_NUMBER_WORD}){{0,3}} ?(?:percent|per cent|prozent|%) (?:off|discount|refund|rabatt)"
)

_WALLET = (
    r"\b(?:bc1|tb1|ltc1|addr1|bnb1|cosmos1|osmo1)[02-9ac-hj-np-z]{8,100}\b|\b0x[0-9a-fA-F]{40}\b"
    r"|\b(?=[1-9A-HJ-NP-Za-km-z]{0,94}[a-z])(?=[1-9A-HJ-NP-Za-km-z]{0,94}[A-Z])(?=[1-9A-HJ-NP-Za-km-z]{0,94}\d)[1-9A-HJ-NP-Za-km-z]{26,95}\b"
)
_SENTENCE = r"[^.!?\n]+[.!?\n]*"
"""A bound for the searches above: none of them crosses the end of a sentence."""


def find_secret_requests(text: str) -> Iterator[str]:
    """Yield the sentences that ask the reader for a password, a code, or card or bank details."""
    for sentence in _compile(_SENTENCE).findall(text):
        for view in dict.fromkeys((sentence, sentence.translate(_LOOKALIKES))):
            match = _compile(_SENSITIVE_REQUEST).search(view)
            if match and not _compile(_HARMLESS_REQUEST).search(view[: match.end()]):
                yield sentence.strip()
                break


def find_promises(text: str) -> Iterator[str]:
    """Yield the sentences that promise a refund, a credit or money."""
    for sentence in _compile(_SENTENCE).findall(text):
        match = _compile(_PROMISE).search(sentence)
        if match and not _compile(_UNCERTAIN).search(sentence[: match.end()]):
            yield sentence.strip()


def find_money_in_words(text: str) -> list[str]:
    """Return the amounts of money whose number or currency is a word."""
    return [match[0] for match in _compile(_MONEY_IN_WORDS).finditer(text)]


def find_wallets(text: str) -> list[str]:
    """Return the addresses of cryptocurrency wallets: Bech32, Base58 and hexadecimal ones."""
    return [match[0] for match in _compile(_WALLET).finditer(text)]


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when it is needed first: that takes longer than importing this module."""
    return re.compile(pattern)
