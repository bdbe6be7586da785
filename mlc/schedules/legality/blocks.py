"""Whether what a block says of its axes is true.

A spatial axis names the elements that a block writes: no two of its spatial points may write the
same one. A reduce axis is combined away: its points may share an element only by combining into it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.bounds import interval
from ...ir.call_names import is_intrinsic
from ...ir.expr import Apply, Axis, Expr, Var, const
from ...ir.program import Allocate, Block, Evaluate, Program, Store, walk
from ...ir.rewrite import loads_of, substitute, variables_of
from ..refusal import Refusal
from .accesses import Access, accesses_of, accesses_of_block
from .conflict import Conflict, Steps, conflict
from .starts import count_from_zero

_FAR = 1 << 40
_AHEAD = (1, None)
_SAME = (0, 0)


def block_kind(block: Block) -> str:
    """``"complete"``: spatial axes alone, and nothing it writes is read or combined into;
    ``"reduction"``: reduce axes, and all it does outside its init is to combine;
    ``"opaque"``: anything else, as where calls stand for the work."""
    own = _own_buffers(block)
    rows = [row for row in accesses_of_block(block).rows if row.buffer not in own]
    changed = {row.buffer for row in rows if row.changes}
    kinds = {row.kind for row in rows if row.changes and not row.is_init}
    if _has_foreign_calls(block) or any(r.kind == "read" and r.buffer in changed for r in rows):
        return "opaque"
    if block.is_reduction:
        return "reduction" if kinds == {"combine"} else "opaque"
    return "complete" if kinds == {"write"} and block.init is None else "opaque"


def block_violation(program: Program, block: Block) -> Refusal | None:
    """Why the kinds of the axes of ``block`` are not what it does; None if they are.

    Two points of its axes that clash must both be reached by loops of the program.
    """
    own, inside = _own_buffers(block), accesses_of_block(block)
    rows = [row for row in inside.rows if row.changes and row.buffer not in own]
    first, last = (0, 0) if block.init is None else inside.spans[block.init]
    again = {row for row in rows if row.is_init and not first <= row.position < last}
    around = accesses_of(program)
    bound: tuple[list[Access], dict[Axis, Expr]] | None = None
    is_guarded = False
    if block in around.spans:
        found_bound = next(b for b in around.bound if b.block is block)
        is_guarded = bool(found_bound.guards)  # by its own predicate, or what stands around it
        mapping = {it.axis: e for it, e in zip(block.iters, found_bound.bindings)}
        touched = [r for r in around.of(block) if r.changes and r.buffer not in own]
        bound = touched, mapping
    late = late_init(program, block)
    if late is not None:
        return late
    unproven: Refusal | None = None
    for n, m, axis, steps in _questions(block, rows, again):
        found = conflict(rows[n], rows[m], steps)
        if found is None:
            continue
        if bound is not None and (
            is_guarded
            or not found.is_certain
            or bound[0][n].private  # each iteration of a loop around has memory of its own
        ):
            found = _reached(bound, n, m, steps)
            if found is None:
                continue
        refusal = _refusal(block, axis, rows[n], found)
        if found.is_certain:
            return refusal
        unproven = unproven or refusal
    return unproven


def late_init(program: Program, block: Block) -> Refusal | None:
    """Why the init of ``block`` may come late: it runs where the reduce axes are 0, and they must
    begin there."""
    found = next((b for b in accesses_of(program).bound if b.block is block), None)
    if block.init is None or found is None:
        return None
    rows = [(it.axis, e) for it, e in zip(block.iters, found.bindings) if it.axis.is_reduce]
    first: dict[Var, Expr] = {v: const(0) for _, e in rows for v in variables_of(e)}
    ranges = {loop.var: loop.extent for loop in found.loops}
    late = [
        (axis, binding)
        for axis, binding in rows
        if interval(substitute(binding, first), ranges) != (0, 0)
        and interval(binding, ranges)[0] <= 0
    ]
    if late and not count_from_zero([e for _, e in rows], found.guards, found.loops):
        axis, binding = late[0]
        return Refusal(
            f"the init of block {block.name!r} runs where {axis.name} is 0, but {axis.name}, "
            f"bound to {binding!r}, does not begin there",
            fix=f"bind {axis.name} so that it counts upwards from 0, and turn the index in the "
            "body",
        )
    return None


def _questions(
    block: Block, rows: list[Access], again: set[Access]
) -> Iterator[tuple[int, int, Axis, Steps]]:
    """(first access, second, axis, steps): the two must not meet where the second is ahead so.

    ``again`` are the inits of blocks inside: no later point may begin anew with what was combined.
    """
    spatial = [it.axis for it in block.iters if not it.axis.is_reduce]
    reduced = [it.axis for it in block.iters if it.axis.is_reduce]
    opaque = _has_foreign_calls(block)
    pairs = [(n, m) for n in range(len(rows)) for m in range(n, len(rows))]
    pairs = [(n, m) for n, m in pairs if rows[n].buffer is rows[m].buffer]
    pairs.sort(key=lambda pair: (rows[pair[0]].is_init or rows[pair[1]].is_init, pair))
    for n, m in pairs:
        for first, second in dict.fromkeys(((n, m), (m, n))):
            for depth, axis in enumerate(spatial):
                fixed: Steps = dict.fromkeys(spatial[:depth], _SAME)
                yield first, second, axis, {**fixed, axis: _AHEAD}
            a, b = rows[n], rows[m]
            combining = a.kind == b.kind == "combine" and a.combiner is b.combiner
            if opaque or rows[second] not in again and (combining or a.is_init or b.is_init):
                continue
            for depth, axis in enumerate(reduced):
                fixed = dict.fromkeys((*spatial, *reduced[:depth]), _SAME)
                yield first, second, axis, {**fixed, axis: _AHEAD}


def _reached(
    bound: tuple[list[Access], dict[Axis, Expr]], n: int, m: int, steps: Steps
) -> Conflict | None:
    """The same question over the loops around the block."""
    rows, mapping = bound
    ahead = []
    for axis, (least, most) in steps.items():
        assert isinstance(axis, Axis)
        binding = mapping[axis]
        ahead.append((binding, binding, least or 0, _FAR if most is None else most))
    return conflict(rows[n], rows[m], {}, ahead)


def _refusal(block: Block, axis: Axis, row: Access, found: Conflict) -> Refusal:
    kind = "reduce" if axis.is_reduce else "spatial"
    if found.witness is None:
        return Refusal(
            f"it could not be proven within the budget that {axis.name} is a {kind} axis of block "
            f"{block.name!r}",
            proven=False,
        )
    rule = f"{axis.name} is no {kind} axis of block {block.name!r}"
    if row.kind == "write" and _goes_on(block, row.buffer):
        name, carried = axis.name, row.buffer.name
        fix = (
            f"write these loops without a block where {carried} carries something from one {name} "
            f"to the next, or give {carried} an axis for it: {carried}[{name} + 1, ...] from "
            f"{carried}[{name}, ...]"
        )
    elif axis.is_reduce:
        fix = (
            f"combine into {row.buffer.name} instead of storing, or make {axis.name} a spatial axis"
        )
    else:
        fix = f"make {axis.name} a reduce axis"
        if row.kind == "write" and not row.is_init:
            fix += f", and combine into {row.buffer.name} instead of storing"
    if not found.is_certain and any(loads_of(e) for e in (*row.indices, *row.guards)):
        rule += f", unless the data that indices of {row.buffer.name} depend on keep them apart"
    return Refusal(rule, found.witness, fix, proven=found.is_certain)


_FOLDS = {"add", "mul", "maximum", "minimum", "bitand", "bitor", "bitxor"}


def _goes_on(block: Block, buffer: object) -> bool:
    """Whether ``block`` stores to ``buffer`` what it computes from elements of it, and that is no
    fold such as ``x[i] = x[i] + y``, which could be written as one."""
    for stmt in walk(block.body):
        if isinstance(stmt, Store) and stmt.buffer is buffer:
            value = stmt.value
            own = [load for load in loads_of(value) if load.source is buffer]
            folds = isinstance(value, Apply) and value.fn in _FOLDS and len(own) == 1
            if own and not (folds and any(part is own[0] for part in value.children)):
                return True
    return False


def _own_buffers(block: Block) -> set[object]:
    return {b for s in walk(block.body) if isinstance(s, Allocate) for b in s.buffers}


def _has_foreign_calls(block: Block) -> bool:
    return any(isinstance(s, Evaluate) and not is_intrinsic(s.name) for s in walk(block.body))
