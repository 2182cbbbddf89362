"""What is left out of shared libraries, and that they still load."""

import ctypes
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from ticketctl.deployment.elf import strip_debug_data


@pytest.mark.parametrize("name", ["asyncpg.protocol.protocol", "greenlet._greenlet"])
def test_a_library_without_debug_data_still_loads(tmp_path: Path, name: str) -> None:
    spec = find_spec(name)
    assert spec is not None
    content = Path(str(spec.origin)).read_bytes()
    if not content.startswith(b"\x7fELF\x02\x01"):
        pytest.skip("the libraries of this machine are no ELF files of 64 bits")
    stripped = strip_debug_data(content)
    assert len(stripped) < len(content) / 2
    assert strip_debug_data(stripped) == stripped
    (tmp_path / "library.so").write_bytes(stripped)
    ctypes.PyDLL(str(tmp_path / "library.so"))


@pytest.mark.parametrize("content", [b"", b"print('no library')", b"\x7fELF\x01\x01" + bytes(100)])
def test_other_files_stay_as_they_are(content: bytes) -> None:
    assert strip_debug_data(content) is content


@pytest.mark.parametrize("length", [10, 64, 500])
def test_a_library_that_is_cut_off_stays_as_it_is(length: int) -> None:
    cut = Path(str(shutil.which("true"))).read_bytes()[:length]
    assert strip_debug_data(cut) == cut
