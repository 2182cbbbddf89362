"""What the functions run on."""

import sys
from types import SimpleNamespace

import pytest

from ticketctl.deployment.target import Architecture, Target, target_of_this_python
from ticketctl.errors import ConfigError


def test_wheels_are_for_the_amazon_linux_under_that_python() -> None:
    newer = Target("3.13", Architecture.ARM64).platforms
    assert newer[0] == "manylinux_2_34_aarch64"
    assert {"manylinux_2_28_aarch64", "manylinux2014_aarch64"} <= set(newer)
    older = Target("3.11", Architecture.X86_64).platforms
    assert older[0] == "manylinux_2_26_x86_64"
    assert "manylinux_2_28_x86_64" not in older


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_it_is_the_python_that_runs_this(monkeypatch: pytest.MonkeyPatch, minor: int) -> None:
    monkeypatch.setattr(sys, "version_info", SimpleNamespace(major=3, minor=minor))
    assert target_of_this_python(Architecture.X86_64).runtime == f"python3.{minor}"


def test_a_python_that_lambda_does_not_have_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", SimpleNamespace(major=3, minor=99))
    with pytest.raises(ConfigError, match=r"no Python 3\.99") as refused:
        target_of_this_python(Architecture.X86_64)
    assert "3.14" in (refused.value.hint or "")
