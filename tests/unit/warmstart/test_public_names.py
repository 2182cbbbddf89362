"""The public names of the laboratory: importing the package is free, and every name resolves."""

import subprocess
import sys
from typing import Literal, get_origin

import pytest

from ticketctl import warmstart


@pytest.mark.parametrize("name", warmstart.__all__)
def test_every_public_name_resolves(name):
    value = getattr(warmstart, name)
    assert get_origin(value) is Literal or value.__name__ == name
    assert name in dir(warmstart)


def test_a_misspelt_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Reprot'"):
        _ = warmstart.Reprot


def test_importing_the_package_imports_nothing_else():
    program = (
        "import typing, sys; before = set(sys.modules); import ticketctl.warmstart; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ticketctl', 'ticketctl.warmstart']"
