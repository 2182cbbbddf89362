"""Validation errors in plain words: no name of a library's type, no regular expression."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from ticketctl.errors import explain_validation_error

CODE = "^[a-z]{2}$"


class Part(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=3)]


class Whole(Struct, forbid_unknown_fields=True):
    part: Part | None = None
    parts: Annotated[list[Part], Meta(min_length=1, max_length=2)] | None = None
    share: Annotated[float, Meta(ge=0, le=1)] | None = None
    count: Annotated[int, Meta(gt=0)] | None = None
    code: Annotated[str, Meta(pattern=CODE)] | None = None
    color: Literal["red", "green"] | None = None
    by_code: dict[Annotated[str, Meta(pattern=CODE)], int] | None = None


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ({"part": {"name": 5}}, "part.name", "it must be text, not a whole number"),
        ({"part": []}, "part", "it must be a table, not a list"),
        ({"part": {}}, "part.name", "it is missing"),
        ({"part": {"name": "a", "nam": 1}}, "part.nam", "there is no such key"),
        ({"more": 1}, "more", "there is no such key"),
        ({"part": {"name": ""}}, "part.name", "it must be text that is not empty"),
        ({"part": {"name": "long"}}, "part.name", "it must be text of at most 3 characters"),
        ({"parts": [{"name": "a"}] * 3}, "parts", "it must be a list of at most 2 entries"),
        ({"parts": [{"name": True}]}, "parts[0].name", "it must be text, not true or false"),
        ({"share": 2}, "share", "it must be a number of at most 1"),
        ({"share": "much"}, "share", "it must be a number, not text"),
        ({"count": 0}, "count", "it must be a whole number of at least 1"),
        ({"code": "EN"}, "code", "it must be two letters"),
        ({"by_code": {"EN": 1}}, "by_code", "a key must be two letters"),
        ({"color": "blue"}, "color", "'blue' is not one of its values"),
        (5, "", "it must be a table, not a whole number"),
    ],
)
def test_each_kind_of_validation_error_is_explained(value, path, problem):
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(value, Whole)
    assert explain_validation_error(str(error.value), {CODE: "two letters"}) == (path, problem)
