"""Spellings of personal data that redaction must replace, and ordinary sentences that it must not change."""

# ruff: noqa: RUF001, S311 - odd characters are the point; chance makes examples here, not secrets
import random

CARDS = [
    "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111", "4111/1111/1111/1111",
    "4111\u20091111\u20091111\u20091111", "4111\u00a01111\u00a01111\u00a01111", "4111\u202f1111\u202f1111\u202f1111",
    "4111\n1111\n1111\n1111", "4111 1111\n1111 1111", "4111 1111\r\n1111 1111", "4111–1111–1111–1111",
    "4111—1111—1111—1111", "4111‑1111‑1111‑1111", "4111−1111−1111−1111", "4111_1111_1111_1111", "4111 - 1111 - 1111 - 1111",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1", "41 11 11 11 11 11 11 11", "4111*1111*1111*1111",
    "4111|1111|1111|1111", "4111, 1111, 1111, 1111", "4111\t1111\t1111\t1111", "4111   1111   1111   1111",
    "4111\u200b1111\u200b1111\u200b1111", "4111\u00ad1111\u00ad1111\u00ad1111", "41111111\u206011111111",
    "４１１１ １１１１ １１１１ １１１１", "４１１１－１１１１－１１１１－１１１１", "٤١١١ ١١١١ ١١١١ ١١١١", "④①①①①①①①①①①①①①①①",
    "5555 5555 5555 4444", "5555555555554444", "2223 0031 2200 3222", "2720990000000007", "3782 822463 10005",
    "378282246310005", "3782-822463-10005", "3714 496353 98431", "6011 1111 1111 1117", "6011000990139424",
    "3056 930902 5904", "30569309025904", "3530 1113 3330 0000", "3566002020360505", "6200 0000 0000 0005",
    "6759649826438453", "6799990100000000019", "6304 0000 0000 0000", "4222222222222", "5019 7170 1010 3742",
    "4111 11111111 1111", "41111111 11111111", "411111 1111111111", "4111:1111:1111:1111", "4111·1111·1111·1111",
    "4111~1111~1111~1111", "4111 /1111 /1111 /1111", "card4111111111111111", "\u202d4111 1111 1111 1111\u202c",
]  # fmt: skip

IBANS = [
    "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "de89 3704 0044 0532 0130 00", "DE89-3704-0044-0532-0130-00",
    "DE89.3704.0044.0532.0130.00", "DE89\u20093704\u20090044\u20090532\u20090130\u200900", "DE89\n3704 0044 0532 0130 00",
    "DE 89 3704 0044 0532 0130 00", "DE89 37040044 0532013000", "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0",
    "DE89–3704–0044–0532–0130–00", "ＤＥ８９ ３７０４ ００４４ ０５３２ ０１３０ ００", "DE89\u200b3704\u200b0044\u200b0532\u200b0130\u200b00",
    "GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432", "gb82west12345698765432", "FR14 2004 1010 0505 0001 3M02 606",
    "FR1420041010050500013M02606", "NL91 ABNA 0417 1643 00", "NL91ABNA0417164300", "ES91 2100 0418 4502 0005 1332",
    "IT60 X054 2811 1010 0000 0123 456", "IT60X0542811101000000123456", "CH93 0076 2011 6238 5295 7", "AT61 1904 3002 3457 3201",
    "BE68 5390 0754 7034", "BE68539007547034", "NO93 8601 1117 947", "NO9386011117947", "PL61 1090 1014 0000 0712 1981 2874",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S", "SE45 5000 0000 0583 9825 7466", "DK50 0040 0440 1162 43",
    "PT50 0002 0123 1234 5678 9015 4", "IE29 AIBK 9311 5212 3456 78", "BR18 0036 0305 0000 1000 9795 493C 1",
    "SA03 8000 0000 6080 1016 7519", "TR33 0006 1005 1978 6457 8413 26", "IBANDE89370400440532013000",
    "IBAN:DE89370400440532013000", "DE89_3704_0044_0532_0130_00", "LC55HEMM000100010012001200023015",
]  # fmt: skip

