"""Combiners: the associative functions that a reduction folds with.

A combiner works on tuples of scalars, so that argmax carries (value, index) and Welford's mean
carries (count, mean, m2). The ready-made ones are made once per dtype and are equal by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ..dtypes import DType, boolean
from ..errors import ArgumentError
from .expr import Const, Expr, Var, apply, as_expr, cast, const


class Combiner:
    """``result`` says in terms of ``lhs`` and ``rhs`` how two partial results become one.

    The function must be associative; ``commutative`` says whether order may change as well.
    ``identity`` holds the value that changes nothing, one constant per part. ``fn`` names the
    scalar function when the combiner is just that.
    """

    __slots__ = ("commutative", "dtypes", "fn", "identity", "lhs", "name", "result", "rhs")

    def __init__(
        self,
        name: str,
        lhs: tuple[Var, ...],
        rhs: tuple[Var, ...],
        result: tuple[Expr, ...],
        identity: tuple[Const, ...],
        fn: str = "",
        commutative: bool = True,
    ) -> None:
        self.name = name
        self.lhs, self.rhs = lhs, rhs
        self.result = result
        self.identity = identity
        self.fn = fn
        self.commutative = commutative
        self.dtypes = tuple(part.dtype for part in identity)

    def __repr__(self) -> str:
        return f"{self.name}[{', '.join(d.name for d in self.dtypes)}]"

    def combine(self, left: tuple[Expr, ...], right: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """``result`` with the given expressions in place of ``lhs`` and ``rhs``."""
        from .rewrite import substitute

        mapping = dict(zip(self.lhs + self.rhs, left + right, strict=True))
        return tuple(substitute(part, mapping) for part in self.result)


def _identity(fn: str, dtype: DType) -> Const:
    match fn:
        case "add" | "bitor":
            return const(0, dtype)
        case "mul":
            return const(1, dtype)
        case "bitand":
            return const(True, dtype)
        case "maximum":
            return const(dtype.lowest, dtype)
        case _:
            return const(dtype.highest, dtype)


REDUCERS = {
    "sum": "add",
    "prod": "mul",
    "max": "maximum",
    "min": "minimum",
    "any": "bitor",
    "all": "bitand",
}


@cache
def reducer(name: str, dtype: DType) -> Combiner:
    """The combiner called ``name`` (one of ``REDUCERS``) over scalars of ``dtype``."""
    fn = REDUCERS[name]
    if name in ("any", "all"):
        dtype = boolean
    a, b = Var("a", dtype), Var("b", dtype)
    return Combiner(name, (a,), (b,), (apply(fn, a, b),), (_identity(fn, dtype),), fn)


def make_combiner(
    name: str,
    combine: Callable[..., object],
    identity: tuple[object, ...],
    dtypes: tuple[DType, ...],
    commutative: bool = False,
) -> Combiner:
    """A combiner from a Python function ``combine(left, right)`` over tuples (or over scalars)."""
    lhs = tuple(Var(f"a{i}", d) for i, d in enumerate(dtypes))
    rhs = tuple(Var(f"b{i}", d) for i, d in enumerate(dtypes))
    single = len(dtypes) == 1
    out = combine(lhs[0], rhs[0]) if single else combine(lhs, rhs)
    parts = (out,) if single else out
    if not isinstance(parts, (tuple, list)) or len(parts) != len(dtypes):
        raise ArgumentError(
            f"combiner {name!r} must return {len(dtypes)} values, one for each of its dtypes "
            f"{', '.join(d.name for d in dtypes)}; it returned {out!r}"
        )
    result = tuple(cast(as_expr(p, d), d) for p, d in zip(parts, dtypes, strict=True))
    identities = tuple(const(v, d) for v, d in zip(identity, dtypes, strict=True))
    return Combiner(name, lhs, rhs, result, identities, commutative=commutative)
