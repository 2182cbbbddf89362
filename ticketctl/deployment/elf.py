"""Shared libraries without what only debuggers and linkers read: half of a package would be that.

https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html describes the headers.
"""

import struct

_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_FILE_HEADER = struct.Struct("<32xQ14x2H6x")
"""Where the program headers begin, the length of one, and their number."""
_SEGMENT = struct.Struct("<8xQ16xQ16x")
"""A program header: the offset and the length of the segment in the file."""
_SECTION_TABLE_OFFSET, _SECTION_TABLE_COUNTS = 40, 60


def strip_debug_data(content: bytes) -> bytes:
    """Return a shared library up to the end of its last segment; any other content as it is.

    The dynamic loader reads segments only. Behind them stand the sections of debuggers and linkers, and their table,
    which the shortened file no longer has.
    """
    if not content.startswith(_ELF64_LITTLE_ENDIAN):
        return content
    try:
        first, size, count = _FILE_HEADER.unpack_from(content)
        end = max(sum(_SEGMENT.unpack_from(content, first + number * size)) for number in range(count))
    except (struct.error, ValueError):  # cut off, or without a segment
        return content
    if not first + size * count <= end <= len(content):
        return content
    stripped = bytearray(content[:end])
    struct.pack_into("<Q", stripped, _SECTION_TABLE_OFFSET, 0)
    struct.pack_into("<2H", stripped, _SECTION_TABLE_COUNTS, 0, 0)
    return bytes(stripped)
