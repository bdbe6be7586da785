"""Statements to code: loops, conditions, stores, accumulation."""

from __future__ import annotations

from dataclasses import replace

from ...dtypes import boolean, int64
from ...errors import CompileError
from ...ir.call_names import is_gufunc, is_intrinsic
from ...ir.expr import Apply, Expr, apply, const
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Region,
    Seq,
    Stmt,
    Store,
    While,
)
from .addressing import Address, address_of, at_lane, read, stack_pointer, write
from .builder import Chunk
from .debug import check_bounds
from .emitter import Emitter
from .expressions import both, contract, invert
from .registers import (
    merge_slots,
    open_files,
    open_phis,
    read_register,
    register_file,
    write_register,
)
from .types import Value

# A loop that carries this many vectors leaves no register for loads that LLVM moves upwards.
_CROWDED = 16
# It waits for nothing but instructions, which are fetched in lines.
_ALIGNED = '!0 = distinct !{!0, !{!"llvm.loop.align", i32 64}}'


def emit_stmt(e: Emitter, stmt: Stmt) -> None:
    """Write ``stmt`` at the current place."""
    match stmt:
        case Seq(stmts=stmts):
            for part in stmts:
                emit_stmt(e, part)
        case For():
            _for(e, stmt)
        case While():
            _while(e, stmt)
        case If():
            _if(e, stmt)
        case Store():
            _store(e, stmt)
        case Accumulate():
            _accumulate(e, stmt)
        case Allocate(buffers=buffers, body=body):
            unseen: frozenset[Buffer] = frozenset()
            if e.lane is None:
                from .unseen_lanes import unseen_lanes  # most kernels allocate nothing

                unseen = unseen_lanes(stmt)
            for buffer in buffers:
                file = register_file(e.facts, buffer)
                if file is None:
                    e.pointers[buffer] = stack_pointer(e, buffer)
                else:
                    file.is_unseen = buffer in unseen
                    e.registers[buffer] = file
            emit_stmt(e, body)
            for buffer in buffers:
                e.registers.pop(buffer, None)
        case Evaluate(name=name) if is_intrinsic(name):
            from .intrinsics import emit_intrinsic_call

            emit_intrinsic_call(e, stmt)
        case Evaluate(name=name, args=args) if is_gufunc(name):
            from .gufuncs import emit_gufunc_call

            emit_gufunc_call(e, name, args)
        case Evaluate(name=name, args=args):
            _evaluate(e, name, args)
        case _:
            raise CompileError(f"LLVM code cannot be generated for a {type(stmt).__name__}")


def _for(e: Emitter, loop: For) -> None:
    if loop.extent <= 0:
        return
    if loop.extent == 1 or loop.kind is LoopKind.UNROLLED:
        for i in range(loop.extent):
            e.fixed[loop.var] = i
            emit_stmt(e, loop.body)
    elif loop.kind is LoopKind.VECTORIZED:
        if e.lane is not None:
            raise CompileError("a vectorized loop stands inside another one")
        e.lane, e.lanes, e.fixed[loop.var] = loop.var, loop.extent, loop.extent
        emit_stmt(e, loop.body)
        e.lane, e.lanes = None, 0
    elif e.lane is not None:
        raise CompileError("a loop inside a vectorized loop must be unrolled")
    elif loop.kind is LoopKind.PARALLEL and not e.in_parallel:
        from .parallel import emit_parallel

        emit_parallel(e, loop, emit_loop)
    elif id(loop) in e.ends:
        emit_loop(e, loop, "0", e.ends[id(loop)][1])
    elif (found := _bounded(e, loop)) is not None:
        _bounded_loop(e, *found)
    else:
        emit_loop(e, loop, "0", str(loop.extent))


def emit_loop(e: Emitter, loop: For, begin: str, end: str) -> None:
    """The loop from ``begin`` to ``end``, which is greater: the test comes after the body."""
    name = e.name("l")
    counter = f"%{name}i"
    written = e.facts.written(loop.body)
    e.enter(written)
    e.line(f"br label %{name}p")
    e.label(f"{name}p")
    e.line(f"br label %{name}")
    e.label(name)
    e.line(f"{counter} = phi i64 [ {begin}, %{name}p ], [ {counter}n, %{name}e ]")
    phis = open_phis(e, written)
    e.bind(loop.var, Value(counter, int64))
    if loop.annotations:
        from .prefetch import emit_prefetches

        emit_prefetches(e, loop)
    volatile = e.volatile
    crowded = e.volatile = sum(phi.file.lanes > 1 for phi in phis) >= _CROWDED
    emit_stmt(e, loop.body)
    e.volatile = volatile
    e.leave()
    e.line(f"br label %{name}e")
    e.label(f"{name}e")
    for phi in phis:
        phi.close(f"{name}p", f"{name}e")
    e.line(f"{counter}n = add nuw nsw i64 {counter}, 1")
    more = e.raw(f"icmp ult i64 {counter}n, {end}")
    hint = ""
    if crowded:
        e.declare(_ALIGNED)
        e.crowded, hint = True, ", !llvm.loop !0"
    e.line(f"br i1 {more}, label %{name}, label %{name}x{hint}")
    e.label(f"{name}x")


