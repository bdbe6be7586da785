"""Integer expressions as sums: ``constant + sum(coefficient * atom)``.

An atom is a variable or anything that is not a sum (a quotient, a remainder, a load). Every int64
expression has such a form; it is *affine* when all atoms are variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..dtypes import int64
from ..records import Quick, dataclass
from .expr import Apply, Const, Expr, Var, apply, const

_LOWEST = -(2**63)  # of int64
_LARGE = 2**62  # integers below are far from those that wrap
ALWAYS = (None, None)  # what `simplify` leaves as it is, whatever the ranges: sums of variables
SUMS = frozenset(("add", "sub", "neg", "mul", "shl"))


@dataclass(frozen=True, eq=False, slots=True)
class Sum(Quick):
    """``constant + sum(coefficient * atom)``; coefficients are never 0."""

    terms: tuple[tuple[Expr, int], ...]
    constant: int

    @property
    def is_affine(self) -> bool:
        """Whether only variables are scaled and added."""
        return all(isinstance(atom, Var) for atom, _ in self.terms)

    def coefficient(self, var: Expr) -> int:
        """How much one step of ``var`` adds, if ``var`` occurs in no other atom."""
        return next((c for atom, c in self.terms if atom is var), 0)

    def plus(self, other: Sum, factor: int = 1) -> Sum:
        """``self + factor * other``."""
        terms = dict(self.terms)
        for atom, c in other.terms:
            terms[atom] = terms.get(atom, 0) + factor * c
        kept = tuple((atom, c) for atom, c in terms.items() if c)
        return Sum(kept, self.constant + factor * other.constant)

    def scaled(self, factor: int) -> Sum:
        """``factor * self``."""
        if factor == 0:
            return Sum((), 0)
        return Sum(tuple((a, c * factor) for a, c in self.terms), self.constant * factor)

    def expr(self) -> Expr:
        """Back to an expression, positive terms first. Factors wrap as int64 does."""
        ordered: tuple[tuple[Expr, int], ...] = self.terms
        constant = self.constant
        is_affine = is_ordered = True
        for atom, c in ordered:
            is_affine = is_affine and isinstance(atom, Var)
            is_ordered = is_ordered and 0 < c < _LARGE
        if not (is_ordered and -_LARGE < constant < _LARGE):
            wrapped = [(atom, _wrapped(c)) for atom, c in ordered]
            ordered = tuple(sorted([t for t in wrapped if t[1]], key=lambda term: term[1] < 0))
            constant = _wrapped(constant)
        out = _written(ordered, constant)
        if is_affine and isinstance(out, Apply) and out.dtype is int64:
            out._sum, out._normal, out._simple = Sum(ordered, constant), None, ALWAYS
        return out

    def at(self, numbers: Mapping[Var, int]) -> Sum:
        """The sum of variables where some of them are these numbers."""
        constant = self.constant
        terms = []
        for term in self.terms:
            number = numbers.get(term[0])  # type: ignore[call-overload]
            if number is None:
                terms.append(term)
            else:
                constant += term[1] * number
        return Sum(tuple(terms), constant)


def _written(ordered: Iterable[tuple[Expr, int]], constant: int) -> Expr:
    out: Expr | None = None
    for atom, c in ordered:
        size = abs(c) if c != _LOWEST else c
        term = atom if size == 1 else apply("mul", atom, const(size, int64))
        if out is None:
            out = term if c == size else apply("mul", atom, const(c, int64))
        else:
            out = apply("add" if c == size else "sub", out, term)
    if out is None:
        return const(constant, int64)
    if constant:
        size = abs(constant) if constant != _LOWEST else constant
        out = apply("add" if constant == size else "sub", out, const(size, int64))
    return out


def _wrapped(value: int) -> int:
    """``value`` as int64 holds it."""
    return (value - _LOWEST) % 2**64 + _LOWEST


def as_sum(expr: Expr) -> Sum:
    """The sum form of an int64 expression."""
    if not isinstance(expr, Apply):
        if isinstance(expr, Const):
            return Sum((), int(expr.value))
        return Sum(((expr, 1),), 0)
    if expr.fn not in SUMS:
        return Sum(((expr, 1),), 0)
    try:
        return expr._sum
    except AttributeError:
        found = _added_up(expr)
        if len(found.terms) != 1 or found.terms[0][0] is not expr:
            expr._sum = found  # else the two would keep each other
        return found


def _added_up(expr: Expr) -> Sum:
    terms: dict[Expr, int] = {}
    constant = 0
    left: list[tuple[Expr, int]] = [(expr, 1)]
    while left:
        node, factor = left.pop()
        match node:
            case Const(value=value):
                constant += factor * int(value)
            case Apply(fn="add", args=(a, b)):
                left += ((b, factor), (a, factor))
            case Apply(fn="sub", args=(a, b)):
                left += ((b, -factor), (a, factor))
            case Apply(fn="neg", args=(a,)):
                left.append((a, -factor))
            case Apply(fn="mul", args=(a, Const(value=value))):
                left.append((a, factor * int(value)))
            case Apply(fn="mul", args=(Const(value=value), b)):
                left.append((b, factor * int(value)))
            case Apply(fn="shl", args=(a, Const(value=count))) if 0 <= count < 63:
                left.append((a, factor << int(count)))
            case _:
                total = terms.get(node, 0) + factor
                if total:
                    terms[node] = total
                else:
                    terms.pop(node, None)
    return Sum(tuple(terms.items()), constant)


def linear_in(expr: Expr, var: Var) -> int | None:
    """How much one step of ``var`` adds to ``expr``; None when that is not a constant."""
    from .rewrite import variables_of

    found = 0
    for atom, c in as_sum(expr).terms:
        if atom is var:
            found = c
        elif not isinstance(atom, Var) and any(v is var for v in variables_of(atom)):
            return None
    return found