EMAILS = [
    "ada@example.com", "ADA@EXAMPLE.COM", "ada.lovelace+tag@mail.example.co.uk", "ada@exämple.com", "ada@xn--exmple-cua.com",
    "ädä@example.com", "ada@例え.テスト", "почта@пример.рф", '"ada l"@example.com', '"ada@home"@example.com', "ada@[192.0.2.1]",
    "ada@192.0.2.1", "ada@[IPv6:2001:db8::1]", "ada [at] example [dot] com", "ada (at) example (dot) com", "ada(at)example.com",
    "ada[at]example.com", "ada {at} example {dot} com", "ada at example dot com", "ada AT example DOT com", "ada<at>example<dot>com",
    "ada @ example.com", "ada @ example . com", "ada@ example.com", "ada@example[.]com", "ada[@]example.com", "ada(@)example(.)com",
    "ada＠example.com", "ada@example．com", "ada@example。com", "ada﹫example.com", "ada&#64;example.com", "ada%40example.com",
    "ada\u200b@\u200bexample.com", "a\u00adda@exam\u00adple.com", "ada@exam\u2060ple.com", "mailto:ada@example.com", "<ada@example.com>",
    "ada_lovelace@sub-domain.example.org", "o'brien@example.ie", "ada!x@example.com", "a@b.co", "ada\\@example.com", "ada@localhost",
    "ada(a)example.com", "ada arroba example punto com", "ada (ät) example (punkt) de", "ada.lovelace at example dot co dot uk", "a d a @ e x a m p l e . c o m",
    "ada-at-example-dot-com", "ada dot lovelace at example dot com", "ada@example dot com", "ada(comment)@example.com", "ada@\nexample.com",
    "user%host@example.com", "ada AT example.com", "x@y.museum", "ａｄａ@ｅｘａｍｐｌｅ.ｃｏｍ", "1234567@qq.com",
]  # fmt: skip

PHONES = [
    "+49 30 1234567", "+49‑30‑1234567", "+49 (0)30 1234567", "+49/30/1234567", "+4930 1234567", "+49301234567", "0049 30 1234567",
    "＋49 30 1234567", "+49\u00a030\u00a01234567", "+49\u200930\u20091234567", "+49–30–1234567", "+49.30.1234567", "(+49) 30 1234567",
    "030 1234567", "030/1234567", "030-1234567", "0301234567", "0171 1234567", "0171/123 45 67", "(030) 1234567", "+1 415 555 0132",
    "+1-415-555-0132", "+14155550132", "+1 (415) 555-0132", "1-415-555-0132", "1 (415) 555-0132", "415-555-0132", "415.555.0132",
    "415 555 0132", "(415) 555-0132", "(415)555-0132", "4155550132", "415‑555‑0132", "415\u2009555\u20090132", "４１５-５５５-０１３２",
    "06 12 34 56 78", "06.12.34.56.78", "06-12-34-56-78", "0612345678", "+33 6 12 34 56 78", "+33 (0)6 12 34 56 78", "01 42 68 53 00",
    "612 34 56 78", "612 345 678", "612345678", "+34 612 34 56 78", "91 123 45 67", "13812345678", "138 1234 5678", "138-1234-5678",
    "+86 138 1234 5678", "(11) 91234-5678", "11 91234-5678", "+55 11 91234-5678", "(011) 91234-5678", "020 7946 0958", "(020) 7946 0958",
    "07700 900123", "+44 20 7946 0958", "+44 (0)20 7946 0958", "0044 20 7946 0958", "+91 98765 43210", "9876543210", "98765 43210",
    "+81 90-1234-5678", "090-1234-5678", "03-1234-5678", "+39 06 1234 5678", "06 1234 5678", "347 123 4567", "+31 6 12345678",
    "06-12345678", "044 668 18 00", "+41 44 668 18 00", "0664 1234567", "+48 512 345 678", "512 345 678", "0412 345 678",
    "(02) 9374 4000", "+61 2 9374 4000", "+46 70 123 45 67", "070-123 45 67", "call me 555 0132", "call me on 555-0132",
    "Tel. 1234567", "phone: 555-0199", "my number is 5550132", "WhatsApp 612345678", "ring me: 7946 0958", "fax 030 1234568",
    "tel:+49-30-1234567", "+49\n30 1234567", "415-555-\n0132", "+49 30 12 34 56 7 ext. 12", "wa.me/4155550132", "+7 912 345-67-89",
    "+90 532 123 45 67", "+972 50 123 4567", "+971 50 123 4567", "+65 9123 4567", "+ 49 30 1234567", "+49_30_1234567",
    "Handy 0171-1234567", "+1\u2011415\u2011555\u20110132", "+49 30\u200b 1234567",
]  # fmt: skip

FRAMES = [
    "{}",
    "Hello, please use {} from now on, thanks",
    "My details:\n{}\nRegards, Ada",
    "I wrote it down ({}) but nobody answered.",
]
"""Texts around a value. They say nothing about its kind."""


def ordinary_sentences(count, seed=11):
    """Return so many different support sentences with numbers that are nobody's personal data."""
    chance = random.Random(seed)
    sentences = {}
    while len(sentences) < count:
        sentences[chance.choice(ORDINARY).format_map(Numbers(chance))] = None
    return list(sentences)