def _bounded(e: Emitter, loop: For) -> tuple[For, Expr] | None:
    """``for i in range(n): if i < stop: s`` as (the loop over ``s`` alone, ``stop``), where nothing
    in the loop changes ``stop``."""
    match loop.body:
        case If(condition=Apply("lt", (var, stop)), then=body, otherwise=None) if var is loop.var:
            known = e.facts.of(stop)
            if any(v is var for v in known.variables) or known.reads & e.facts.written(body):
                return None
            return replace(loop, body=body), stop
    return None


def _bounded_loop(e: Emitter, loop: For, stop: Expr) -> None:
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
    _branch(e, inner, test)


def _while(e: Emitter, loop: While) -> None:
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


def _if(e: Emitter, stmt: If) -> None:
    test = e.value(stmt.condition)
    if test.const is not None:
        side = stmt.then if test.const else stmt.otherwise
        if side is not None:
            emit_stmt(e, side)
        return
    if test.lanes:
        _masked(e, stmt, test)
    else:
        _branch(e, stmt, test)


def _masked(e: Emitter, stmt: If, test: Value) -> None:
    outer, level = e.mask, e.mask_level
    top = len(e.regions) - 1
    e.mask = both(e, outer, test)
    e.mask_level = e.guarded_level(stmt.condition) if outer is None else top
    emit_stmt(e, stmt.then)
    if stmt.otherwise is not None:
        e.mask, e.mask_level = both(e, outer, invert(e, test)), top
        emit_stmt(e, stmt.otherwise)
    e.mask, e.mask_level = outer, level


def _branch(e: Emitter, stmt: If, test: Value) -> None:
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


def _store(e: Emitter, stmt: Store) -> None:
    buffer, indices = stmt.buffer, stmt.indices
    value = e.value(stmt.value)
    file = e.registers.get(buffer)
    if file is not None:
        write_register(e, file, indices, value, e.mask)
    else:
        check_bounds(e, buffer, indices)
        write(e, address_of(e, buffer, indices), value, e.mask)
    e.stored(buffer)


def _accumulate(e: Emitter, stmt: Accumulate) -> None:
    if e.lane is not None and not any(map(e.varies, stmt.indices)):
        values = [e.value(value) for value in stmt.values]
        from .lanes import reduce_lanes

        _update(e, stmt, reduce_lanes(e, stmt.combiner, values, e.mask))
    elif e.lane is not None and _collides(e, stmt):
        _one_lane_after_another(e, stmt)
    else:
        _update(e, stmt, None)


def _update(e: Emitter, stmt: Accumulate, reduced: list[Value] | None) -> None:
    """Combine old values and new ones: those of the statement, or ``reduced`` ones."""
    mask = e.mask if reduced is None else None
    places: list[Address | None] = []
    old = []
    check = [buffer for buffer in stmt.buffers if buffer not in e.registers]
    if check:
        check_bounds(e, check[0], stmt.indices)
    for buffer in stmt.buffers:
        file = e.registers.get(buffer)
        if file is not None:
            places.append(None)
            old.append(read_register(e, file, stmt.indices))
        else:
            where = address_of(e, buffer, stmt.indices)
            places.append(where)
            old.append(read(e, where, mask))
    new = None
    if reduced is None and stmt.combiner.fn == "add":
        fused = _fused(e, stmt.values[0], old[0])
        new = None if fused is None else [fused]
    if new is None:
        values = [e.value(v) for v in stmt.values] if reduced is None else reduced
        from .lanes import combine

        new = combine(e, stmt.combiner, old, values)
    for buffer, place, value in zip(stmt.buffers, places, new, strict=True):
        if place is None:
            write_register(e, e.registers[buffer], stmt.indices, value, mask)
        else:
            write(e, place, value, mask)
        e.stored(buffer)


def _fused(e: Emitter, value: Expr, old: Value) -> Value | None:
    if isinstance(value, Apply) and value.fn == "dot4":
        from .byte_products import accumulate_bytes

        return accumulate_bytes(e, old, value.args)
    from .half_products import accumulate_halves

    return accumulate_halves(e, old, value) or contract(e, "add", (value, value), old)


def _collides(e: Emitter, stmt: Accumulate) -> bool:
    """Whether two lanes may mean the same element."""
    if stmt.buffers[0] in e.registers:
        return False
    terms, _ = e.facts.linear(stmt.buffers[0], stmt.indices)
    return any(atom is not e.lane and e.varies(atom) for atom, _ in terms)


def _one_lane_after_another(e: Emitter, stmt: Accumulate) -> None:
    """An update at addresses that depend on data: every lane sees what the ones before it did."""
    from .lanes import combine

    check_bounds(e, stmt.buffers[0], stmt.indices)
    values = [e.value(value) for value in stmt.values]
    places = [address_of(e, buffer, stmt.indices) for buffer in stmt.buffers]
    for lane in range(e.lanes):
        name = e.name("u")
        if e.mask is not None:
            test = e.extract(e.splat(e.mask, e.lanes), lane)
            e.line(f"br i1 {test.text}, label %{name}, label %{name}x")
            e.label(name)
        here = [at_lane(e, where, lane) for where in places]
        old = [read(e, where, None) for where in here]
        new = [e.extract(v, lane) if v.lanes else v for v in values]
        for where, value in zip(here, combine(e, stmt.combiner, old, new), strict=True):
            write(e, where, value, None)
        if e.mask is not None:
            e.line(f"br label %{name}x")
            e.label(f"{name}x")
    for buffer in stmt.buffers:
        e.stored(buffer)


def _evaluate(e: Emitter, name: str, args: tuple[Expr | Buffer | Region, ...]) -> None:
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
