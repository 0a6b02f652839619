"""Changes to an ELF file's dynamic section: names of libraries, its own name, where it looks for them.

repairwheel's writer does it, for any CPU on any host, at one pinned version: what it writes are bytes of the wheel.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: What is written anew is padded to its alignment; linkers have aligned by up to 2 MiB.
_MOST_ALIGNED = 16 << 20
_DT_NULL, _DT_RPATH, _DT_RUNPATH, _DT_VERNEEDNUM = 0, 15, 29, 0x6FFFFFFF


def patched(
    content: bytes,
    name: str,
    *,
    soname: str | None = None,
    rpath: str | None = None,
    replace: Mapping[str, str] | None = None,
    remove: Collection[str] = (),
) -> bytes:
    """Return the file with another soname, search path (empty: none) or libraries needed.

    The search path that it had is no longer in it, nor told by its bytes. `name` is for the message of the
    `BuildError` (E-BUILD-UNFIT) for a file that cannot be changed, such as one without sections.
    """
    if soname is None and rpath == "" and not replace and not remove:
        return _without_rpath(content, name)
    if rpath is not None:
        content = _without_rpath(content, name)
    file = io.BytesIO(content)
    try:
        elf = _elf(file)
        _check_alignments(elf)
        _check_needs(elf, content)
        elf.rewrite(
            new_soname=None if soname is None else soname.encode(),
            new_rpath=None if rpath is None else rpath.encode(),
            needed_replacements={old.encode(): new.encode() for old, new in (replace or {}).items()},
            needed_removals={one.encode() for one in remove},
        )
    except (ValueError, AssertionError, KeyError, IndexError, struct.error) as error:
        raise _unpatchable(name, error) from error
    return file.getvalue()


def _elf(file: io.BytesIO) -> Any:
    from repairwheel.linux.elffile import ElfFile

    return ElfFile(file)


def _check_alignments(elf: Any) -> None:
    aligned = [*(one.p_align for one in elf.phdrs), *(one.sh_addralign for one in elf.shdrs)]
    if max(aligned, default=0) > _MOST_ALIGNED:
        raise ValueError(f"a part of it is aligned by {max(aligned)} bytes")


def _check_needs(elf: Any, content: bytes) -> None:
    """Refuse a list of versions that leads back into itself, which its writer would follow as often as it is told to."""
    section = elf.find_shdr(b".gnu.version_r")
    if section is None:
        return
    order = "<" if content[5] == 1 else ">"
    # Elf_Verneed, the same in both classes: version, number of versions, library, first version, next library.
    layout = struct.Struct(f"{order}HHIII")
    at, left = section.sh_offset, len(content) // layout.size
    for _ in range(max((one.d_ptr_or_val for one in elf.dyn if one.d_tag == _DT_VERNEEDNUM), default=0)):
        _version, count, _file, _first, following = layout.unpack_from(content, at)
        at += following
        left -= 1 + count
        if left < 0:
            raise ValueError("its list of versions has no end")


def _unpatchable(name: str, error: Exception) -> BuildError:
    return BuildError(
        f"the libraries that `{name}` needs cannot be written into it: {error}",
        code="E-BUILD-UNFIT",
        places=[name],
        hint="a file stripped of its section headers cannot be changed: build it without that",
    )


def _without_rpath(content: bytes, name: str) -> bytes:
    """Take the search path out in place: its entries in the dynamic section, and what it said."""
    try:
        elf = _elf(io.BytesIO(content))
        entries = [one for one in elf.dyn if one.d_tag not in {_DT_RPATH, _DT_RUNPATH}]
        gone = [one for one in elf.dyn if one.d_tag in {_DT_RPATH, _DT_RUNPATH}]
        if not gone:
            return content
        section = elf.get_shdr(b".dynamic").sh_offset
        strings = elf.get_shdr(b".dynstr").sh_offset
    except (ValueError, AssertionError, IndexError) as error:
        raise _unpatchable(name, error) from error
    out = io.BytesIO(content)
    out.seek(section)
    for entry in entries:
        entry.to_fileobj(out)
    size = (out.tell() - section) // len(entries)
    # What the table had behind its end may be anything: the loader stops at the first DT_NULL.
    out.write(bytes(size * len(gone)))
    changed = bytearray(out.getvalue())
    for entry in gone:
        _blank(changed, strings + entry.d_ptr_or_val)
    return bytes(changed)


def _blank(content: bytearray, start: int) -> None:
    """Overwrite a path up to its last slash: what follows may be the end that another name shares with it."""
    end = content.index(0, start)
    slash = content.rfind(b"/", start, end)
    if slash >= 0:
        content[start : slash + 1] = b"X" * (slash + 1 - start)
