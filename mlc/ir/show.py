"""Programs and expressions as text."""

from __future__ import annotations

from .expr import Apply, Cast, Const, Expr, Load, Reduce, Select, Var
from .program import Program
from .scalar import SCALAR_FNS


def expr_text(expr: Expr) -> str:
    """``expr`` in Python's notation."""
    match expr:
        case Const(value=value):
            return repr(value)
        case Var(name=name):
            return name
        case Apply(fn=fn, args=args):
            infix = SCALAR_FNS[fn].infix
            if infix:
                return f"({expr_text(args[0])} {infix} {expr_text(args[1])})"
            return f"{fn}({', '.join(map(expr_text, args))})"
        case Cast(value=value):
            return f"{expr.dtype.name}({expr_text(value)})"
        case Select(condition=c, then=a, otherwise=b):
            return f"select({expr_text(c)}, {expr_text(a)}, {expr_text(b)})"
        case Load(source=source, indices=indices):
            return f"{source.name}[{', '.join(map(expr_text, indices))}]"
        case Reduce(combiner=combiner, values=values, axes=axes):
            names = ", ".join(axis.name for axis in axes)
            return f"{combiner.name}({', '.join(map(expr_text, values))}, axis=({names}))"
    raise AssertionError(type(expr))


def program_text(program: Program) -> str:
    """``program`` as Python source."""
    return repr(program.params)
