"""Addresses, loads and stores.

An element's offset is a sum of terms. The terms of outer loops are added to the base pointer
first, each group in the scope where it is constant, so that an inner loop adds its own variable
and nothing else. How the offset depends on the lane decides the instruction: by 1 a vector load,
not at all a scalar load, by -1 a reversed vector, otherwise a gather."""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import DType, boolean, int8, int32, int64
from ...errors import CompileError
from ...ir.expr import Const, Expr, Load, Var
from ...ir.program import Buffer, Scope
from ...records import dataclass
from .debug import check_bounds
from .emitter import Emitter
from .registers import read_register
from .types import Value, constant, mangled, memory_type, shuffle_mask, type_of, vector_constant

# Up to this many elements apart, lanes are picked from vectors instead of gathered.
_NEAR = 4


@dataclass(frozen=True)
class Address:
    """Where the lanes of an access lie: at ``pointer``, plus ``step`` elements for each lane, plus
    the element offsets ``spread`` (an int64 vector or None), which are ``known`` where they can
    be."""

    buffer: Buffer
    pointer: str
    step: int
    spread: Value | None
    known: tuple[int, ...] | None = None

    @property
    def is_uniform(self) -> bool:
        """Whether all lanes mean the same element."""
        return self.spread is None and self.step == 0


def address_of(e: Emitter, buffer: Buffer, indices: tuple[Expr, ...]) -> Address:
    """The address of ``buffer[indices]`` at the current place."""
    terms, offset = e.facts.linear(buffer, indices)
    if buffer in e.parts:
        var, size, slot = e.parts[buffer]
        along = next((c for atom, c in terms if atom is var), 0) - size
        terms = ((slot, size), (var, along), *((a, c) for a, c in terms if a is not var))
        terms = tuple((a, c) for a, c in terms if c)
    step = 0
    spread: Value | None = None
    known: tuple[int, ...] | None = (0,) * e.lanes if e.lane is not None else None
    by_level: dict[int, list[tuple[Value, int]]] = {}
    for atom, c in terms:
        if isinstance(atom, Var):
            if atom is e.lane:
                step += c
                continue
            if atom in e.fixed:
                offset += c * e.fixed[atom]
                continue
            level = e.level_of.get(atom, 0)
        else:
            level = e.guarded_level(atom)
        value = e.value(atom)
        if value.lanes:
            scaled = value if c == 1 else e.binary("mul", value, constant(c, int64, value.lanes))
            spread = scaled if spread is None else e.binary("add", spread, scaled)
            if known is not None:
                from .known_lanes import known_numbers

                here = known_numbers(e, atom)
                known = None if here is None else _sum(known, here, c)
        elif value.const is not None:
            offset += c * int(value.const)
        else:
            by_level.setdefault(level, []).append((value, c))
    pointer = e.pointers[buffer]
    element = memory_type(buffer.dtype)
    top = 0
    for level in sorted(by_level):
        top = max(top, level)
        pointer = _moved(e, top, pointer, element, by_level[level])
    if offset:
        key = ("gep", pointer, element, offset)
        pointer = e.at(top, key, lambda: _gep(e, element, pointer, str(offset))).text
    return Address(buffer, pointer, step, spread, None if spread is None else known)


def _sum(known: tuple[int, ...], more: tuple[int, ...], c: int) -> tuple[int, ...]:
    return tuple(a + c * b for a, b in zip(known, more, strict=True))


def _moved(
    e: Emitter, level: int, pointer: str, element: str, terms: list[tuple[Value, int]]
) -> str:
    """``pointer`` plus the sum of ``terms`` elements, computed in the scope ``level``."""
    key = ("gep", pointer, element, *[(value.text, c) for value, c in terms])

    def make() -> Value:
        total: Value | None = None
        for value, c in terms:
            if c != 1:
                value = e.binary("mul", value, constant(c, int64))
            total = value if total is None else e.binary("add", total, value)
        assert total is not None
        return _gep(e, element, pointer, total.text)

    return e.at(level, key, make).text


