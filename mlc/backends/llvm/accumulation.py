"""Accumulation to code: in registers and memory, across lanes, at places that data choose."""

from __future__ import annotations

from ...ir.expr import Apply, Expr
from ...ir.program import (
    Accumulate,
)
from .addressing import Address, address_of, read, write
from .emitter import Emitter
from .expressions import contract
from .registers import (
    read_register,
    write_register,
)
from .types import Value


def accumulate(e: Emitter, stmt: Accumulate) -> None:
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
        e.check_bounds(check[0], stmt.indices)
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
    from .gathers import at_lane
    from .lanes import combine

    e.check_bounds(stmt.buffers[0], stmt.indices)
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
