"""Where the init of a reduction runs."""

from __future__ import annotations

from ..ir.bounds import interval
from ..ir.expr import Expr, Var, const
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Evaluate,
    For,
    If,
    LoopKind,
    Region,
    Stmt,
    Store,
    children_of,
    expressions_of,
    map_exprs,
    reads_of,
    writes_of,
)
from ..ir.rewrite import conjuncts, loads_of, substitute, variables_of


def reduce_vars(block: Block) -> set[Var]:
    return {v for it in block.iters if it.axis.is_reduce for v in variables_of(it.binding)}


def starts_before(loop: For, block: Block) -> bool:
    """Whether the init of ``block`` can run before ``loop``, in copies of the spatial loops in it:
    the first iteration is that of all reduce axes at 0, spatial axes and loops that reduce are
    apart, no element begins again, as those that tiles share do, and what the init writes exists
    before the loop. False for a loop that feeds no reduce axis."""
    reduced = reduce_vars(block)
    if loop.var not in reduced:
        return False
    path = _path(loop, block)
    assert path is not None and block.init is not None
    if _meets(loop.body, block):
        return False
    chain = {stmt.var: stmt.extent for stmt in path if isinstance(stmt, For)}
    inside = reduced & chain.keys()
    if any(isinstance(stmt, If) for stmt in path) or 0 in chain.values():
        return False
    used = {v for it in block.iters for v in variables_of(it.binding)}
    if any(extent > 1 and var not in used for var, extent in chain.items()):
        return False  # a loop that starts the reduction anew
    written = {buffer for buffer, _ in writes_of(block.init)}
    if any(isinstance(stmt, Allocate) and written.intersection(stmt.buffers) for stmt in path):
        return False
    zeros: dict[Var, Expr] = {v: const(0) for v in inside}
    for it in block.iters:
        if not it.axis.is_reduce:
            if inside.intersection(variables_of(it.binding)):
                return False
        elif interval(substitute(it.binding, zeros), chain) != (0, 0):
            return False
    # reductions alone ask for these
    from ..schedules.legality.starts import names_elements_once, starts_once

    nest = [stmt for stmt in path if isinstance(stmt, For)]
    return names_elements_once(block, nest) and starts_once(block, {v: chain[v] for v in inside})


def _meets(stmt: Stmt, block: Block) -> bool:
    """Whether something in ``stmt`` beside the updates of ``block`` touches what its init writes,
    or changes what its init reads."""
    assert block.init is not None
    written = {buffer for buffer, _ in writes_of(block.init)}
    read = {node.source for node in reads_of(block.init)}
    stack = [stmt]
    while stack:
        node = stack.pop()
        if node is block:
            if any(load.source in written for load in reads_of(block.body)):
                return True
            if read and any(buffer in read for buffer, _ in writes_of(block.body)):
                return True
            continue
        stack.extend(children_of(node))
        for expr in expressions_of(node):
            if any(load.source in written for load in loads_of(expr)):
                return True
        touched: set[object]
        match node:
            case Store(buffer=buffer):
                touched = {buffer}
            case Accumulate(buffers=buffers):
                touched = set(buffers)
            case Evaluate(args=args):
                touched = {arg.buffer if isinstance(arg, Region) else arg for arg in args}
            case _:
                continue
        if not touched.isdisjoint(written) or not touched.isdisjoint(read):
            return True
    return False


def init_of(loop: For, block: Block) -> Stmt:
    """The initialisation of ``block`` in copies of the spatial loops below ``loop``."""
    reduced = reduce_vars(block)
    path = _path(loop, block)
    assert path is not None and block.init is not None
    loops = [stmt for stmt in path if isinstance(stmt, For)]
    kept = [f for f in loops if f.var not in reduced]
    mapping: dict[Var, Expr] = {f.var: const(0) for f in loops if f.var in reduced}
    mapping.update({f.var: Var(f.var.name) for f in kept})
    axes: dict[Var, Expr] = {
        it.axis: substitute(it.binding, mapping) for it in block.iters if not it.axis.is_reduce
    }
    body = map_exprs(block.init, lambda e: substitute(e, axes))
    for test in conjuncts(block.predicate):
        body = If(substitute(test, mapping), body)
    for f in reversed(kept):
        kind = LoopKind.SERIAL if f.kind is LoopKind.PARALLEL else f.kind
        fresh = mapping[f.var]
        assert isinstance(fresh, Var)
        hints = f.annotations if kind is LoopKind.BOUND else ()
        body = For(fresh, f.extent, body, kind, hints)
    return body


def _path(stmt: Stmt, block: Block) -> list[Stmt] | None:
    """The statements around ``block`` in ``stmt``, outermost first."""
    if stmt is block:
        return []
    if isinstance(stmt, Block):
        return None
    for child in children_of(stmt):
        below = _path(child, block)
        if below is not None:
            return [stmt, *below]
    return None