def _gep(e: Emitter, element: str, pointer: str, index: str) -> Value:
    return Value(e.raw(f"getelementptr {element}, ptr {pointer}, i64 {index}"), int64)


def alignment(buffer: Buffer) -> int:
    """What every element's address is a multiple of, in bytes."""
    return buffer.dtype.itemsize if buffer.aligned else 1


def emit_load(e: Emitter, expr: Load) -> Value:
    """The value of a load; lanes that the mask leaves out read nothing."""
    buffer, indices = expr.source, expr.indices
    if buffer in e.registers:
        return read_register(e, e.registers[buffer], indices)
    safe = e.facts.in_bounds(buffer, indices)
    if not safe:
        check_bounds(e, buffer, indices)
    where = address_of(e, buffer, indices)
    return read(e, where, None if safe else e.mask, _beside(buffer, indices))


def _beside(buffer: Buffer, indices: Sequence[Expr]) -> tuple[int, int]:
    """How many elements before that at ``indices``, and after it, are there too: those of its row,
    where the place in that is a number."""
    if not indices or buffer.element_strides[-1] != 1 or not isinstance(indices[-1], Const):
        return 0, 0
    place, extent = int(indices[-1].value), buffer.shape[-1]
    return (place, extent - 1 - place) if 0 <= place < extent else (0, 0)


def read(e: Emitter, where: Address, mask: Value | None, beside: tuple[int, int] = (0, 0)) -> Value:
    """The elements at an address, one or a vector of them; 0 in the lanes that ``mask`` leaves
    out. There are so many more ``beside`` each, before it and after it."""
    buffer = where.buffer
    dtype, align = buffer.dtype, alignment(buffer)
    if where.is_uniform:
        pointer = where.pointer if mask is None else _harmless(e, where.pointer, mask)
        kind = memory_type(dtype)
        volatile = "volatile " if e.volatile else ""
        raw = e.op(f"load {volatile}{kind}, ptr {pointer}, align {align}", _stored(buffer))
        return _from_memory(e, raw, buffer)
    kind = memory_type(dtype, e.lanes)
    stored = _stored(buffer)
    if where.spread is None and where.step in (1, -1):
        pointer = _first(e, where)
        backwards = where.step == -1
        if mask is None:
            volatile = "volatile " if e.volatile else ""
            raw = e.op(f"load {volatile}{kind}, ptr {pointer}, align {align}", stored, e.lanes)
        else:
            name = f"@llvm.masked.load.{mangled(stored, e.lanes)}.p0"
            mask = _lanes_of(e, mask, backwards)
            e.declare(f"declare {kind} {name}(ptr, {mask.type}, {kind})")
            raw = e.op(
                f"call {kind} {name}(ptr align {align} {pointer}, {mask}, {kind} zeroinitializer)",
                stored, e.lanes,
            )  # fmt: skip
        return _from_memory(e, _reversed(e, raw) if backwards else raw, buffer)
    if where.spread is None and 1 < where.step <= _NEAR and e.lanes > 2:
        return _from_memory(e, _picked(e, where, kind, mask), buffer)
    if where.known is not None and mask is None and not e.volatile:
        from .known_lanes import fits_shuffle, read_known

        places = _sum(where.known, tuple(range(e.lanes)), where.step)
        if fits_shuffle(places):
            raw = read_known(e, where.pointer, places, stored, align, beside)
            return _from_memory(e, raw, buffer)
    pointers = _pointers(e, where)
    mask = _all_lanes(e) if mask is None else e.splat(mask, e.lanes)
    name = f"@llvm.masked.gather.{mangled(stored, e.lanes)}.v{e.lanes}p0"
    many = f"<{e.lanes} x ptr>"
    e.declare(f"declare {kind} {name}({many}, {mask.type}, {kind})")
    raw = e.op(
        f"call {kind} {name}({many} align {align} {pointers}, {mask}, {kind} zeroinitializer)",
        stored, e.lanes,
    )  # fmt: skip
    return _from_memory(e, raw, buffer)


