"""Sums over lanes, several of them at once.

::

    c[i, 0] = 0                                  c[i, 0:4] = 0 + the sums of a, b, c and d
    for lane: c[i, 0] += a[lane]         ->
    c[i, 1] = 0
    for lane: c[i, 1] += b[lane]
    ...

One vector at a time takes a shuffle and an addition for every halving, most lanes of which are for
nothing. Of four vectors the halves share vectors::

    a, b    ->  the lower halves of a and b + the upper halves of a and b

Each of the sums is added up in the same order as it is alone, so the bits are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.affine import as_sum
from ...ir.expr import Const, Expr
from ...ir.program import Accumulate, For, LoopKind, Stmt, Store
from .addressing import address_of, alignment
from .emitter import Emitter
from .types import Value, constant, shuffle_mask

TOGETHER = 4


def sum_lanes(e: Emitter, stmts: Sequence[Stmt], first: int) -> bool:
    """Writes the eight statements from number ``first`` on if they are as above; says whether."""
    pairs: list[tuple[Store, For, Accumulate]] = []
    for n in range(first, first + 2 * TOGETHER, 2):
        pair = _sum(stmts, n)
        if pair is None:
            return False
        pairs.append(pair)
    (start, loop, _) = pairs[0]
    buffer, lanes = start.buffer, loop.extent
    if buffer in e.registers or e.mask is not None or not buffer.shape:
        return False
    if lanes < TOGETHER or lanes & (lanes - 1) or buffer.element_strides[-1] != 1:
        return False
    for n, (store, other, update) in enumerate(pairs):
        same = store.buffer is buffer and other.extent == lanes
        if not same or not _follows(start, store, n) or update.values[0].dtype is not buffer.dtype:
            return False
        if buffer in e.facts.of(update.values[0]).reads:
            return False
    vectors = [_lanes_of(e, other, update) for _, other, update in pairs]
    total = _added_up(e, vectors)
    begins = ", ".join(
        f"{constant(store.value.value, buffer.dtype)}"  # type: ignore[attr-defined]
        for store, _, _ in pairs
    )
    begin = Value(f"<{begins}>", buffer.dtype, TOGETHER)
    total = e.binary("fadd" if buffer.dtype.is_float else "add", begin, total)
    for store, _, _ in pairs:
        e.check_bounds(buffer, store.indices)
    where = address_of(e, buffer, start.indices)
    e.line(f"store {total}, ptr {where.pointer}, align {alignment(buffer)}")
    e.stored(buffer)
    return True


def _sum(stmts: Sequence[Stmt], n: int) -> tuple[Store, For, Accumulate] | None:
    """A number stored, and to the same element the sum over lanes added, if that is what stands at
    place ``n``."""
    if n + 1 >= len(stmts):
        return None
    match stmts[n], stmts[n + 1]:
        case (
            Store(value=Const()) as store,
            For(kind=LoopKind.VECTORIZED, body=Accumulate(buffers=(buffer,)) as update) as loop,
        ):
            pass
        case _:
            return None
    same = store.buffer is buffer and _are_same(store.indices, update.indices)
    plain = update.combiner.fn == "add" and buffer.dtype.kind in "iuf" and buffer.dtype.bits >= 32
    return (store, loop, update) if same and plain else None


def _follows(first: Store, store: Store, n: int) -> bool:
    """Whether ``store`` is ``n`` elements behind the first one, in its row."""
    *outer, last = store.indices
    *others, begin = first.indices
    apart = as_sum(last).plus(as_sum(begin), -1)
    return _are_same(outer, others) and not apart.terms and apart.constant == n


def _are_same(left: Sequence[Expr], right: Sequence[Expr]) -> bool:
    return all(a is b for a, b in zip(left, right, strict=True))


def _lanes_of(e: Emitter, loop: For, update: Accumulate) -> Value:
    """What the lanes of a loop add."""
    e.lane, e.lanes, e.fixed[loop.var] = loop.var, loop.extent, loop.extent
    value = e.splat(e.value(update.values[0]), loop.extent)
    e.lane, e.lanes = None, 0
    return value


def _added_up(e: Emitter, vectors: list[Value]) -> Value:
    """A vector of the sums of all lanes of each of ``vectors``."""
    lanes, count, width = vectors[0].lanes, 1, vectors[0].lanes
    opcode = "fadd" if vectors[0].dtype.is_float else "add"
    while width > 1:
        half = width // 2
        low = [group * width + lane for group in range(count) for lane in range(half)]
        if len(vectors) > 1:
            low += [lanes + lane for lane in low]
            high = [lane + half for lane in low]
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            halves = [[_picked(e, a, b, picks) for picks in (low, high)] for a, b in pairs]
            vectors, count = [e.binary(opcode, a, b) for a, b in halves], 2 * count
        else:  # only the first lane of each part counts
            (whole,) = vectors
            part = lanes // count
            turned = [lane - lane % part + (lane % part + half) % part for lane in range(lanes)]
            vectors = [e.binary(opcode, whole, e.shuffle(whole, turned))]
        width = half
    (whole,) = vectors
    return e.shuffle(whole, [n * (lanes // count) for n in range(count)])


def _picked(e: Emitter, a: Value, b: Value, lanes: list[int]) -> Value:
    return e.op(f"shufflevector {a}, {b}, {shuffle_mask(lanes)}", a.dtype, len(lanes))
