"""The target of a package: Lambda's Python version and processor."""

import sys
from dataclasses import dataclass
from enum import StrEnum

from ticketctl.errors import ConfigError

_GLIBC = {"3.11": 26, "3.12": 34, "3.13": 34, "3.14": 34}
"""Lambda's Python versions, and the minor version of glibc (2.n) in the Amazon Linux of each:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html."""
_OLDEST_GLIBC = 17
"""manylinux2014, the oldest platform that wheels are still built for."""

PACKAGES = "build"
"""The folder of the packages, beside the template that names them."""


class Architecture(StrEnum):
    """Lambda's processors, by Lambda's names."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


_MACHINES = {Architecture.X86_64: "x86_64", Architecture.ARM64: "aarch64"}


@dataclass(frozen=True, slots=True)
class Target:
    """A Python version such as "3.13", on a processor."""

    python: str
    architecture: Architecture

    @property
    def runtime(self) -> str:
        """Lambda's name for the Python version."""
        return f"python{self.python}"

    @property
    def platforms(self) -> list[str]:
        """The wheel platforms that run there, newest first, as pip names them."""
        machine = _MACHINES[self.architecture]
        versions = range(_GLIBC[self.python], _OLDEST_GLIBC - 1, -1)
        return [*(f"manylinux_2_{minor}_{machine}" for minor in versions), f"manylinux2014_{machine}"]

    def file_name(self, part: str) -> str:
        """Return the file name of a package. It names the target, so that a template never uses another target's package."""
        return f"{part}-{self.runtime}-{self.architecture}.zip"


def target_of_this_python(architecture: Architecture) -> Target:
    """Return the target for the Python version that runs ticketctl: the version that was tested is deployed.

    Raises:
        ConfigError: Lambda does not have this Python version.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version not in _GLIBC:
        raise ConfigError(
            f"Lambda has no Python {version}", hint=f"run ticketctl with one of {', '.join(_GLIBC)}"
        )
    return Target(version, architecture)
