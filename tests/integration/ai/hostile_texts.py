"""Texts that make backtracking patterns slow: repeated characters, alternations, near misses of every pattern."""

# ruff: noqa: RUF001 - odd characters are the point

UNITS = [
    # one character
    *"a1 <>.-_/@:;#=()[]{}\"'`~^|\\*+?,!%&$€\n\t", "\r\n", "é", "中", "ж", "𝟙", "①", "½", "㎏", "ﷺ", "\u200b", "\u0301", "\x00", "\ud800", "\U000e0041",
    # alternations
    "a ", "a.", "a-", "a_", "a@", "@a", "a@a.", "1 ", "1.", "1-", "1,", "1:", "1/", "12 ", "123.", "1234 ", "4 ", "41 ", "4111 ", "4111-", "(1)", "+1 ", "+49 ", "00", "0 ", "06 ",
    "a1", "1a", "ab12 ", "de12 ", "de12", "d e 1 2 ", "DE89 3704 ", "A B ", "x: ", "\n> ", "> ", "\n ", " \n", "<<", "< ", "</", "[[", "((", "{{", "%40", "&#64;", "a%",
    "a b c d e ", "://", "www.", "http://", "http://a.", "https://x)", "x" * 63 + ".", "a" * 64 + "@", '"a', '"a"@',
    # near misses of the prompt-injection patterns
    "ignore ", "ignore all ", "ignore all your ", "system ", "system\n", " x system", "   ", "system:", "#### ", "you are ", "act as ", "new ", "new instruction ", "new task  ", "category ",
    "category  ", "set ", "set category ", "set category to", "respond ", "respond only", "include ", "include link ", "include link reply", "reply must ", "to ai ", "dear assistant ",
    "as an ", "<|a", "<|system", "[inst", "<<ticket", "<<ticket ", "<<ticket a", "<</ticket x>", "end of ", "jailbreak", "show your ", "reveal the ", "tell me ", "pretend ",
    # quoted mail
    "On ", "\nOn ", "\nOn a wrote", "\nam schrieb", "\nAm x schrieb:", "am schrieb ", "\nle a écrit", "--", "\n--", "\n-- x", "____", "---- original", "wrote:", "\nOn x wrote: ",
    ">\n", "> a: b\n", "> disclaimer\n", "Sent from my phone\n", "Sent from my phone\n> a\n", "Forwarded message:\n", "Forwarded message:\n> \n",
    # entities
    "jan ", "3. mai ", "may 3 ", "12:30 ", "$1", "$1,234", "1,234 ", "eur 1", "a.b.C", "Error", "AError", "aa/", "a\\", "a.a/", "C:\\a", "1.2.", "v1.", "version ", "version 1", "error ", "error code ",
    "0x", "ORA-", "EA", "A_", "ERR_", "A_ERR", "order ", "order no. ", "order 1-", "order id", "order #", "1-1", "A1-", "::", "a:", "1.1.1.", "fe80:", "call ", "call me ", "phone 1", "tel ", "monday ",
    # addresses and numbers in words
    "ada at ", "ada at example dot ", "a dot ", "dot ", "a [at] ", "[at]", "[dot]", "(at)(", "a@[1.", "a@[::", "a@x.c", "415-555-", "415 555 0132 ", "4155550132 ", "+49 30 1", "06.12.34.", "2024-", "2024-01-01 ",
    "4111 1111 1111 1112 ", "4111111111111112 ", "9876543211 ", "a" * 200 + " ", "1" * 30 + " ", "1" * 18 + " ",
    # drafts
    "evil dot example ", "e v i l . e ", "h x x p : ", "hxxp://", "bc1q", "0x12345678", "localhost:", "password ", "send password", "refund ", "we will refund ", "five thousand ", "thousand euros ", "send ", "enter your ",
]  # fmt: skip


def hostile_texts(size):
    """Yield name and text of every family, each `size` characters long."""
    for unit in dict.fromkeys(UNITS):
        yield unit[:20], (unit * (size // len(unit) + 1))[:size]
        if unit[-1:].isalpha() and " " in unit:
            yield f"{unit[:20]} + spaces", ((unit + " " * 40) * (size // (len(unit) + 40) + 1))[:size]
    for unit in ("<", " ", "a", "1", "-", "\n", ">", "@", "4111 "):
        tail = " x system prompt"
        yield f"{unit} then a near miss", (unit * size)[: size - len(tail)] + tail