def _picked(e: Emitter, where: Address, kind: str, mask: Value | None) -> Value:
    """Lanes a few elements apart: whole vectors are loaded, and their elements picked.

    The last vector ends at the last lane's element, so that nothing outside is read; under a mask
    nothing but the elements of its lanes is.
    """
    lanes, step = e.lanes, where.step
    stored, align = _stored(where.buffer), alignment(where.buffer)
    element = memory_type(where.buffer.dtype)
    starts = [lanes * j for j in range(step - 1)] + [(lanes - 1) * (step - 1)]
    total: Value | None = None
    for j, start in enumerate(starts):
        pointer = _gep(e, element, where.pointer, str(start)).text if start else where.pointer
        if mask is None:
            part = e.op(f"load {kind}, ptr {pointer}, align {align}", stored, lanes)
        else:
            wanted = _spread_mask(e, mask, start, step)
            name = f"@llvm.masked.load.{mangled(stored, lanes)}.p0"
            e.declare(f"declare {kind} {name}(ptr, {wanted.type}, {kind})")
            part = e.op(
                f"call {kind} {name}(ptr align {align} {pointer}, {wanted}, "
                f"{kind} zeroinitializer)",
                stored, lanes,
            )  # fmt: skip
        if total is None:
            total = part
            continue
        picks = []
        for lane in range(lanes):
            at = lane * step
            if start <= at < start + lanes:
                picks.append(lanes + at - start)
            else:
                picks.append(at if j == 1 and at < lanes else lane)
        text = f"shufflevector {total}, {part}, {shuffle_mask(picks)}"
        total = e.op(text, stored, lanes)
    assert total is not None
    return total


