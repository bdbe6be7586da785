"""Which elements a block is certain to touch, and whether it makes what another reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..ir.affine import as_sum
from ..ir.bounds import decide
from ..ir.expr import Apply, Const, Expr, Var, const
from ..ir.intrinsic import intrinsic_named, is_intrinsic, regions_of_call
from ..ir.program import (
    Accumulate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Stmt,
    Store,
    blocks_of,
    children_of,
    walk,
)
from ..ir.rewrite import conjuncts, loads_of, substitute, variables_of
from ..ir.simplify import simplify
from ..records import replace
from .boxes import Box
from .buffers import Indices
from .digits import Digit, Digits, digit_of, independent
from .legality.accesses import Access, accesses_of
from .legality.conflict import Conflict, commute, conflict
from .placement import overtaken
from .refusal import Refusal
from .regions import region_in
from .step import loops_around, path_to


def exact_writes(stmt: Stmt, name: str, buffer: Buffer) -> Box | None:
    """Elements of ``buffer`` that the block is certain to write when ``stmt`` runs once.

    The starts speak of what ``stmt`` gets from outside. These are all that one of its statements
    writes, shown by taking the indices for numbers in a mixed radix; None where that fails for
    each of them.
    """
    path = _path(stmt, name)
    if path is None:
        return None
    block = path[-1]
    assert isinstance(block, Block)
    for leaf in _leaves(block.body, buffer):
        box = _box_of([*path, *leaf], buffer)
        if box is not None:
            return box
    return None


def _leaves(stmt: Stmt, buffer: Buffer) -> Iterator[list[Stmt]]:
    """The ways to the statements in ``stmt`` that write ``buffer``; inits are left out."""
    match stmt:
        case Store(buffer=written) if written is buffer:
            yield [stmt]
        case Accumulate(buffers=buffers) if any(b is buffer for b in buffers):
            yield [stmt]
        case Evaluate():
            yield [stmt]
        case Block(body=body):
            yield from ([stmt, *below] for below in _leaves(body, buffer))
        case _:
            for child in children_of(stmt):
                yield from ([stmt, *below] for below in _leaves(child, buffer))


def _box_of(path: Sequence[Stmt], buffer: Buffer) -> Box | None:
    """What the last statement of ``path`` writes when the first one runs once."""
    extents: dict[Var, int] = {}
    bound: dict[Var, Expr] = {}
    tests: list[Expr] = []
    for node in path:
        match node:
            case For(var=var, extent=extent):
                if extent < 1:
                    return None
                extents[var] = extent
            case If():
                return None
            case Block():
                tests += [substitute(t, bound) for t in conjuncts(node.predicate)]
                bound |= {it.axis: substitute(it.binding, bound) for it in node.iters}
            case Store(indices=indices) | Accumulate(indices=indices):
                region = Region(buffer, indices, (1,) * len(indices))
                return _box(region, bound, tests, extents)
            case Evaluate():
                region_written = _written_by(node, buffer)
                if region_written is not None:
                    return _box(region_written, bound, tests, extents)
    return None


def _written_by(call: Evaluate, buffer: Buffer) -> Region | None:
    """The region of ``buffer`` all of whose elements an intrinsic writes."""
    if not is_intrinsic(call.name):
        return None
    intrinsic = intrinsic_named(call.name)
    for operand, region in zip(intrinsic.operands, regions_of_call(call), strict=True):
        if region.buffer is not buffer or operand not in intrinsic.written:
            continue
        for leaf in _leaves(intrinsic.meaning.body, operand):
            box = _box_of(leaf, operand)
            zeros: Indices = (const(0),) * operand.ndim
            if box is not None and covers(box, Region(operand, zeros, operand.shape)):
                return region
    return None


def _path(stmt: Stmt, name: str) -> list[Stmt] | None:
    if isinstance(stmt, Block) and stmt.name == name:
        return [stmt]
    for child in children_of(stmt):
        below = _path(child, name)
        if below is not None:
            return [stmt, *below]
    return None


def _box(
    region: Region, bound: dict[Var, Expr], tests: list[Expr], extents: dict[Var, int]
) -> Box | None:
    starts: list[Expr] = []
    counts: list[int] = []
    indices: list[Expr] = []
    used: list[Digit] = []
    for start, extent in zip(region.starts, region.extents, strict=True):
        index = simplify(substitute(start, bound), extents)
        if extent > 1:
            offset = Var("e")
            extents[offset] = extent
            index = simplify(index + offset, extents)
        terms: list[tuple[int, Digit]] = []
        outer: Expr = const(as_sum(index).constant)
        for atom, c in as_sum(index).terms:
            if not any(v in extents for v in variables_of(atom)):
                outer = outer + atom * c
                continue
            digit = digit_of(atom, extents)
            if digit is None or c < 0:
                return None
            terms.append((c, digit))
        digits = Digits(tuple(sorted(terms, key=lambda term: term[0])), 0)
        if not digits.is_contiguous:
            return None
        starts.append(simplify(outer))
        counts.append(digits.greatest + 1)
        indices.append(index)
        used += [digit for _, digit in terms]
    bounds = _bounds(region, indices, tests, extents, {digit.var for digit in used})
    if bounds is None or not independent(used):
        return None
    return Box(tuple(starts), tuple(counts), bounds)


def _bounds(
    region: Region,
    indices: Sequence[Expr],
    tests: list[Expr],
    extents: dict[Var, int],
    used: set[Var],
) -> tuple[int, ...] | None:
    """How far the tests let each index go; None where one of them does anything else."""
    bounds = list(region.buffer.shape)
    for test in tests:
        test = simplify(test, extents)
        variables = [v for v in variables_of(test) if v in extents]
        if decide(test, extents) is True:
            continue
        if not used.intersection(variables):
            zeros: dict[Var, Expr] = dict.fromkeys(variables, const(0))
            if decide(simplify(substitute(test, zeros)), {}) is True:
                continue
            return None
        limit = _limit(test, region, indices, extents)
        if limit is None:
            return None
        bounds[limit[0]] = min(bounds[limit[0]], limit[1])
    return tuple(bounds)


def _limit(
    test: Expr, region: Region, indices: Sequence[Expr], extents: dict[Var, int]
) -> tuple[int, int] | None:
    """``test`` as "index d is less than n": (d, n)."""
    match test:
        case Apply(fn="lt", args=(value, Const(value=number))):
            for d, index in enumerate(indices):
                apart = as_sum(simplify(index - value, extents))
                if not apart.terms and region.extents[d] == 1:
                    return d, int(number) + apart.constant
    return None


def covers(box: Box, region: Region) -> bool:
    """Whether every existing element of ``region`` is in ``box``, for all values of the variables
    in their starts."""
    for d, size in enumerate(region.buffer.shape):
        apart = as_sum(simplify(region.starts[d] - box.starts[d]))
        if apart.terms:
            return False
        ahead, start = apart.constant, as_sum(box.starts[d])
        base = start.constant if not start.terms else None
        if ahead < 0 and not (base is not None and base <= 0):
            return False
        if box.bounds[d] < size:
            end = None if base is None else base + ahead + region.extents[d]
            if end is None or end > box.bounds[d]:
                return False
        reaches_end = base is not None and base + box.extents[d] >= size
        if ahead + region.extents[d] > box.extents[d] and not reaches_end:
            return False
    return True


def is_made_before(parts: Sequence[Stmt], writer: str, reader: str, buffer: Buffer) -> bool:
    """Whether what block ``reader`` reads of ``buffer`` is written by ``writer`` before, in the
    same iteration of the loops around both."""
    first = next((n for n, p in enumerate(parts) if _path(p, writer) is not None), None)
    second = next((n for n, p in enumerate(parts) if _path(p, reader) is not None), None)
    if first is None or second is None or first > second:
        return False
    if first == second:
        inside = children_of(parts[first])
        return len(inside) > 0 and is_made_before(inside, writer, reader, buffer)
    box = exact_writes(parts[first], writer, buffer)
    block = next(b for b in blocks_of(parts[second]) if b.name == reader)
    region = region_in(parts[second], buffer, "read", block)
    return box is not None and region is not None and covers(box, region)


def _fetches(stmt: Stmt, buffer: Buffer) -> bool:
    """Whether ``stmt`` itself fetches what it adds to: a call, or ``t[i] = t[i] + x``."""
    match stmt:
        case Evaluate():
            return True
        case Store(buffer=written, value=value) if written is buffer:
            return any(node.source is buffer for node in loads_of(value))
        case _:
            return False


def going_stale(
    program: Program, parts: Sequence[Stmt], fixed: Sequence[Var], buffer: Buffer, names: set[str]
) -> tuple[Conflict, Access, Access] | None:
    """A write in ``parts`` to an element of ``buffer`` that a block called so reads later, and the
    two accesses. The loops ``fixed`` stand still."""
    found = accesses_of(program)
    rows = [r for part in parts for r in found.of(part) if r.buffer is buffer]
    inside = {
        b.name for part in parts for o in blocks_of(part) if o.name in names for b in blocks_of(o)
    }
    fetching = {
        b.name
        for part in parts
        for b in blocks_of(part)
        if any(_fetches(node, buffer) for node in walk(b.body))
    }
    reads = [  # an accumulation goes on with its own buffer; calls and stores read the copy
        r if r.kind == "read" else replace(r, kind="read", combiner=None)
        for r in rows
        if r.block in inside and (r.kind == "read" or (r.kind == "combine" and r.block in fetching))
    ]
    still = set(fixed)
    for write in (r for r in rows if r.changes):
        for read in reads:
            loops = [x.var for x, y in zip(write.loops, read.loops, strict=False) if x is y]
            answer = overtaken(write, read, fixed, [v for v in loops if v not in still])
            if answer is not None:
                return answer[0], write, read
    return None


def order_dependence(program: Program, nest: For) -> Refusal | None:
    """Why the points of one nest around one block may not run in any order.

    Updates with a commutative combiner may; an init goes with the first point, whichever that is.
    """
    found = accesses_of(program)
    fixed = {loop.var: (0, 0) for loop in found.loops[nest.var][:-1]}
    inner = [node.var for node in walk(nest) if isinstance(node, For)]
    rows = [r for r in found.of(nest) if not r.is_init]
    unproven: Refusal | None = None
    for n, a in enumerate(rows):
        for b in rows[n:]:
            if a.buffer is not b.buffer or commute(a, b):
                continue
            for loop in inner:
                for ahead in ((1, None), (None, -1)):
                    answer = conflict(a, b, {**fixed, loop: ahead})
                    if answer is None:
                        continue
                    refusal = Refusal(
                        f"the points of block {a.block!r} would run in another order, and they "
                        "depend on each other",
                        answer.witness,
                        "choose a map that keeps the order, such as one that only splits",
                        proven=answer.is_certain,
                    )
                    if refusal.proven:
                        return refusal
                    unproven = refusal
    return unproven


def own_loops(program: Program, block: Block) -> list[For] | str:
    """The innermost loops around ``block``, if they are serial, hold nothing else, and there is one
    for each of its axes, which it alone counts; else a sentence that says so."""
    loops = loops_around(program, block.name)[-len(block.iters) :] if block.iters else []
    path = path_to(program, block.name)[-len(loops) :] if loops else []
    extents: dict[Expr, int] = {loop.var: loop.extent for loop in loops}
    if (
        len(loops) != len(block.iters)
        or any(a is not b for a, b in zip(path, loops, strict=True))
        or {it.binding for it in block.iters} != set(extents)
        or block.predicate is not None
        or any(it.axis.extent != extents[it.binding] for it in block.iters)
        or not loops
    ):
        return (
            f"the innermost loops around block {block.name!r} are not just one for each of its "
            "axes; take this step before they are split, fused or shared"
        )
    if any(loop.kind is not LoopKind.SERIAL for loop in loops):
        return "the loops run in parallel or in vectors already; take this step before that"
    return loops
