"""What the functions run on: Lambda's Python, and the processor."""

import sys
from dataclasses import dataclass
from enum import StrEnum

from ticketctl.errors import ConfigError

_GLIBC = {"3.11": 26, "3.12": 34, "3.13": 34, "3.14": 34}
"""Lambda's versions of Python, and the minor version of the C library (2.n) of the Amazon Linux under each:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html."""
_OLDEST_GLIBC = 17
"""manylinux2014, the oldest that wheels are still built for."""

PACKAGES = "build"
"""The folder that packages are built in, beside the template that names them."""


class Architecture(StrEnum):
    """Lambda's processors, by its own names."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


_MACHINES = {Architecture.X86_64: "x86_64", Architecture.ARM64: "aarch64"}


@dataclass(frozen=True, slots=True)
class Target:
    """A version of Python, "3.13", on a processor."""

    python: str
    architecture: Architecture

    @property
    def runtime(self) -> str:
        """Lambda's name for the Python."""
        return f"python{self.python}"

    @property
    def platforms(self) -> list[str]:
        """The platforms whose wheels run there, the newest first, as pip names them."""
        machine = _MACHINES[self.architecture]
        versions = range(_GLIBC[self.python], _OLDEST_GLIBC - 1, -1)
        return [*(f"manylinux_2_{minor}_{machine}" for minor in versions), f"manylinux2014_{machine}"]

    def file_name(self, part: str) -> str:
        """The name of a part's package: a template finds the one that was built for it, or none."""
        return f"{part}-{self.runtime}-{self.architecture}.zip"


def this_python(architecture: Architecture) -> Target:
    """The version of Python that runs this: what was tried is what is deployed. Raises ConfigError."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version not in _GLIBC:
        raise ConfigError(
            f"Lambda has no Python {version}", hint=f"run ticketctl with one of {', '.join(_GLIBC)}"
        )
    return Target(version, architecture)
