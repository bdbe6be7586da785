"""bind_blocks: blocks become plain statements over the loop variables."""

from __future__ import annotations

from ..ir.bounds import interval
from ..ir.empty_loops import fill_empty_reductions
from ..ir.expr import Expr, Var, apply, const
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    While,
    blocks_of,
    children_of,
    expressions_of,
    map_exprs,
    reads_of,
    seq,
    writes_of,
)
from ..ir.rewrite import conjuncts, loads_of, substitute, variables_of
from ..records import replace


def bind_blocks(program: Program) -> Program:
    """``with block: vi = axis(i0 * 4 + i1); body(vi)`` -> ``body(i0 * 4 + i1)``.

    A predicate becomes an ``If``. An ``init`` runs right before the outermost loop that feeds a
    reduce axis of its block, in copies of the spatial loops inside that one; where that would not
    be the same, as where other statements there touch its buffer, it runs right before the body,
    under the condition that all reduce axes are 0. A block that holds blocks is dissolved before
    they are. Reductions over nothing leave their init.
    """
    return program.with_body(_bind(_open(fill_empty_reductions(program).body), set()))


def _open(stmt: Stmt) -> Stmt:
    """``stmt`` with no block inside another: outer ones are dissolved, or, where they have an init,
    the inner ones are."""
    match stmt:
        case Block() if len(blocks_of(stmt)) > 1:
            if stmt.init is not None:
                init, body = _bind(_open(stmt.init), set()), _bind(_open(stmt.body), set())
                return replace(stmt, init=init, body=body)
            mapping: dict[Var, Expr] = {it.axis: it.binding for it in stmt.iters}
            inner = _open(map_exprs(stmt.body, lambda e: substitute(e, mapping)))
            return inner if stmt.predicate is None else If(stmt.predicate, inner)
        case For() | Allocate() | While():
            return replace(stmt, body=_open(stmt.body))
        case Seq():
            return seq(*map(_open, stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else _open(stmt.otherwise)
            return If(stmt.condition, _open(stmt.then), other)
        case _:
            return stmt


def _bind(stmt: Stmt, started: set[Block]) -> Stmt:
    """``started`` holds the blocks whose init stands before a loop around ``stmt``."""
    match stmt:
        case Block():
            mapping: dict[Var, Expr] = {it.axis: it.binding for it in stmt.iters}
            body = map_exprs(stmt.body, lambda e: substitute(e, mapping))
            if stmt.init is not None and stmt not in started:
                init = map_exprs(stmt.init, lambda e: substitute(e, mapping))
                for it in reversed(stmt.iters):
                    if it.axis.is_reduce:
                        init = If(apply("eq", it.binding, const(0)), init)
                body = seq(init, body)
            return body if stmt.predicate is None else If(stmt.predicate, body)
        case For(extent=0):
            return stmt
        case For():
            fresh = [
                block
                for block in blocks_of(stmt.body)
                if block.init is not None
                and block not in started
                and stmt.var in _reduce_vars(block)
                and _starts_before(stmt, block)
            ]
            inits = [_init_of(stmt, block) for block in fresh]
            return seq(*inits, replace(stmt, body=_bind(stmt.body, started | set(fresh))))
        case Allocate() | While():
            return replace(stmt, body=_bind(stmt.body, started))
        case Seq():
            return seq(*(_bind(s, started) for s in stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else _bind(stmt.otherwise, started)
            return If(stmt.condition, _bind(stmt.then, started), other)
        case _:
            return stmt


def _reduce_vars(block: Block) -> set[Var]:
    return {v for it in block.iters if it.axis.is_reduce for v in variables_of(it.binding)}


def _starts_before(loop: For, block: Block) -> bool:
    """Whether the init of ``block`` can run before ``loop``, in copies of the spatial loops in it:
    the first iteration is that of all reduce axes at 0, spatial axes and loops that reduce are
    apart, no element begins again, as those that tiles share do, and what the init writes exists
    before the loop."""
    path = _path(loop, block)
    assert path is not None and block.init is not None
    if _meets(loop.body, block):
        return False
    reduced = _reduce_vars(block)
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


def _init_of(loop: For, block: Block) -> Stmt:
    """The initialisation of ``block`` in copies of the spatial loops below ``loop``."""
    reduced = _reduce_vars(block)
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
