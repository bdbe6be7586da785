"""keep_scalars: what a thread has in a register is made there, and folds that begin anew forget
what was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...dtypes import float32, float64
from ...ir.combiner import Combiner
from ...ir.expr import Apply, Cast, Const, Expr, Load, const
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    If,
    Region,
    Scope,
    Seq,
    Stmt,
    Store,
    seq,
    walk,
)
from ...ir.rewrite import conjuncts, loads_of
from ...schedules.step import rebuild
from ..replace_buffers import Place, replace_buffers
from .fold_threads import SHUFFLE, SHUFFLE_DOWN
from .touching import buffers_touched, buffers_written

_FIRST = (const(0),)


def keep_scalars(body: Stmt) -> Stmt:
    """``t = 0; (p = 0; ...; t += p)`` -> ``(p = 0; ...; t = p)``, since ``p`` has what that adds,
    and ``acc = 0; for k: acc += v(k); s = acc`` -> ``s = 0; for k: s += v(k)`` where ``s`` is a
    scalar of the thread."""
    scalars = {
        b
        for node in walk(body)
        if isinstance(node, Allocate)
        for b in node.buffers
        if b.scope is Scope.LOCAL and b.size == 1
    }

    def on(stmt: Stmt) -> Stmt | None:
        match stmt:
            case Seq(stmts=stmts):
                anew = _begin_anew(stmts, body)
                return None if anew is stmts else rebuild(seq(*anew), on)
            case Allocate(buffers=buffers, body=Seq(stmts=stmts)):
                kept = _without_copies(buffers, stmts, scalars)
                return None if kept is None else rebuild(kept, on)
        return None

    return rebuild(body, on)


def _begin_anew(stmts: tuple[Stmt, ...], body: Stmt) -> tuple[Stmt, ...]:
    """Without constants that only a fold combines with later on, which began with the same."""
    out = list(stmts)
    for n, stmt in enumerate(stmts):
        store, tests = _inside(stmt)
        if not isinstance(store, Store) or not isinstance(store.value, Const):
            continue
        if any(map(loads_of, (*store.indices, *tests))):
            continue  # it may be another element by then
        later = (m for m in range(n + 1, len(out)) if store.buffer in buffers_touched(out[m]))
        m = next(later, None)
        if m is None:
            continue
        made = _forgetting(out[m], store, tests, body)
        if made is not None:
            out[n], out[m] = Seq(()), made
    return stmts if all(a is b for a, b in zip(stmts, out, strict=True)) else tuple(out)


def _inside(stmt: Stmt) -> tuple[Stmt, tuple[Expr, ...]]:
    """What stands under conditions, and these."""
    tests: list[Expr] = []
    while isinstance(stmt, If) and stmt.otherwise is None:
        tests += conjuncts(stmt.condition)
        stmt = stmt.then
    return stmt, tuple(tests)


def _forgetting(stmt: Stmt, store: Store, tests: tuple[Expr, ...], body: Stmt) -> Stmt | None:
    """A fold into parts, and then into what ``store`` stored, with the parts stored there; None
    where it is something else, or would not have the same bits."""
    if not isinstance(stmt, Allocate) or not isinstance(stmt.body, Seq):
        return None
    *before, last = stmt.body.stmts
    update, asked = _inside(last)
    match update:
        case Accumulate(buffers=(target,), values=(Load(source=part),)) if part in stmt.buffers:
            pass
        case _:
            return None
    (identity,) = update.combiner.identity
    if target is not store.buffer or not _same(update.indices, store.indices):
        return None
    if identity is not store.value or not _same(asked, tests):
        return None
    if any(target in buffers_touched(s) for s in before):
        return None
    if not _changes_nothing(update.combiner) and part not in _folded(body, update.combiner):
        return None
    made: Stmt = Store(target, update.indices, update.values[0])
    for test in reversed(asked):
        made = If(test, made)
    return replace(stmt, body=seq(*before, made))


def _changes_nothing(combiner: Combiner) -> bool:
    """Whether its identity and any value make that value, to the bit. A float's 0 and -0 make 0,
    and products have NaNs of their own."""
    if combiner.fn in ("add", "mul"):
        return not combiner.dtypes[0].is_float
    return combiner.fn in ("maximum", "minimum", "bitor", "bitand")


def _folded(body: Stmt, combiner: Combiner) -> set[Buffer]:
    """Memory of threads and blocks that has the identity of ``combiner`` or what it made of that
    and more, and nothing else: no sum that begins with 0 is -0. A compiler might make one of a
    product and an addition, where only the sum is rounded, so there is no product but squares."""
    if combiner.fn not in ("add", "mul"):
        return set()
    written = buffers_written(body)
    found = {b for b in written if b.scope in (Scope.LOCAL, Scope.REGISTER, Scope.SHARED)}
    leaves = [s for s in walk(body) if isinstance(s, (Store, Accumulate, Evaluate))]
    while True:
        wrong = [leaf for leaf in leaves if not _is_folding(leaf, combiner, found, written)]
        other = {b for leaf in wrong for b in buffers_written(leaf)} & found
        if not other:
            return found
        found -= other


def _is_folding(leaf: Stmt, combiner: Combiner, found: set[Buffer], written: set[Buffer]) -> bool:
    """Whether what ``leaf`` writes is folded by ``combiner``, if what is in ``found`` is."""
    match leaf:
        case Store(value=Load(source=source)):
            return source in found
        case Store(value=value):
            return value is combiner.identity[0]
        case Accumulate(values=(value,)) if leaf.combiner is combiner:
            return combiner.fn == "mul" or _is_no_product(value, found, written)
        case Evaluate(name=name, args=(Region(), Region(source), *_)):
            return name in (SHUFFLE, SHUFFLE_DOWN) and source in found
    return False


def _is_no_product(value: Expr, found: set[Buffer], written: set[Buffer]) -> bool:
    """Whether ``value`` is an element that comes from elsewhere, a fold, or a square."""
    match value:
        case Cast(value=Load() as inner) if value.dtype in (float32, float64):
            return _is_no_product(inner, found, written)
        case Load(source=source):
            return source in found or source not in written
        case Apply(fn="mul", args=(a, b)):
            return a is b
    return False


def _are_first(indices: tuple[Expr, ...]) -> bool:
    return all(index is _FIRST[0] for index in indices)


def _same(one: Sequence[Expr], other: Sequence[Expr]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _without_copies(
    buffers: tuple[Buffer, ...], stmts: tuple[Stmt, ...], scalars: set[Buffer]
) -> Stmt | None:
    """``with alloc(acc): acc = x; ...; s = acc`` as what it does in ``s`` itself; None if that is
    not what the end of it is."""
    copies = stmts[-len(buffers) :]
    targets: dict[Buffer, Buffer] = {}
    for stmt in copies:
        match stmt:
            case Store(buffer=to, indices=at, value=Load(source=source)) if to in scalars:
                if source.scope is not Scope.REGISTER or source.shape or not _are_first(at):
                    return None
                targets[source] = to
            case _:
                return None
    if set(targets) != set(buffers) or len(set(targets.values())) < len(targets):
        return None
    kept: list[Stmt] = []
    for stmt in stmts[: -len(buffers)]:
        match stmt:
            case Store(buffer=r, value=Load(source=source)) if targets.get(r) is source:
                continue  # it has its own value already
        if not buffers_touched(stmt).isdisjoint(targets.values()):
            return None
        kept.append(stmt)
    places = {r: Place(to, before=_FIRST * len(to.shape)) for r, to in targets.items()}
    return replace_buffers(seq(*kept), places)
