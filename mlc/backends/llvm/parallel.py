"""Parallel loops: the body becomes a function of its own that the thread pool calls.

What the body uses from outside travels in a record on the caller's stack: addresses of buffers and
the values of outer loop variables, eight bytes each. Memory that each iteration has a part of is
used as if only each thread had one: the fewer parts, the more of them stay in its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...dtypes import int64
from ...ir.expr import Apply, Const, Var
from ...ir.program import For, If, walk
from ...lower.place_buffers import PARTS
from ...records import replace
from .builder import Chunk
from .emitter import Emitter, function_text
from .types import Value

EmitLoop = Callable[[Emitter, For, str, str], None]


def emit_parallel(e: Emitter, loop: For, emit_loop: EmitLoop) -> None:
    """Outline ``loop`` and have the pool run it."""
    body = Emitter(
        e.facts, e.target, e.declarations, e.functions, f"{e.symbol}_par{len(e.functions)}",
        e.emit, e.sites,
    )  # fmt: skip
    body.parallel, body.passing = loop, e.passing
    body.failure = "ret void"
    body.fixed = dict(e.fixed)
    shared_out = dict(loop.annotations).get(PARTS, ())
    if shared_out:
        slot = Var("slot")
        body.bind(slot, Value("%slot", int64))
        body.parts = {
            b: (loop.var, b.element_strides[0], slot)
            for b in e.facts.uses(loop)[0]
            if b.name in shared_out
        }
    if e.hand_on is not None:
        from .beside import beside

        body.beside = beside(loop, e.hand_on)
    record = passed_on(e, body, loop)
    body.line("%empty = icmp uge i64 %begin, %end")
    body.line("br i1 %empty, label %done, label %some")
    body.label("some")
    _emit_parts(body, loop, emit_loop)
    if body.passed:
        from .passing import wait_for_stores

        wait_for_stores(body)
    if body.beside is not None:
        body.beside.done()
    body.line("br label %done")
    body.label("done")
    body.line("ret void")
    e.functions.append("")  # takes the number before the body's own functions do
    head = f"define internal void @{body.symbol}(ptr noalias %ctx, i64 %begin, i64 %end, i64 %slot)"
    e.functions[-1] = function_text(body, head)
    context = put_into_record(e, record)
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


def passed_on(e: Emitter, body: Emitter, loop: For) -> list[str]:
    """What ``body``, the text of ``loop`` as a function of its own, finds in its record. It knows
    buffers and variables by that."""
    record: list[str] = []
    buffers, variables = e.facts.uses(loop)
    for buffer in buffers:
        if buffer not in e.pointers:  # its own
            continue
        record.append(f"ptr {e.pointers[buffer]}")
        body.pointers[buffer] = _field(body, len(record) - 1, "ptr")
    own = {
        stmt.var for stmt in walk(loop) if isinstance(stmt, For)
    }  # may be known from loops before
    # Places in memory that each thread has a part of speak of these.
    places = (v for var, _, slot in e.parts.values() for v in (var, slot))
    for var in dict.fromkeys((*variables, *places)):
        if var not in e.bound or var in own:
            continue
        value = e.bound[var]
        record.append(f"{value}")
        body.bind(var, Value(_field(body, len(record) - 1, value.type), value.dtype))
    body.parts = body.parts or e.parts
    return record


def put_into_record(e: Emitter, record: list[str]) -> str:
    """The address of a record on the stack, filled here."""
    context = e.alloca(f"[{max(len(record), 1)} x i64]", 8)
    for i, item in enumerate(record):
        place = e.raw(f"getelementptr i64, ptr {context}, i64 {i}")
        e.line(f"store {item}, ptr {place}")
    return context


def _emit_parts(e: Emitter, loop: For, emit_loop: EmitLoop) -> None:
    """``for i: if i < n: s else: t`` as two loops: what only s or t needs is computed there."""
    parts = list(_parts(loop))
    if len(parts) == 1:
        emit_loop(e, loop, "%begin", "%end")
        return
    start = 0
    for stop, part in parts:
        first = _bound(e, "umax", "%begin", start) if start else "%begin"
        last = _bound(e, "umin", "%end", stop) if stop < loop.extent else "%end"
        name = e.name("p")
        has_any = e.raw(f"icmp ult i64 {first}, {last}")
        before: Chunk = []
        e.out.append(before)
        e.line(f"br i1 {has_any}, label %{name}, label %{name}x")
        e.label(name)
        e.enter(e.facts.written(part.body), conditional=True, before=before)
        emit_loop(e, part, first, last)
        e.leave()
        e.line(f"br label %{name}x")
        e.label(f"{name}x")
        for buffer in e.facts.written(part.body):
            e.stored(buffer)
        start = stop


def _parts(loop: For) -> Iterator[tuple[int, For]]:
    """(where it ends, its loop) for each part of the iterations that a test tells apart."""
    body = loop.body
    while isinstance(body, If) and body.otherwise is not None:
        match body.condition:
            case Apply(fn="lt", args=(var, Const(value=stop))) if var is loop.var:
                yield stop, replace(loop, body=body.then)
                body = body.otherwise
            case _:
                break
    yield loop.extent, replace(loop, body=body)


def _bound(e: Emitter, name: str, value: str, number: int) -> str:
    e.declare(f"declare i64 @llvm.{name}.i64(i64, i64)")
    return e.raw(f"call i64 @llvm.{name}.i64(i64 {value}, i64 {number})")


def _field(body: Emitter, position: int, kind: str) -> str:
    place = body.raw(f"getelementptr i64, ptr %ctx, i64 {position}")
    return body.raw(f"load {kind}, ptr {place}")
