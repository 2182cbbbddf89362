"""A streamed JSON document is the one that would be printed at once."""

from collections.abc import AsyncIterator
from io import StringIO

import pytest

from ticketctl.cli.rendering import output


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [StringIO, Terminal])
@pytest.mark.parametrize("number", [0, 1, 3])
async def test_a_streamed_document_is_the_same(
    monkeypatch: pytest.MonkeyPatch, stream: type[StringIO], number: int
) -> None:
    items = [{"id": n, "texts": ["a\nb", "\x9b"], "empty": {}} for n in range(number)]

    async def read() -> AsyncIterator[object]:
        for item in items:
            yield item

    printed = stream()
    monkeypatch.setattr("sys.stdout", printed)
    output.print_json({"replies": items})
    streamed = stream()
    monkeypatch.setattr("sys.stdout", streamed)
    await output.stream_json("replies", read())
    assert streamed.getvalue() == printed.getvalue()
