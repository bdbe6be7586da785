"""expand_intrinsics: calls that no native code can take become what they mean."""

from __future__ import annotations

from ..ir.call_names import intrinsic_named, is_intrinsic
from ..ir.program import (
    Allocate,
    Block,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    While,
    seq,
    walk,
)
from ..records import replace


def expand_intrinsics(program: Program) -> Program:
    """``T.call("tmm16", A[...], B[...], C[...])`` -> the loops that "tmm16" means, or those of its
    implementation "program".

    A call stays where the intrinsic has native code and its operands have addresses: no operand in
    registers or at addresses that are no multiple of its elements' size, no vectorized loop around.
    """
    if not any(isinstance(s, Evaluate) and is_intrinsic(s.name) for s in walk(program.body)):
        return program
    return program.with_body(_expand(program.body, in_lanes=False))


def _expand(stmt: Stmt, in_lanes: bool) -> Stmt:
    match stmt:
        case Evaluate(name=name) if is_intrinsic(name):
            return _call(stmt, in_lanes)
        case For(kind=kind):
            lanes = in_lanes or kind is LoopKind.VECTORIZED
            return replace(stmt, body=_expand(stmt.body, lanes))
        case Allocate() | While():
            return replace(stmt, body=_expand(stmt.body, in_lanes))
        case Seq(stmts=stmts):
            return seq(*(_expand(s, in_lanes) for s in stmts))
        case If():
            other = None if stmt.otherwise is None else _expand(stmt.otherwise, in_lanes)
            return If(stmt.condition, _expand(stmt.then, in_lanes), other)
        case Block():
            init = None if stmt.init is None else _expand(stmt.init, in_lanes)
            return replace(stmt, body=_expand(stmt.body, in_lanes), init=init)
        case _:
            return stmt


def _call(call: Evaluate, in_lanes: bool) -> Stmt:
    from ..ir.intrinsic import expand_call, regions_of_call

    intrinsic = intrinsic_named(call.name)
    regions = regions_of_call(call)
    has_addresses = not in_lanes and all(
        r.buffer.scope is not Scope.REGISTER and r.buffer.aligned for r in regions
    )
    if has_addresses and {"llvm", "c"} & intrinsic.implementations.keys():
        return Evaluate(call.name, regions)
    chosen = intrinsic.implementations.get("program")
    written = expand_call(call, chosen if isinstance(chosen, Program) else None)
    return _expand(written, in_lanes)
