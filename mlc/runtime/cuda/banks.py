"""How often emulated kernels ask the banks of shared memory, place by place in their text."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlc.errors import UnsupportedError

MOST_SITES = 4096
_LINE = 1 << 63  # a key that is a line already
FLAGS = ("-fno-tree-sra", "-g1")  # what is accessed at once stays so, and has a line


@dataclass(frozen=True)
class SharedAccess:
    """One place in the text of a kernel where warps access shared memory, ``bytes`` a thread.

    ``accesses`` are those of whole warps. They take ``turns`` of the memory, and would take
    ``least`` if no two threads that are served at once asked a bank for different words.
    """

    kernel: str
    line: int
    text: str
    bytes: int
    is_write: bool
    accesses: int
    turns: int
    least: int

    @property
    def conflicts(self) -> float:
        """Turns beyond the least, for each access of a warp."""
        return (self.turns - self.least) / max(self.accesses, 1)

    def __str__(self) -> str:
        verb = "writes" if self.is_write else "reads"
        return (
            f"{self.kernel}:{self.line}: {self.accesses} warps {verb} {self.bytes} bytes a thread "
            f"in {self.turns} turns, {self.least} at least: {self.text}"
        )


class Site(ctypes.Structure):
    """``MlcSite`` of emulator.h."""

    _fields_ = (
        ("key", ctypes.c_uint64),
        ("accesses", ctypes.c_uint64),
        ("turns", ctypes.c_uint64),
        ("least", ctypes.c_uint64),
        ("bytes", ctypes.c_uint16),
        ("is_write", ctypes.c_uint16),
    )


class Counter:
    """What was counted so far; :func:`counting` makes one."""

    def __init__(self) -> None:
        self.accesses: list[SharedAccess] = []

    def __str__(self) -> str:
        return "\n".join(map(str, self.accesses))

    def add(self, kernel: str, source: str, sites: Sequence[Site], image: bytes) -> None:
        """What one launch did, whose module was compiled to ``image`` from ``source``."""
        lines = _lines([s.key for s in sites if not s.key & _LINE], image)
        text = source.splitlines()
        for site in sites:
            line = site.key ^ _LINE if site.key & _LINE else lines[site.key]
            shown = text[line - 1].strip() if 0 < line <= len(text) else ""
            self.accesses.append(
                SharedAccess(
                    kernel, line, shown, site.bytes, bool(site.is_write),
                    site.accesses, site.turns, site.least,
                )
            )  # fmt: skip


_active: list[Counter] = []


@contextmanager
def counting() -> Iterator[Counter]:
    """Within it every emulated launch is counted. Needs ``addr2line``, which comes with g++."""
    _addr2line()
    _active.append(Counter())
    try:
        yield _active[-1]
    finally:
        _active.pop()


def counter() -> Counter | None:
    """The innermost counter, if there is one."""
    return _active[-1] if _active else None


def _addr2line() -> str:
    found = shutil.which("addr2line")
    if found is None:
        raise UnsupportedError(
            "counting accesses needs addr2line, which was not found; install it with "
            "'apt install binutils'"
        )
    return found


def _lines(addresses: Sequence[int], image: bytes) -> dict[int, int]:
    """The line of the kernel's text of each address in a library."""
    if not addresses:
        return {}
    with tempfile.TemporaryDirectory(prefix="mlc-") as folder:
        library = Path(folder) / "kernels.so"
        library.write_bytes(image)
        command = [_addr2line(), "-a", "-i", "-e", str(library)]
        # an address is that of the instruction after the call
        command += [hex(address - 1) for address in addresses]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[int, int] = {}
    for part in re.split(r"^0x", said, flags=re.MULTILINE)[1:]:
        head, *places = part.splitlines()
        numbers = [re.search(r"(?:\.cu|kernels\.cpp):(\d+)", place) for place in places]
        found[int(head, 16) + 1] = next((int(n[1]) for n in numbers if n), 0)
    return {address: found.get(address, 0) for address in addresses}
