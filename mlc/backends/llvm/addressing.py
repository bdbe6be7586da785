"""Addresses, loads and stores.

An element's offset is a sum of terms. The terms of outer loops are added to the base pointer
first, each group in the scope where it is constant, so that an inner loop adds its own variable
and nothing else. How the offset depends on the lane decides the instruction: by 1 a vector load,
not at all a scalar load, by -1 a reversed vector, otherwise a gather."""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import DType, boolean, int8, int64
from ...errors import CompileError
from ...ir.expr import Const, Expr, Load, Var
from ...ir.program import Buffer, Scope
from ...records import dataclass
from .emitter import Emitter
from .types import Value, constant, mangled, memory_type, type_of

# Up to this many elements apart, lanes are picked from vectors instead of gathered.
_NEAR = 4


@dataclass(frozen=True)
class Address:
    """Where the lanes of an access lie: at ``pointer``, plus ``step`` elements for each lane, plus
    the element offsets ``spread`` (an int64 vector or None), which are ``known`` where they can
    be. ``pointer`` is ``offset`` elements behind ``base``."""

    buffer: Buffer
    pointer: str
    step: int
    spread: Value | None
    known: tuple[int, ...] | None = None
    base: str = ""
    offset: int = 0

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
    base = pointer
    if offset:
        key = ("gep", pointer, element, offset)
        pointer = e.at(top, key, lambda: gep(e, element, base, str(offset))).text
    known = None if spread is None else known
    return Address(buffer, pointer, step, spread, known, base, offset)


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
        return gep(e, element, pointer, total.text)

    return e.at(level, key, make).text


def gep(e: Emitter, element: str, pointer: str, index: str) -> Value:
    return Value(e.raw(f"getelementptr {element}, ptr {pointer}, i64 {index}"), int64)


def alignment(buffer: Buffer) -> int:
    """What every element's address is a multiple of, in bytes."""
    return buffer.dtype.itemsize if buffer.aligned else 1


def emit_load(e: Emitter, expr: Load) -> Value:
    """The value of a load; lanes that the mask leaves out read nothing."""
    buffer, indices = expr.source, expr.indices
    if buffer in e.registers:
        from .registers import read_register

        return read_register(e, e.registers[buffer], indices)
    safe = e.facts.in_bounds(buffer, indices)
    if not safe:
        e.check_bounds(buffer, indices)
    elif e.overlaps and e.lanes:
        from .overlaps import picked

        found = picked(e, expr)
        if found is not None:
            return _from_memory(e, found, buffer)
    where = address_of(e, buffer, indices)
    if safe and where.spread is None and 1 < where.step <= _NEAR and e.lanes > 2:
        from .gathers import are_whole, picked_of_whole

        if are_whole(e, where, indices):
            return _from_memory(e, picked_of_whole(e, where), buffer)
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
        pointer = where.pointer
        if mask is not None:
            from .gathers import harmless

            pointer = harmless(e, pointer, mask)
        kind = memory_type(dtype)
        volatile = "volatile " if e.volatile else ""
        raw = e.op(f"load {volatile}{kind}, ptr {pointer}, align {align}", stored_as(buffer))
        return _from_memory(e, raw, buffer)
    kind = memory_type(dtype, e.lanes)
    stored = stored_as(buffer)
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
        from .gathers import picked

        return _from_memory(e, picked(e, where, kind, mask), buffer)
    if where.known is not None and mask is None and not e.volatile:
        from .known_lanes import fits_shuffle, read_known

        places = _sum(where.known, tuple(range(e.lanes)), where.step)
        if fits_shuffle(places):
            raw = read_known(e, where.pointer, places, stored, align, beside)
            return _from_memory(e, raw, buffer)
    from .gathers import pointers_of

    pointers = pointers_of(e, where)
    mask = _all_lanes(e) if mask is None else e.splat(mask, e.lanes)
    name = f"@llvm.masked.gather.{mangled(stored, e.lanes)}.v{e.lanes}p0"
    many = f"<{e.lanes} x ptr>"
    e.declare(f"declare {kind} {name}({many}, {mask.type}, {kind})")
    raw = e.op(
        f"call {kind} {name}({many} align {align} {pointers}, {mask}, {kind} zeroinitializer)",
        stored, e.lanes,
    )  # fmt: skip
    return _from_memory(e, raw, buffer)


def write(
    e: Emitter, where: Address, value: Value, mask: Value | None, blends: bool = False
) -> None:
    """Store a value, or its lanes where ``mask`` holds; of lanes at one address the last one
    stays. With ``blends`` the lanes that it leaves out may be written with what is there."""
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
        if blends:
            from .blends import blend

            blend(e, raw, pointer, align, mask)
            return
        if memory_type(raw.dtype) in ("i8", "i16", "i32") and "+avx512f" in e.target.features:
            from .gathers import hidden

            mask = hidden(e, mask)
        name = f"@llvm.masked.store.{mangled(raw.dtype, e.lanes)}.p0"
        e.declare(f"declare void {name}({raw.type}, ptr, {mask.type})")
        e.line(f"call void {name}({raw}, ptr align {align} {pointer}, {mask})")
        return
    # Lanes are scattered in order, so the last of several at one address stays.
    from .gathers import pointers_of

    pointers = pointers_of(e, where)
    mask = _all_lanes(e) if mask is None else e.splat(mask, e.lanes)
    many = f"<{e.lanes} x ptr>"
    name = f"@llvm.masked.scatter.{mangled(raw.dtype, e.lanes)}.v{e.lanes}p0"
    e.declare(f"declare void {name}({raw.type}, {many}, {mask.type})")
    e.line(f"call void {name}({raw}, {many} align {align} {pointers}, {mask})")


def stored_as(buffer: Buffer) -> DType:
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


def _reversed(e: Emitter, value: Value) -> Value:
    return e.shuffle(value, list(range(value.lanes - 1, -1, -1)))


def _first(e: Emitter, where: Address) -> str:
    """The lowest address of a contiguous access."""
    if where.step == 1:
        return where.pointer
    element = memory_type(where.buffer.dtype)
    return gep(e, element, where.pointer, str(1 - e.lanes)).text


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