class Numbers(dict):
    """Makes a number of the kind that a placeholder names."""

    def __init__(self, chance):
        self.chance = chance

    def digits(self, least, most=None):
        size = self.chance.randint(least, most or least)
        return str(self.chance.randint(10 ** (size - 1), 10**size - 1))

    def __missing__(self, name):
        pick, digits = self.chance.choice, self.digits
        year, month, day = (
            self.chance.randint(2019, 2027),
            self.chance.randint(1, 12),
            self.chance.randint(1, 28),
        )
        hour, minute, second = (
            self.chance.randint(0, 23),
            self.chance.randint(0, 59),
            self.chance.randint(0, 59),
        )
        return {
            "n": lambda: digits(1, 4),
            "count": lambda: pick([digits(1, 6), f"{digits(1, 3)},{digits(3)}", f"{digits(1, 3)}.{digits(3)}", f"{digits(1, 3)} {digits(3)}"]),
            "id": lambda: digits(4, 12),
            "long": lambda: digits(9, 18),
            "tracking": lambda: pick([f"1Z999AA1{digits(10)}", digits(12), f"{digits(4)} {digits(4)} {digits(4)}", f"RR{digits(9)}DE", f"00{digits(18)}"]),
            "order": lambda: pick([digits(5, 10), f"{digits(3)}-{digits(7)}-{digits(7)}", f"A-{digits(4)}", f"{year}-{digits(4)}", f"ORD-{digits(8)}", f"{digits(4)}-{digits(4)}"]),
            "invoice": lambda: pick([f"INV-{year}-{digits(4)}", f"RE-{year}-{digits(5)}", f"{year}{month:02}-{digits(4)}", f"{digits(4)}/{year}", digits(7, 10)]),
            "date": lambda: pick([f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}", f"{month}/{day}/{year}", f"{day}.{month}.{year % 100:02}", f"{year}/{month:02}/{day:02}", f"{year}{month:02}{day:02}"]),
            "time": lambda: pick([f"{hour}:{minute:02}", f"{hour:02}:{minute:02}:{second:02}", f"{hour:02}:{minute:02}:{second:02}.{digits(3)}", f"{hour}h{minute:02}"]),
            "stamp": lambda: f"{year}-{month:02}-{day:02}{pick([' ', 'T'])}{hour:02}:{minute:02}:{second:02}{pick(['', 'Z', '.' + digits(3) + 'Z', '+02:00', ',' + digits(3)])}",
            "packed": lambda: pick([f"{year}{month:02}{day:02}{hour:02}{minute:02}{second:02}", f"{year}{month:02}{day:02}_{hour:02}{minute:02}{second:02}"]),
            "epoch": lambda: pick([str(1_500_000_000 + self.chance.randint(0, 3 * 10**8)), str(1_500_000_000_000 + self.chance.randint(0, 3 * 10**11))]),
            "price": lambda: pick([f"${digits(1, 4)}.{digits(2)}", f"{digits(1, 3)},{digits(2)} €", f"EUR {digits(2, 5)}", f"£{digits(1, 3)},{digits(3)}.{digits(2)}", f"{digits(1, 3)}.{digits(3)},{digits(2)} EUR", f"{digits(2, 4)} dollars", f"{digits(1, 3)} {digits(3)} {digits(3)} CHF"]),
            "version": lambda: pick([f"{digits(1)}.{digits(1, 2)}.{digits(1, 3)}", f"v{digits(1)}.{digits(1)}", f"{digits(2)}.{digits(1)}.{digits(4)}.{digits(2, 5)}", f"{year}.{month}.{digits(1, 2)}"]),
            "ip": lambda: ".".join(str(self.chance.randint(1, 254)) for _ in range(4)) + pick(["", ":8080", ":443"]),
            "code": lambda: pick([digits(3), f"0x{self.chance.randint(0, 2**32):08X}", f"E{digits(4)}", f"ORA-{digits(5)}", f"SQL{digits(4)}N", f"-{digits(4, 10)}"]),
            "sku": lambda: pick([f"SKU-{digits(6)}", f"{digits(3)}-{digits(3)}-{digits(2)}", f"XK{digits(4)}-{digits(2)}", digits(8), digits(13)]),
            "size": lambda: pick([f"{digits(3, 4)}x{digits(3, 4)}", f"{digits(1, 3)} MB", f"{digits(7, 10)} bytes", f"{digits(1, 2)}.{digits(1)} GB", f"{digits(2, 3)}%"]),
            "uuid": lambda: f"{self.chance.randint(0, 2**32):08x}-{digits(4)}-4{digits(3)}-a{digits(3)}-{self.chance.randint(0, 2**48):012x}",
            "hash": lambda: f"{self.chance.randint(0, 2**160):040x}"[: pick([7, 12, 40])],
            "coord": lambda: f"{self.chance.uniform(-90, 90):.6f}, {self.chance.uniform(-180, 180):.6f}",
            "range": lambda: pick([f"{digits(2, 4)}-{digits(2, 4)}", f"{year - 3}-{year}", f"{digits(1, 3)} to {digits(2, 4)}"]),
            "list": lambda: ", ".join(digits(1, 4) for _ in range(self.chance.randint(3, 9))),
            "serial": lambda: pick([f"SN{digits(8)}", f"C02{digits(6)}MD6R", digits(10, 12), f"{digits(4)}-{digits(4)}-{digits(4)}-{digits(2)}"]),
            "imei": lambda: f"35{digits(13)}",
            "zip": lambda: pick([digits(5), f"{digits(5)}-{digits(4)}", f"SW{digits(1)}A {digits(1)}AA", f"{digits(4)} AB"]),
        }[name]()  # fmt: skip


ORDINARY = [
    "My order {order} has not arrived yet.", "Order #{order} was delivered on {date} at {time}.", "Where is order no. {order}?",
    "Order number {order} shows the wrong address.", "I was billed {price} instead of {price} on invoice {invoice}.",
    "Invoice {invoice} from {date} is missing.", "Please send invoice number {invoice} again, it was due on {date}.",
    "Since version {version} the app crashes after {n} seconds.", "We updated from {version} to {version} on {date}.",
    "The export has {count} rows but should have {count}.", "It fails with error {code} at {time}.", "Error code {code}: cannot open the file.",
    "HTTP {n} from {ip} at {stamp}.", "The server {ip} does not answer since {stamp}.", "Ticket {id} was closed without an answer.",
    "See ticket #{id} and ticket #{id}.", "My ticket ID is {id}, opened on {date}.", "Customer number {id}, contract {id}.",
    "The tracking number is {tracking}.", "Tracking: {tracking}, shipped {date}.", "The parcel {tracking} is stuck since {date}.",
    "Job {long} failed {n} times.", "Transaction {long} was declined at {time}.", "The transaction id {long} appears twice.",
    "Log line: {stamp} ERROR worker-{n} timeout after {n} ms", "{stamp} INFO request {uuid} took {n} ms", "Request ID {uuid} returned {code}.",
    "Commit {hash} broke the build {id}.", "The file backup_{packed}.zip has {size}.", "IMG_{packed}.jpg cannot be uploaded, it has {size}.",
    "Our {n} users see {count} items per page.", "Between {date} and {date} we had {count} visits.", "The timestamp {epoch} is wrong.",
    "The field created_at is {epoch} instead of a date.", "Article {sku} costs {price}, not {price}.", "The serial number is {serial}.",
    "Device with IMEI {imei} is not recognised.", "The image is {size} and the limit is {size}.", "Upload stops at {size} of {size}.",
    "The map shows {coord} instead of our office.", "Pages {range} of the manual are empty.", "Line {n} of {count} is wrong.",
    "I ordered {n} pieces of {sku} for {price} each.", "The values {list} are sorted wrongly.", "Columns {list} are hidden.",
    "We pay {price} per month for {n} seats, contract {id}.", "Please change the postcode to {zip}.", "The meeting on {date} at {time} was moved to {time}.",
    "Port {n} is blocked for {ip}.", "It worked until {stamp}, then error {code} came {n} times.", "The subscription {id} renews on {date} for {price}.",
    "Latency went from {n} ms to {n} ms after {date}.", "The discount of {n}% on {price} is missing on order {order}.", "Account {id} has {count} points.",
    "The batch of {date} contains {count} records and {n} errors.", "Payment reference {long} from {date} over {price}.",
    "The API returned {count} results for page {n}.", "We need {n} licences from {date} for {price}.", "Booking {id} for {date}, {n} guests.",
    "Reset took {n} minutes and {n} seconds.", "Record {id} is a duplicate of record {id}.", "Build {version} (build {id}) does not start.",
    "The sum is {price} but the lines are {list}.", "Quote {order} is valid until {date}.", "Memory grows from {size} to {size}.",
    "The invoice total {price} does not match order {order}.", "My subscription started {date} and costs {price}.",
    "Rechnung {invoice} vom {date} ist falsch.", "Bestellung {order} kam am {date} nicht an.", "La commande {order} du {date} manque.",
    "El pedido {order} del {date} no llegó.", "In {n} of {n} cases the chart shows {count}.", "SKU {sku} is out of stock since {date}.",
    "Barcode {sku} scans as {sku}.", "Our database has {count} tables and {size} of data.", "The queue holds {count} messages, the oldest from {stamp}.",
    "Process {id} uses {size}.", "Room {n}, floor {n}, desk {n}.", "We are a team of {n} and use {n} projects.", "See https://shop.example/orders/{id}?page={n}",
    "The link https://app.example/t/{id}/edit gives {code}.", "{n}. Open the report {n}. Click export {n}. See error {code}",
]  # fmt: skip