def _spread_mask(e: Emitter, mask: Value, start: int, step: int) -> Value:
    """Which of the elements from number ``start`` on belong to a lane of ``mask``, where lane ``n``
    is element ``n * step``."""
    lanes = e.lanes
    mask = e.splat(mask, lanes)
    places = range(start, start + lanes)
    picks = [at // step if at % step == 0 else lanes for at in places]
    text = f"shufflevector {mask}, {mask.type} zeroinitializer, {shuffle_mask(picks)}"
    return e.op(text, boolean, lanes)


def write(e: Emitter, where: Address, value: Value, mask: Value | None) -> None:
    """Store a value, or its lanes where ``mask`` holds; of lanes at one address the last one
    stays."""
    buffer = where.buffer
    align = alignment(buffer)
    raw = _to_memory(e, value)
    if where.is_uniform and not (mask is not None and mask.lanes):
        if raw.lanes:
            raw = e.extract(raw, raw.lanes - 1)
        e.line(f"store {raw}, ptr {where.pointer}, align {align}")
        return
    raw = e.splat(raw, e.lanes)
    if where.spread is None and where.step in (1, -1):
        pointer = _first(e, where)
        backwards = where.step == -1
        if backwards:
            raw = _reversed(e, raw)
        if mask is None:
            if buffer in e.passing:
                from .passing import store_past  # few results are so large

                store_past(e, raw, pointer, align)
            else:
                e.line(f"store {raw}, ptr {pointer}, align {align}")
            return
        mask = _lanes_of(e, mask, backwards)
        if memory_type(raw.dtype) in ("i8", "i16", "i32") and "+avx512f" in e.target.features:
            mask = _hidden(e, mask)
        name = f"@llvm.masked.store.{mangled(raw.dtype, e.lanes)}.p0"
        e.declare(f"declare void {name}({raw.type}, ptr, {mask.type})")
        e.line(f"call void {name}({raw}, ptr align {align} {pointer}, {mask})")
        return
    # Lanes are scattered in order, so the last of several at one address stays.
    pointers = _pointers(e, where)
    mask = _all_lanes(e) if mask is None else e.splat(mask, e.lanes)
    many = f"<{e.lanes} x ptr>"
    name = f"@llvm.masked.scatter.{mangled(raw.dtype, e.lanes)}.v{e.lanes}p0"
    e.declare(f"declare void {name}({raw.type}, {many}, {mask.type})")
    e.line(f"call void {name}({raw}, {many} align {align} {pointers}, {mask})")


def at_lane(e: Emitter, where: Address, lane: int) -> Address:
    """The address of one lane, as one that is uniform."""
    element = memory_type(where.buffer.dtype)
    pointer = where.pointer
    if where.step * lane:
        pointer = _gep(e, element, pointer, str(where.step * lane)).text
    if where.spread is not None:
        pointer = _gep(e, element, pointer, e.extract(where.spread, lane).text).text
    return Address(where.buffer, pointer, 0, None)


def _stored(buffer: Buffer) -> DType:
    return int8 if buffer.dtype is boolean else buffer.dtype


def _from_memory(e: Emitter, raw: Value, buffer: Buffer) -> Value:
    if buffer.dtype is boolean:
        return e.compare("ne", raw, constant(0, int8))
    return raw


def _to_memory(e: Emitter, value: Value) -> Value:
    if value.dtype is not boolean:
        return value
    return e.op(f"zext {value} to {type_of(int8, value.lanes)}", int8, value.lanes)


def _all_lanes(e: Emitter) -> Value:
    return constant(True, boolean, e.lanes)


def _lanes_of(e: Emitter, mask: Value, backwards: bool) -> Value:
    mask = e.splat(mask, e.lanes)
    return _reversed(e, mask) if backwards else mask


def _hidden(e: Emitter, mask: Value) -> Value:
    """``mask``, which LLVM cannot compute beforehand. Where it knows that one lane alone is stored,
    of integers cut down from wider ones, LLVM for AVX-512 (22 does, at least) writes that lane as
    wide as it was, over what lies behind."""
    bits = max(64, mask.lanes)

    def all_lanes() -> Value:
        e.declare(f"@mlc_ones_{bits} = private unnamed_addr constant i{bits} -1, align 8")
        ones = e.raw(f"load volatile i{bits}, ptr @mlc_ones_{bits}, align 8")
        if mask.lanes < bits:
            ones = e.raw(f"trunc i{bits} {ones} to i{mask.lanes}")
        return e.op(f"bitcast i{mask.lanes} {ones} to {mask.type}", boolean, mask.lanes)

    return e.binary("and", mask, e.at(0, ("all lanes", mask.lanes), all_lanes))


def _reversed(e: Emitter, value: Value) -> Value:
    return e.shuffle(value, list(range(value.lanes - 1, -1, -1)))


def _first(e: Emitter, where: Address) -> str:
    """The lowest address of a contiguous access."""
    if where.step == 1:
        return where.pointer
    element = memory_type(where.buffer.dtype)
    return _gep(e, element, where.pointer, str(1 - e.lanes)).text


def _pointers(e: Emitter, where: Address) -> str:
    element, lanes = memory_type(where.buffer.dtype), e.lanes
    if where.spread is None:
        # 32-bit offsets let the processor gather twice as many at once.
        width = int32 if abs(where.step) * lanes < 2**31 else int64
        offsets = vector_constant([where.step * i for i in range(lanes)], width)
    else:
        offsets = where.spread
        if where.step:
            ramp = vector_constant([where.step * i for i in range(lanes)], int64)
            offsets = e.binary("add", offsets, ramp)
    return e.raw(f"getelementptr {element}, ptr {where.pointer}, {offsets}")


def _harmless(e: Emitter, pointer: str, mask: Value) -> str:
    """``pointer``, or the address of zeros if no lane is on."""
    e.declare("@mlc_zeros = private unnamed_addr constant [8 x i8] zeroinitializer, align 8")
    any_lane = e.any_lane(mask)
    return e.raw(f"select i1 {any_lane.text}, ptr {pointer}, ptr @mlc_zeros")


def stack_pointer(e: Emitter, buffer: Buffer) -> str:
    """Memory on the stack of the function for a buffer that lives there."""
    if buffer.scope is Scope.GLOBAL:
        raise CompileError(
            f"buffer {buffer.name!r} is allocated inside a program but lives in global memory; "
            "give it a scope, or make it a parameter"
        )
    steps = zip(buffer.shape, buffer.element_strides, strict=True)
    span = 1 + sum((extent - 1) * stride for extent, stride in steps)
    return e.alloca(f"[{max(span, 1)} x {memory_type(buffer.dtype)}]", 64)
