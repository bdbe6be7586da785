"""The native loop that runs a kernel part by part.

::

    int32 mlc_rows(kernel, void **buffers, void *workspace, int64 *steps, int64 n,
                   int64 (*swaps)[2], int64 n_swaps, int64 *start, int64 rows, int64 count)

calls ``kernel(buffers, workspace)`` ``count`` times. After each call ``buffers[i]`` moves on by
``steps[i]`` bytes, the pairs in ``swaps`` change places, and ``*start`` grows by ``rows``. It ends
with the first error.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

_IR = """
define i32 @mlc_rows(ptr %kernel, ptr %buffers, ptr %workspace, ptr %steps, i64 %n, ptr %swaps,
                     i64 %n_swaps, ptr %start, i64 %rows, i64 %count) {
entry:
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %k1, %next ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %run, label %done
run:
  %code = call i32 %kernel(ptr %buffers, ptr %workspace)
  %bad = icmp ne i32 %code, 0
  br i1 %bad, label %fail, label %step
step:
  %i = phi i64 [ 0, %run ], [ %i1, %move ]
  %left = icmp slt i64 %i, %n
  br i1 %left, label %move, label %swap
move:
  %place = getelementptr ptr, ptr %buffers, i64 %i
  %by = getelementptr i64, ptr %steps, i64 %i
  %old = load ptr, ptr %place
  %bytes = load i64, ptr %by
  %new = getelementptr i8, ptr %old, i64 %bytes
  store ptr %new, ptr %place
  %i1 = add i64 %i, 1
  br label %step
swap:
  %j = phi i64 [ 0, %step ], [ %j1, %turn ]
  %others = icmp slt i64 %j, %n_swaps
  br i1 %others, label %turn, label %next
turn:
  %j2 = mul i64 %j, 2
  %at = getelementptr i64, ptr %swaps, i64 %j2
  %a = load i64, ptr %at
  %at1 = getelementptr i64, ptr %at, i64 1
  %b = load i64, ptr %at1
  %pa = getelementptr ptr, ptr %buffers, i64 %a
  %pb = getelementptr ptr, ptr %buffers, i64 %b
  %va = load ptr, ptr %pa
  %vb = load ptr, ptr %pb
  store ptr %vb, ptr %pa
  store ptr %va, ptr %pb
  %j1 = add i64 %j, 1
  br label %swap
next:
  %was = load i64, ptr %start
  %is = add i64 %was, %rows
  store i64 %is, ptr %start
  %k1 = add i64 %k, 1
  br label %head
fail:
  ret i32 %code
done:
  ret i32 0
}
"""


@cache
def rows_driver() -> Any:
    """The loop as a ctypes function; it runs with the GIL released."""
    from ..backends.llvm.target import host_target
    from ..runtime import cache as disk
    from ..runtime import image
    from ..runtime.symbols import resolver

    target = host_target()
    key = disk.content_key("rows", _IR, target.key())
    found = disk.get(key)
    data = found.image if found else image.compile_image(_IR, target, optimize=None)
    if found is None:
        disk.put(key, data, {"name": "loop over rows"})
    loaded = image.load_image(data, resolver(None))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int32, pointer, pointer, pointer, pointer, number, pointer, number, pointer,
        number, number,
    )  # fmt: skip
    made = kind(loaded.address("mlc_rows"))
    _kept.append(loaded)
    return made


_kept: list[Any] = []
