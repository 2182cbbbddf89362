"""Words around a number that tell a telephone number from other numbers, as regular expressions in several languages."""

ANNOUNCING = (
    "(?:tele)?phone", "(?:tele)?fone?", "(?:tele)?fax", "tel", "ph", "tél", "t[eé]l[eé]phone", "tel[eé]fono", "telefone",
    "telefonn?ummer", "mobil[ea]?", "cell", "cellphone", "cellular", "cellulare", "celular", "handy", "handynummer",
    "m[oó]vil", "portable", "whats ?app", "sms", "viber", "telegram", "text me", "call", "calls? (?:me|us|him|her|back)",
    "call(?:ing)? (?:me|us|back)", "callback", "ring (?:me|us)", "dial", "reach (?:me|us|him|her)", "contact (?:me|us)",
    "hotline", "(?:my|our|his|her|contact) number", "rufen", "anrufen", "ruft?", "erreichbar", "erreichen", "rückruf",
    "meine nummer", "appele[rz]?", "joindre", "joignable", "mon numéro", "ll[aá]m[ae]\\w*", "mi número", "ligue", "ligar",
    "meu número", "chiam\\w+", "il mio numero", "zadzwo\\w+", "numer telefonu", "bel", "bellen", "ring", "ringa",
)  # fmt: skip
"""Words before a telephone number."""

ANNOUNCING_WITHOUT_SPACES = (
    "тел",
    "телефон\\w*",
    "звон\\w*",
    "電話\\w*",
    "电话\\w*",
    "手机\\w*",
    "手機\\w*",
    "wa\\.me/",
)
"""The same where words have no boundary that a regular expression knows."""

PERSONS = ("customers?", "clients?", "users?", "members?", "contacts?", "kund\\w*", "cliente?s?")
"""Words before an account number that may stand before a telephone number as well."""

IDENTIFYING = (
    "orders?", "ordered", "invoices?", "tickets?", "cases?", "requests?", "refs?", "references?", "tracking", "shipments?",
    "parcels?", "packages?", "consignments?", "accounts?", "membership", "subscriptions?", "licen[cs]es?", "serials?",
    "s/?n", "imei", "iccid", "imsi", "sim", "mac", "skus?", "eans?", "upcs?", "gtins?", "isbns?", "asins?", "barcodes?",
    "articles?", "items?", "products?", "parts?", "models?", "errors?", "codes?", "status", "http", "exit", "versions?",
    "builds?", "releases?", "revisions?", "commits?", "bugs?", "issues?", "tasks?", "jobs?", "runs?", "process", "pids?",
    "threads?", "ports?", "ids?", "uuids?", "guids?", "keys?", "hash(?:es)?", "checksums?", "tokens?", "sessions?",
    "trans?actions?", "payments?", "charges?", "receipts?", "bookings?", "reservations?", "confirmations?", "flights?",
    "vouchers?", "coupons?", "contracts?", "polic(?:y|ies)", "claims?", "quotes?", "quotations?", "purchases?", "po", "rma",
    "vat", "tax", "tin", "ein", "ssn", "nif", "siret", "siren", "batch(?:es)?", "lots?", "messages?", "events?", "traces?",
    "spans?", "rows?", "records?", "lines?", "pages?", "sections?", "chapters?", "devices?", "assets?", "meters?",
    "stations?", "stores?", "zip", "postcodes?", "pin", "otp", "amounts?", "totals?", "prices?", "balances?", "costs?",
    "counts?", "counters?", "sizes?", "bytes", "lengths?", "offsets?", "values?", "timestamps?", "epoch", "times?", "seq",
    "sequences?", "index", "returned", "returns?", "exceeds?", "limit", "over", "about", "around", "approximately",
    "between", "over", "than", "least", "most", "folders?", "files?", "images?", "screenshots?", "projects?", "groups?",
    "workspaces?", "tenants?", "organi[sz]ations?", "campaigns?", "orden", "bestell\\w*", "auftrag\\w*", "auftrags\\w*",
    "rechnung\\w*", "sendung\\w*", "artikel\\w*", "vertrag\\w*", "vorgang\\w*", "fehler\\w*", "konto\\w*", "commandes?",
    "factures?", "dossier", "pedidos?", "facturas?", "cuenta", "ordine", "fattura", "fatura", "zamówieni\\w*", "faktur\\w*",
)  # fmt: skip
"""Words before a number that identifies or counts something else."""

LINKING = "is|was|are|of|at|with|on|in|has|had|to|for|from|and|or|than|by|as|ist|war|lautet|vom|est|es|è|é|är|jest|said|shows?"
"""Words between one of those words and its number."""

UNITS = (
    "usd", "eur", "gbp", "chf", "euros?", "dollars?", "pounds?", "yen", "bytes?", "[kmgt]i?b", "bits?", "ms", "µs", "us",
    "ns", "s", "sec", "seconds?", "sekunden", "min", "minutes?", "minuten", "hours?", "days?", "tagen?", "weeks?",
    "months?", "years?", "px", "pixels?", "mm", "cm", "m", "km", "kg", "g", "rows?", "records?", "items?", "users?", "times",
    "requests?", "entries", "lines?", "files?", "messages?", "tickets?", "orders?", "characters?", "points?", "units?",
    "pieces?", "results?", "events?", "calls?", "hits?", "views?", "emails?", "contacts?", "customers?", "images?", "w",
    "kw", "kwh", "v", "hz", "mhz", "ghz", "rpm", "dpi", "steps?", "tokens?", "iterations?", "transactions?", "objects?",
)  # fmt: skip
"""What a number counts, after it."""
