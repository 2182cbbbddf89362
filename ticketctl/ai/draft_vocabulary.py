"""Words of replies that ask for secrets or promise money, as regular expressions: English, and some of other languages.

Each entry stands for itself; `draft_patterns` joins them.
"""

SECRETS = (
    "pass(?:w[o0]rd|code|phrase)s?", "pin(?: code| number)?s?", "otp", "tan", "cvv2?", "cvc2?",
    "(?:one-time|single-use|verification|security|confirmation|log-?in|sign-in|sms|text|2fa|mfa|two-factor) (?:pass)?codes?",
    "(?:authentication|authenticator|authori[sz]ation|recovery|backup|access|secret) (?:pass)?codes?",
    r"(?:three|four|six|eight|\d)-digit (?:\w+ )?(?:code|number|pin)s?",
    "codes? (?:that |which )?(?:we|you|i|was|were|is|are) (?:just )?(?:sent|texted|e-?mailed|received|got|see|find|shown)",
    "codes? (?:in|from) (?:the|your|that) (?:sms|text|phone|app|authenticator|e-?mail|message)",
    "(?:credit |debit |payment |bank )?card(?:'s)? (?:number|details?|data|info(?:rmation)?)s?", "(?:credit|debit) cards?",
    "bank(?:ing)? (?:details|account(?: number)?|log-?in|information|data|credentials)", "payment details", "iban",
    "social security(?: number)?", "ssn", "(?:seed|recovery|secret) (?:phrase|words)", "private keys?",
    "(?:api|secret|access) (?:keys?|tokens?)", "credentials", "log-?in (?:details|data)", "mother's maiden name",
    "passport(?: number)?",
    r"passw[oö]rt\w*", r"kennwort\w*", r"kreditkart\w+", "karten(?:nummer|daten)", "pr[uü]fnummer", "zugangsdaten", "bankdaten",
    "mots? de passe", "(?:num[eé]ro de )?carte(?: bancaire| de cr[eé]dit)", "coordonn[eé]es bancaires",
    "code de (?:v[eé]rification|s[eé]curit[eé])", "contrase[nñ]as?", "(?:n[uú]mero de )?tarjeta(?: de cr[eé]dito)?",
    "c[oó]digo de (?:verificaci[oó]n|seguridad)", "carta di credito", "codice di (?:verifica|sicurezza)", "senha",
    "cart[aã]o de cr[eé]dito", r"wachtwoord\w*", r"l[oö]senord\w*", r"has[lł]o", r"парол\w+", "密码", "密碼", "パスワード",
)  # fmt: skip

NOT_THE_SECRET = (
    "reset", "recovery (?:page|link|mail|e-mail)", "change[ds]?", "link", "manager", "polic", "page", "mail", "e-mail", "field",
    "rules?", "was", "has been", "is (?:valid|correct|not)",
)  # fmt: skip
"""Words after a secret's name that make it the name of something else, such as "password reset"."""

REQUESTS = (
    "reply", "respond", "answer", "send", "e-?mail", "text", "tell", "give", "provide", "share", "submit", "enter", "type",
    "fill in", "supply", "forward", "confirm", "verify", "disclose", "reveal", "state", "include", "write", "attach", "post",
    "let us (?:know|have)", "need", "requires?", "want", "read", "dm", "key in", "ask(?:ing)? (?:you )?for", "message",
    "senden", "schicken", "teilen", "nennen", "geben", "antworten", "best[aä]tigen", "brauchen", "ben[oö]tigen", "mitteilen",
    "envoye[rz]", "indique[rz]?", "communique[rz]", "donne[rz]", "r[eé]ponde[rz]", "confirme[rz]?", "fourni(?:r|ssez)",
    r"env[ií][ea]\w*", "responda", "facilite", "inviare", "invii", r"comunic\w+", r"fornisc\w+", "informe", "podaj",
    "prze[sś]lij", "stuur", "geef", "skicka", "ange", r"отправ\w+", r"сообщ\w+", r"пришл\w+",
)  # fmt: skip

HARMLESS = (
    "never", "not", "without", "no need", "neither", "nor", "nobody", "reset(?:ting)?", "forgot(?:ten)?", "new",
    "last (?:four|4)", "change[ds]?", "sen[dt] you", "e-?mail(?:ed)? you", "you (?:entered|typed)", "niemals", "nie", "nicht",
    r"kein\w*", "jamais", "pas", r"aucun\w*", "nunca", "no", "mai", "non", "nooit", "geen", "niet", "aldrig", "inte", "nigdy",
    "никогда", "не", "不要", "勿",
)  # fmt: skip
"""Words before a secret's name that make the sentence a warning, or an account's own procedure."""

