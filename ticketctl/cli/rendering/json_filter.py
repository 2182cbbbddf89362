"""`--jq`: the JSON form of a result through a jq program."""

import sys
from typing import Any

import msgspec

from ticketctl.cli.rendering.escaping import escape_controls, escape_json_controls
from ticketctl.errors import ConfigError, InvalidInputError


def print_filtered(value: Any, program: str) -> None:
    """Print what a jq program makes of a value: texts as they are, everything else as JSON, one result per line.

    Raises:
        ConfigError: The extra `jq` is not installed.
        InvalidInputError: The program is wrong, or fails on this value.
    """
    try:
        import jq  # type: ignore[import-not-found, unused-ignore] # an extra without types
    except ImportError:
        raise ConfigError("--jq needs the package jq", hint="pip install 'ticketctl[jq]'") from None
    text = msgspec.json.encode(value).decode()
    try:
        results = iter(jq.compile(program).input_text(text))
        for result in results:
            if isinstance(result, str):
                # tabs stay: @tsv separates cells by them
                cells = [escape_controls(cell, multiline=True) for cell in result.split("\t")]
                sys.stdout.write("\t".join(cells) + "\n")
            else:
                sys.stdout.write(escape_json_controls(msgspec.json.encode(result).decode()) + "\n")
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(f"--jq failed: {reason}", hint="for example: --jq '.tickets[].id'") from None
