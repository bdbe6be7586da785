"""How much a program does."""

from __future__ import annotations

from .call_names import intrinsic_named, is_gufunc, is_intrinsic
from .program import Accumulate, Block, Buffer, Evaluate, For, Stmt, Store, While, children_of

_GUESSED_ITERATIONS = 100  # of a loop whose end the data decide
_DECOMPOSING = 100  # statements for each element of the matrices that LAPACK gets


def statements_run(stmt: Stmt) -> float:
    """How many statements run, each iteration counted."""
    match stmt:
        case For(extent=extent, body=body):
            return extent * statements_run(body)
        case While(body=body):
            return _GUESSED_ITERATIONS * statements_run(body)
        case Evaluate(name=name) if is_intrinsic(name):
            return statements_run(intrinsic_named(name).meaning.body)
        case Evaluate(name=name, args=args) if is_gufunc(name):
            return sum(_DECOMPOSING * arg.size for arg in args if isinstance(arg, Buffer))
        case Store() | Accumulate() | Evaluate():
            return 1.0
        case Block(body=body):
            return statements_run(body)
        case _:
            return sum(map(statements_run, children_of(stmt)))
