"""Parallel loops: the body becomes a function of its own that the thread pool calls.

What the body uses from outside travels in a record on the caller's stack: addresses of buffers and
the values of outer loop variables, eight bytes each.
"""

from __future__ import annotations

from collections.abc import Callable

from ...ir.program import For
from .builder import flatten, join_blocks
from .emitter import Emitter
from .types import Value

EmitLoop = Callable[[Emitter, For, str, str], None]


def emit_parallel(e: Emitter, loop: For, emit_loop: EmitLoop) -> None:
    """Outline ``loop`` and have the pool run it."""
    body = Emitter(
        e.facts, e.target, e.declarations, e.functions, f"{e.symbol}_par{len(e.functions)}",
        e.emit, e.sites,
    )  # fmt: skip
    body.in_parallel = True
    body.failure = "ret void"
    body.fixed = dict(e.fixed)
    record: list[str] = []
    buffers, variables = e.facts.uses(loop)
    for buffer in buffers:
        if buffer not in e.pointers:  # its own
            continue
        record.append(f"ptr {e.pointers[buffer]}")
        body.pointers[buffer] = _field(body, len(record) - 1, "ptr")
    for var in variables:
        if var not in e.bound:
            continue
        value = e.bound[var]
        record.append(f"{value}")
        body.bind(var, Value(_field(body, len(record) - 1, value.type), value.dtype))
    body.line("%empty = icmp uge i64 %begin, %end")
    body.line("br i1 %empty, label %done, label %some")
    body.label("some")
    emit_loop(body, loop, "%begin", "%end")
    body.line("br label %done")
    body.label("done")
    body.line("ret void")
    e.functions.append("")  # takes the number before the body's own functions do
    e.functions[-1] = function_text(
        body, f"define internal void @{body.symbol}(ptr noalias %ctx, i64 %begin, i64 %end)"
    )
    context = e.alloca(f"[{max(len(record), 1)} x i64]", 8)
    for i, item in enumerate(record):
        place = e.raw(f"getelementptr i64, ptr {context}, i64 {i}")
        e.line(f"store {item}, ptr {place}")
    grain = max(int(dict(loop.annotations).get("grain", 1)), 1)
    e.declare("declare void @mlc_parallel_for(ptr, ptr, i64, i64)")
    e.line(
        f"call void @mlc_parallel_for(ptr @{body.symbol}, ptr {context}, i64 {loop.extent}, "
        f"i64 {grain})"
    )
    if e.sites is not None:
        name = e.name("k")
        code = e.raw("load i64, ptr @mlc_error_record")
        bad = e.raw(f"icmp ne i64 {code}, 0")
        e.line(f"br i1 {bad}, label %{name}bad, label %{name}")
        e.label(f"{name}bad")
        e.line(e.failure)
        e.label(name)
    for buffer in e.facts.written(loop):
        e.stored(buffer)


def function_text(e: Emitter, head: str) -> str:
    """The whole function, its stack memory first."""
    lines = ["entry:", *e.allocas]
    flatten(e.root, lines)
    return "\n".join([f"{head} #0 {{", *join_blocks(lines), "}"])


def _field(body: Emitter, position: int, kind: str) -> str:
    place = body.raw(f"getelementptr i64, ptr %ctx, i64 {position}")
    return body.raw(f"load {kind}, ptr {place}")
