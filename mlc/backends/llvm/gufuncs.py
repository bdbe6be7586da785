"""Calls of the C loops of NumPy's gufuncs; `mlc.ir.gufuncs` says how they are written."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import CompileError
from ...ir.expr import Expr
from ...ir.gufuncs import direction_of
from ...ir.program import Buffer, Region
from .emitter import Emitter


def emit_gufunc_call(e: Emitter, name: str, args: Sequence[Expr | Buffer | Region]) -> None:
    """``name(addresses, sizes, steps, NULL)`` with the three tables on the stack."""
    buffers = [arg for arg in args if isinstance(arg, Buffer)]
    numbers = [e.value(arg) for arg in args if isinstance(arg, Expr)]
    if len(buffers) + len(numbers) != len(args) or any(n.lanes for n in numbers):
        raise CompileError(f"the call of {name} needs whole buffers and integers")
    count = int(numbers[0].text)
    addresses = _table(e, [f"ptr {e.pointers[b]}" for b in buffers])
    sizes = _table(e, [str(n) for n in numbers[1 : 1 + count]])
    steps = _table(e, [str(n) for n in numbers[1 + count :]])
    e.declare(f"declare void @{name}(ptr, ptr, ptr, ptr)")
    data, direction = "null", direction_of(name)
    if direction is not None:
        data = e.alloca("i8", 1)
        e.line(f"store i8 {int(direction)}, ptr {data}")
    e.line(f"call void @{name}(ptr {addresses}, ptr {sizes}, ptr {steps}, ptr {data})")
    for buffer in buffers:
        e.stored(buffer)


def _table(e: Emitter, items: Sequence[str]) -> str:
    """Eight bytes for each item, one after the other."""
    table = e.alloca(f"[{max(len(items), 1)} x i64]", 8)
    for i, item in enumerate(items):
        place = e.raw(f"getelementptr i64, ptr {table}, i64 {i}")
        e.line(f"store {item}, ptr {place}")
    return table
