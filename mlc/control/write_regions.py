"""The statements of a loop or branch, inside of the statements around."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..ir.bounds import interval
from ..ir.expr import Expr, Var, apply, as_expr, cast, const, load
from ..ir.program import Buffer, For, If, Seq, Stmt, Store, While, seq
from ..ir.rewrite import loads_of
from ..te.tensor import Tensor
from ..te.unset import is_unset
from . import region as regions
from .nests import shortened
from .region import Body, RegionCall, captured_by

if TYPE_CHECKING:
    from .write import Writer

_MOST_KNOWN = 1 << 31  # iterations of a loop whose length has a bound


def write_nested(w: Writer, op: RegionCall, tensors: list[Tensor], position: int) -> None:
    """A loop or branch in another one; its state stays where it is if nobody needs the old."""
    region = op.region
    assert region is not None
    captured = captured_by(region)
    for tensor in captured:
        w.settle(tensor)
    targets: list[Buffer] = []
    for n, init in enumerate(op.init):
        if not init.shape:
            targets.append(w.register(init))
            continue
        if is_unset(init):
            targets.append(w.memory(init))
            continue
        w.settle(init)
        buffer = w.where[init]
        is_ours = (
            buffer in w.owned and w.last[init] <= position and init not in captured
            and op.init.index(init) == n and buffer not in targets
        )  # fmt: skip
        if is_ours:
            w.flush(buffer, position)
        else:
            buffer = w.memory(init)
            w.copy(init, buffer)
        targets.append(buffer)
    write_region(w, region, targets)
    for tensor in tensors:
        target = targets[tensor.index]
        if tensor.shape:
            w.where[tensor] = target
        else:
            w.exprs[tensor] = load(target, ())


def write_region(w: Writer, region: regions.Region, targets: Sequence[Buffer]) -> None:
    """The statements of ``region``, with its state in ``targets``."""
    match region:
        case regions.Cond(pred=pred, then=then, otherwise=otherwise):
            sides = []
            for body in (then, otherwise):
                side = _inside(w, body, targets, 0)
                side.body(body, targets)
                sides.append(side.finish())
            other = None if is_nothing(sides[1]) else sides[1]
            if other is not None or not is_nothing(sides[0]):
                w.emit(If(w.exprs[pred], sides[0], other))
        case regions.While(test=test, body=body):
            inner = _inside(w, body, targets, 0)
            inner.body(body, targets)
            _again(w, lambda: _tested(w, test, targets, None, const(True)), inner.finish())
        case regions.For():
            _loop(w, region, targets)


def _inside(w: Writer, body: Body, targets: Sequence[Buffer], state: int) -> Writer:
    """A writer of ``body`` whose params from ``state`` on are in ``targets``."""
    made = w.inside()
    for param, target in zip(body.params[state:], targets):
        if param.shape:
            made.where[param] = target
        else:
            made.exprs[param] = load(target, ())
    return made


def _tested(
    w: Writer, test: Body, targets: Sequence[Buffer], index: Expr | None, more: Expr
) -> tuple[Writer, Expr]:
    """What has to be done before a test, and the test: ``more``, and ``test`` holds."""
    inner = _inside(w, test, targets, 0 if index is None else 1)
    if index is not None:
        inner.exprs[test.params[0]] = index
    (value,) = inner.body(test, None)
    return inner, value if more is const(True) else more & value


def _again(w: Writer, tested: Callable[[], tuple[Writer, Expr]], work: Stmt) -> None:
    """``while test: work``; a test that takes statements is made before and at the end."""
    first, value = tested()
    if not first.items:
        w.emit(While(value, work))
        return
    flag = w.register_for(const(True), "more")

    def check(inner: Writer, value: Expr) -> Stmt:
        inner.emit(Store(flag, (), value))
        return inner.finish()

    w.emit(check(first, value))
    w.emit(While(load(flag, ()), seq(work, check(*tested()))))


def _loop(w: Writer, region: regions.For, targets: Sequence[Buffer]) -> None:
    start, stop, step = _bound(w, region.start), _bound(w, region.stop), region.step
    away, pace = (stop - start, step) if step > 0 else (start - stop, -step)
    count = shortened(away if pace == 1 else (away + (pace - 1)) // pace, w.ranges)
    least, most = interval(count, w.ranges)
    if region.test is not None or not math.isfinite(most) or most > _MOST_KNOWN:
        _counted(w, region, targets, start, count)
        return
    extent = max(int(most), 0)
    var = Var(w.name("n"))
    inner = _inside(w, region.body, targets, 1)
    inner.ranges[var] = extent
    inner.exprs[region.body.params[0]] = shortened(var * step + start, inner.ranges)
    inner.body(region.body, targets)
    body = inner.finish()
    if is_nothing(body):
        return
    if least < extent:
        body = If(apply("lt", var, w.keep(count, "count")), body)
    w.emit(For(var, extent, body))


def _counted(
    w: Writer, region: regions.For, targets: Sequence[Buffer], start: Expr, count: Expr
) -> None:
    """A loop of which only the data know how long it is."""
    many = w.keep(count, "count") if loads_of(count) else count
    first = w.keep(start, "start") if loads_of(start) else start
    number = w.register_for(const(0), "number")
    at = load(number, ())
    index = shortened(at * region.step + first, w.ranges)
    inner = _inside(w, region.body, targets, 1)
    inner.exprs[region.body.params[0]] = index
    inner.body(region.body, targets)
    inner.emit(Store(number, (), at + 1))
    more, test = apply("lt", at, many), region.test
    if test is None:
        w.emit(While(more, inner.finish()))
    else:
        _again(w, lambda: _tested(w, test, targets, index, more), inner.finish())


def _bound(w: Writer, bound: regions.Bound) -> Expr:
    if isinstance(bound, Tensor):
        return cast(w.exprs[bound], "int64")
    return as_expr(bound)


def is_nothing(stmt: Stmt) -> bool:
    """Whether ``stmt`` has no statements."""
    return isinstance(stmt, Seq) and not stmt.stmts