MONEY_NOUNS = (
    "refunds?", "reimbursements?", "credits?", "credit notes?", "compensations?", "payouts?", "vouchers?", "gift cards?",
    "cashback", "chargebacks?", "repayments?", "rebates?",
)  # fmt: skip
PROMISED_STATES = (
    "approved", "granted", "issued", "processed", "authori[sz]ed", "completed", "transferred", "on (?:its|the) way", "credited",
    "initiated", "sent", "applied", "confirmed", "guaranteed", "arranged", "waiting",
)  # fmt: skip
ADVERBS = (
    "also", "now", "gladly", "happily", "fully", "be", "been", "already", "just", "then", "certainly", "immediately", "today",
    "of course", "hereby", "to", "able", "going", "happy", "pleased", "glad", "decided", "agreed?", "promise", "guarantee",
    "you", "back", "completely", "partially",
)  # fmt: skip
PAYING = (
    "refund(?:ed|ing)?", "reimburs(?:e|ed|ing)", "compensat(?:e|ed|ing)", "credit(?:ed|ing)?", "repay", "repaid", "pay(?:ing)?",
    "paid", "pay for", "waiv(?:e|ed|ing)", "return(?:ed|ing)?",
)  # fmt: skip
PAID = (
    "you", "your (?:money|card|account|payment|purchase|order|fee|costs?)",
    "the (?:full|whole|total|entire|amount|money|fee|charges?|cost|price|payment|difference|damage)",
    "it", "this", "that", "everything", "all", "both", r"\w+ (?:euros?|dollars?|pounds?)",
)  # fmt: skip
GRANTING = (
    "give", "giv(?:en|ing)", "grant(?:ed|ing)?", "offer(?:ed|ing)?", "issued?", "issuing", "approved?", "approving",
    "guaranteed?", "promised?", "send", "sent", "process(?:ed)?", "authori[sz]ed?", "add(?:ed)?", "arranged?",
)  # fmt: skip
GRANTED = ("discounts?", "free (?:month|year|upgrade|licen[cs]e)s?", "money", "payments?")

OTHER_PROMISES = (
    r"you(?:'ll| will| are going to| shall|'ve| have) (?:be |been )(?:\w+ly )?(?:refunded|reimbursed|compensated|credited|repaid|paid)",
    (r"(?:your|the|all (?:your|the)) (?:money|payment|amount|fee)s? (?:will|has|have|is|was|are|were)(?: \w+){0,3}"
    r" (?:refunded|returned|back|reimbursed|credited|repaid|waived|paid back)"),
    r"(?:free of charge|at no cost|on us|for free)(?=.{0,40}\b(?:month|year|replacement|upgrade)\b)",
    (r"wir (?:werden |haben )?(?:ihnen |dir )?(?:[^\s.!?]{1,30} ){0,6}?"
    r"(?:erstatten|erstattet|zur[uü]ckzahlen|zur[uü]ckgezahlt|gutschreiben|gutgeschrieben|[uü]berweisen|[uü]berwiesen)"),
    (r"(?:ihre|deine|die) (?:r[uü]ck)?(?:erstattung|zahlung|gutschrift)(?: [^\s.!?]{1,30}){0,4}?"
    r" (?:genehmigt|bewilligt|veranlasst|[uü]berwiesen|best[aä]tigt|unterwegs)"),
    r"sie (?:erhalten|bekommen) (?:[^\s.!?]{1,30} ){0,5}?(?:(?:r[uü]ck)?erstattung|gutschrift|gutschein|geld)",
    r"nous (?:vous )?(?:[^\s.!?]{1,30} ){0,3}?(?:rembours(?:erons|ons|er)|cr[eé]dit(?:erons|ons)|vers(?:erons|ons))",
    r"remboursement(?: [^\s.!?]{1,30}){0,4}? (?:approuv[eé]|accord[eé]|effectu[eé]|valid[eé]|accept[eé])",
    r"(?:le|les|te) (?:[^\s.!?]{1,30} ){0,3}?(?:reembolsaremos|reembolsamos|devolveremos|abonaremos)",
    r"reembolso(?: [^\s.!?]{1,30}){0,4}? (?:aprobado|autorizado|aprovado|emitido|realizado|procesado)",
    r"(?:la|ti|vi) rimborseremo", r"rimborso(?: [^\s.!?]{1,30}){0,4}? (?:approvato|autorizzato|effettuato)",
)  # fmt: skip

UNCERTAIN = (
    "if", "whether", "once", "when", "as soon as", "unless", "until", "not", "never", "cannot", "may", "might", "could",
    "check(?:ing)?", "ask(?:ed)?", "decide", "request(?:ed)?", "eligible", "possible", "before", "after", "how long", "ob", "wenn",
    "sobald", "falls", "nicht", "si", "sobre", "peut", "no", "se", "quando",
)  # fmt: skip
"""Words before a promise that make it a condition or a question."""

NUMBERS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty",
    "ninety", "hundred", "thousand", "million", "dozen", "half", "eine?", "zwei", "drei", "vier", "f[uü]nf", "sechs", "sieben",
    "acht", "neun", "zehn", "zwanzig", "f[uü]nfzig", r"\w{0,20}(?:hundert|tausend)\w{0,20}", "deux", "trois", "quatre", "cinq",
    "sept", "huit", "neuf", "dix", "vingt", "cinquante", "cents?", "mille", "dos", "tres", "cuatro", "cinco", "seis", "siete",
    "ocho", "nueve", "diez", "veinte", "cincuenta", "cien", "cientos", "mil", r"\d{1,12}(?:[.,]\d{1,3})?k?",
)  # fmt: skip
CURRENCIES = (
    "euros?", "dollars?", "pounds?", "bucks", "quid", "cents?", "pesos?", "francs?", "franken", "yen", "rupees?", "eur", "usd",
    "gbp", "chf", "bitcoins?", "btc", "eth",
)  # fmt: skip
