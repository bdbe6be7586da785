"""Conditions that the processor asks, loops that data end, and calls for their effects."""

from __future__ import annotations

from ...dtypes import boolean
from ...errors import CompileError
from ...ir.expr import Expr, apply, const
from ...ir.program import (
    Buffer,
    For,
    If,
    Region,
    While,
)
from .builder import Chunk
from .emitter import Emitter
from .registers import (
    merge_slots,
    open_files,
    open_phis,
)
from .statements import emit_loop, emit_stmt
from .types import Value


def bounded_loop(e: Emitter, loop: For, stop: Expr) -> None:
    """The iterations before ``stop``, and no test in them."""
    end = e.value(apply("minimum", stop, const(loop.extent, stop.dtype)))
    if end.const is not None:
        e.ends[id(loop)] = loop, str(end.const)
        if end.const > 0:
            emit_loop(e, loop, "0", str(end.const))
        return
    inner = If(apply("lt", const(0, stop.dtype), stop), loop)
    test = e.value(inner.condition)
    e.ends[id(loop)] = inner, end.text  # both stay: facts know statements by their ids
    branch(e, inner, test)


def emit_while(e: Emitter, loop: While) -> None:
    """The test comes first; what it reads, the body may write."""
    name = e.name("w")
    written = e.facts.written(loop.body)
    e.enter(written, conditional=True)
    e.line(f"br label %{name}p")
    e.label(f"{name}p")
    e.line(f"br label %{name}")
    e.label(name)
    phis = open_phis(e, written)
    heads = [phi.file.slots[phi.slot] for phi in phis]
    test = e.value(loop.condition)
    e.line(f"br i1 {test.text}, label %{name}b, label %{name}x")
    e.label(f"{name}b")
    before: Chunk = []
    e.out.append(before)
    e.enter(written, conditional=True, before=before)
    emit_stmt(e, loop.body)
    e.leave()
    e.leave()
    e.line(f"br label %{name}e")
    e.label(f"{name}e")
    for phi in phis:
        phi.close(f"{name}p", f"{name}e")
    e.line(f"br label %{name}")
    e.label(f"{name}x")
    for phi, head in zip(phis, heads, strict=True):
        phi.file.slots[phi.slot] = head


def branch(e: Emitter, stmt: If, test: Value) -> None:
    """One side of a condition that no lane decides; registers are merged behind both."""
    name = e.name("c")
    files = open_files(e, e.facts.written(stmt))
    start = [dict(file.slots) for file in files]
    before: Chunk = []
    e.out.append(before)
    e.line(f"br i1 {test.text}, label %{name}t, label %{name}f")
    ends = []
    for suffix, side in (("t", stmt.then), ("f", stmt.otherwise)):
        e.label(name + suffix)
        for file, slots in zip(files, start, strict=True):
            file.slots = dict(slots)
        if side is not None:
            e.enter(e.facts.written(side), conditional=True, before=before)
            emit_stmt(e, side)
            e.leave()
        e.line(f"br label %{name}{suffix}e")
        e.label(f"{name}{suffix}e")
        e.line(f"br label %{name}x")
        ends.append((f"{name}{suffix}e", [file.slots for file in files]))
    e.label(f"{name}x")
    merge_slots(e, files, ends)
    for buffer in e.facts.written(stmt):  # one side may have read, before it, what the other writes
        e.stored(buffer)


def evaluate(e: Emitter, name: str, args: tuple[Expr | Buffer | Region, ...]) -> None:
    """A call for its effect, of a function that returns nothing."""
    operands = []
    for arg in args:
        if isinstance(arg, Region):
            raise CompileError(
                f"the call of {name} is given a region: no intrinsic has this name; declare one "
                "with @mlc.intrinsic, or hand over whole buffers, which go by their address"
            )
        if isinstance(arg, Buffer):
            operands.append(("ptr", e.pointers[arg]))
        else:
            value = e.value(arg)
            if value.lanes:
                raise CompileError(f"the call of {name} stands in a vectorized loop; unroll it")
            if value.dtype is boolean:
                value = e.op(f"zext {value} to i8", boolean)
                operands.append(("i8", value.text))
            else:
                operands.append((value.type, value.text))
    e.declare(f"declare void @{name}({', '.join(kind for kind, _ in operands)})")
    e.line(f"call void @{name}({', '.join(f'{k} {t}' for k, t in operands)})")
    for arg in args:
        if isinstance(arg, Buffer):
            e.stored(arg)
