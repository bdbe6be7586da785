"""C functions called one after another by a thread that Python does not know.

A thread of Python's that calls C has to get Python's lock back after every call. Where it shares
its core with others it may be put aside while it holds the lock, and whoever runs Python then waits
for milliseconds. What the list of calls needs, it takes from *cells* of eight bytes, and puts its
results into such cells; so a call can use what an earlier one returned, and be the call of a
function that an earlier one has found. The thread keeps off the core of the one who starts it,
where the system would often leave it.

Such a thread can also get memory for others (`MemoryAhead`). When a page is written to for the
first time, the system has to find one and to clear it. A small kernel takes LLVM four hundred,
which on virtual machines is a tenth of its time. To ask for many at once takes a quarter of that.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import struct
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlc.records import dataclass

ARGUMENTS = 10
BLOCK = 96 << 10  # of memory; what is larger may come from elsewhere than other memory does
_BLOCKS = 22
_HEAD = 64  # bytes at most that the C library keeps before a block
_PAGE = 4096
_POPULATE_WRITE = 23  # Linux's MADV_POPULATE_WRITE; before 5.14 it refuses that, and all is as ever
Cell = ctypes.c_uint64
_MASK_BYTES = 128  # of a set of cores, or of signals


@dataclass(frozen=True, eq=False)
class CCall:
    """A call of the function whose address is in the cell ``function``; the rest of the list is
    left out after one that ``must`` not return 0, and does."""

    function: Cell
    arguments: Sequence[Cell]
    result: Cell
    must: bool = True


# A record of the list: cells of the function, the result and the arguments, then ``must``.
_RECORD = struct.Struct(f"<{3 + ARGUMENTS}Q")
_NUMBER_OF = {"function": 0, "result": 8, "argument": 16, "must": 16 + 8 * ARGUMENTS}


def _x86_runner() -> bytes:
    """``void run(void *list)``: makes the calls of a list that ends with a record of zeros."""
    at = _NUMBER_OF["argument"]
    pushed = b"".join(
        b"\x48\x8b\x43" + bytes([at + 8 * n]) + b"\xff\x30"  # mov rax, [rbx+n]; push [rax]
        for n in reversed(range(6, ARGUMENTS))
    )
    loads = (b"\x48\x8b\x7b", b"\x48\x8b\x73", b"\x48\x8b\x53", b"\x48\x8b\x4b", b"\x4c\x8b\x43",
             b"\x4c\x8b\x4b")  # mov rdi/rsi/rdx/rcx/r8/r9, [rbx+n]  # fmt: skip
    follow = (b"\x48\x8b\x3f", b"\x48\x8b\x36", b"\x48\x8b\x12", b"\x48\x8b\x09", b"\x4d\x8b\x00",
              b"\x4d\x8b\x09")  # mov reg, [reg]  # fmt: skip
    passed = b"".join(
        load + bytes([at + 8 * n]) + value for n, (load, value) in enumerate(zip(loads, follow))
    )
    call = (
        pushed + passed
        + b"\x31\xc0\x41\xff\x13"  # xor eax, eax; call [r11]
        + b"\x48\x83\xc4" + bytes([8 * (ARGUMENTS - 6)])  # add rsp, what was pushed
        + b"\x48\x8b\x4b\x08\x48\x89\x01"  # mov rcx, [rbx+result]; mov [rcx], rax
        + b"\x48\x83\x7b" + bytes([_NUMBER_OF["must"]]) + b"\x00"  # cmp [rbx+must], 0
        + b"\x74\x05\x48\x85\xc0\x74\x09"  # je over the next; test rax, rax; jz end
        + b"\x48\x83\xc3" + bytes([_RECORD.size])  # add rbx, a record
    )  # fmt: skip
    first = b"\x53\x48\x89\xfb"  # push rbx; mov rbx, rdi
    begin = b"\x4c\x8b\x1b\x4d\x85\xdb"  # mov r11, [rbx]; test r11, r11
    skip = b"\x0f\x84" + struct.pack("<i", len(call) + 5)  # jz end
    back = len(begin) + len(skip) + len(call) + 5
    return first + begin + skip + call + b"\xe9" + struct.pack("<i", -back) + b"\x31\xc0\x5b\xc3"


_RUNNERS = {"x86_64": _x86_runner}


def cell(value: int | bytes | Cell | ctypes.Array[Any] = 0) -> Cell:
    """A new cell with a number, or with the address of bytes or of another cell."""
    if isinstance(value, int):
        return Cell(value)
    if isinstance(value, bytes):
        value = ctypes.create_string_buffer(value)
    made = Cell(ctypes.addressof(value))
    made.kept = value  # type: ignore[attr-defined]
    return made


def address_of(name: str) -> int:
    """The address of a function that the process has loaded."""
    return ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value or 0


def is_possible() -> bool:
    """Whether there is code for this processor that makes such calls."""
    return (
        sys.platform == "linux"
        and os.uname().machine in _RUNNERS
        and _c() is not None
        and _runner() != 0
    )


class Calls:
    """Lists of calls under way: the first begins at once, on a thread of its own; each of the
    others on one more as soon as all calls of the one before it were made.

    Keep it until `wait` has returned for the last of them.
    """

    def __init__(self, lists: Sequence[Sequence[CCall]]) -> None:
        c, run = _c(), cell(_runner())
        assert c is not None
        self._threads = [cell() for _ in lists]
        self._attributes = ctypes.create_string_buffer(64)
        c.pthread_attr_init(self._attributes)
        self._keep_apart()
        create, place = cell(address_of("pthread_create")), cell(self._attributes)
        self._memory: list[Any] = []
        following = 0
        for n in reversed(range(len(lists))):
            calls = list(lists[n])
            if following:
                to = (cell(ctypes.addressof(self._threads[n + 1])), place, run, cell(following))
                calls.append(CCall(create, to, cell(), must=False))
            following = self._laid_out(calls)
        failed = c.pthread_create(
            ctypes.byref(self._threads[0]), self._attributes, run.value, following
        )
        if failed:
            self._threads[0].value = 0

    def _laid_out(self, calls: Sequence[CCall]) -> int:
        """The address of a list in memory."""
        zero = cell()
        records = []
        for call in calls:
            given = [*call.arguments, *[zero] * (ARGUMENTS - len(call.arguments))]
            places = map(ctypes.addressof, (call.function, call.result, *given))
            records.append(_RECORD.pack(*places, call.must))
        block = ctypes.create_string_buffer(b"".join(records) + bytes(_RECORD.size))
        self._memory.append((block, calls, zero))
        return ctypes.addressof(block)

    def wait(self, number: int) -> None:
        """Until the calls of list ``number`` and of those before were made, or left out."""
        c = _c()
        assert c is not None
        for thread in self._threads[: number + 1]:
            if thread.value:
                # The waiting thread's core is free now, and others may not be.
                c.pthread_setaffinity_np(thread.value, _MASK_BYTES, self._everywhere)
                c.pthread_join(thread.value, None)
                thread.value = 0

    def _keep_apart(self) -> None:
        c = _c()
        assert c is not None
        self._everywhere = mask = (ctypes.c_uint8 * _MASK_BYTES)()
        c.sched_getaffinity(0, _MASK_BYTES, mask)
        others, core = (ctypes.c_uint8 * _MASK_BYTES)(*mask), c.sched_getcpu()
        if 0 <= core < 8 * _MASK_BYTES:
            others[core // 8] &= ~(1 << core % 8) & 0xFF
        if any(others):
            c.pthread_attr_setaffinity_np(self._attributes, _MASK_BYTES, others)


class MemoryAhead:
    """Two megabytes of the C library's memory, to be given back to it for what the thread that has
    taken them does next. ``asking`` is the call that asks the system for the pages.

    What is free at the end of its memory the C library would return to the system. So one small
    piece behind all others is kept for good; the rest is there for later kernels, too.
    """

    def __init__(self) -> None:
        c = _c()
        assert c is not None
        self._blocks: list[int] = [at for _ in range(_BLOCKS) if (at := c.malloc(BLOCK))]
        c.malloc(_HEAD)
        first, last = in_a_row(self._blocks)
        start = -(-first // _PAGE) * _PAGE
        given = cell(start), cell(max(last - start, 0)), cell(_POPULATE_WRITE)
        self.asking = CCall(cell(address_of("madvise")), given, cell(), must=False)

    def give_back(self) -> None:
        """Let the C library have the memory, once that call was made."""
        c = _c()
        assert c is not None
        while self._blocks:
            c.free(self._blocks.pop())


def in_a_row(blocks: Sequence[int]) -> tuple[int, int]:
    """Where the memory begins and ends in which the last of these blocks lie one behind another."""
    if not blocks:
        return 0, 0
    first = blocks[-1]
    for block in reversed(blocks[:-1]):
        if not BLOCK <= first - block <= BLOCK + _HEAD:
            break
        first = block
    return first, blocks[-1] + BLOCK


class _C:
    """The C library's functions that are needed here; AttributeError if one is missing."""

    def __init__(self) -> None:
        p, n = ctypes.c_void_p, ctypes.c_size_t
        for name, result, parameters in (
            ("pthread_attr_init", ctypes.c_int, (p,)),
            ("pthread_attr_setaffinity_np", ctypes.c_int, (p, n, p)),
            ("pthread_create", ctypes.c_int, (p, p, p, p)),
            ("pthread_setaffinity_np", ctypes.c_int, (n, n, p)),
            ("pthread_join", ctypes.c_int, (n, p)),
            ("sched_getaffinity", ctypes.c_int, (ctypes.c_int, n, p)),
            ("sched_getcpu", ctypes.c_int, ()),
            ("mmap", p, (p, n, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)),
            ("mprotect", ctypes.c_int, (p, n, ctypes.c_int)),
            ("malloc", p, (n,)),
            ("free", None, (p,)),
        ):
            # Python's other threads run while one waits for a thread.
            function = (ctypes.CDLL(None) if name == "pthread_join" else ctypes.pythonapi)[name]
            function.restype, function.argtypes = result, parameters
            setattr(self, name, function)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@functools.cache
def _c() -> _C | None:
    try:
        return _C()
    except AttributeError:
        return None


@functools.cache
def _runner() -> int:
    """The address of the code that makes the calls; 0 where none may be made at run time."""
    code = _RUNNERS[os.uname().machine]()
    c, flags = _c(), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    assert c is not None
    address = c.mmap(None, len(code), mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    if address is None or address == ctypes.c_void_p(-1).value:
        return 0
    ctypes.memmove(address, code, len(code))
    refused = c.mprotect(address, len(code), mmap.PROT_READ | mmap.PROT_EXEC)
    return 0 if refused else int(address)
