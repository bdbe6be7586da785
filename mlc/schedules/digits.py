"""Index expressions as sums of digits of loop variables, and what that says about iterations.

A *digit* of a loop variable ``v`` is ``v // low % extent``: all of ``v`` after a split, a quotient
or remainder of it after a fuse. A sum of independent digits takes every value of an interval, each
once, just when its coefficients are those of a mixed radix. These are quick proofs: what they leave
open is not disproven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..ir.affine import as_sum
from ..ir.expr import Apply, Const, Expr, Var
from ..ir.simplify import simplify
from ..records import dataclass


@dataclass(frozen=True)
class Digit:
    """``var // low % extent``; ``whole`` says that no other digit of ``var`` limits it."""

    var: Var
    low: int
    extent: int
    whole: bool


@dataclass(frozen=True)
class Digits:
    """``constant + sum(coefficient * digit)``, least coefficient first."""

    terms: tuple[tuple[int, Digit], ...]
    constant: int

    @property
    def is_contiguous(self) -> bool:
        """Whether the values are all the integers from the least to the greatest."""
        reach = 0
        for coefficient, digit in self.terms:
            if coefficient > reach + 1:
                return False
            reach += coefficient * (digit.extent - 1)
        return True

    @property
    def is_injective(self) -> bool:
        """Whether different digits give different values."""
        reach = 0
        for coefficient, digit in self.terms:
            if coefficient <= reach:
                return False
            reach += coefficient * (digit.extent - 1)
        return True

    @property
    def greatest(self) -> int:
        """The greatest value."""
        return self.constant + sum(c * (d.extent - 1) for c, d in self.terms)


def digits_of(expr: Expr, extents: Mapping[Var, int]) -> Digits | None:
    """``expr`` as a sum of independent digits with positive coefficients, or None."""
    total = as_sum(simplify(expr, extents))
    terms: list[tuple[int, Digit]] = []
    for atom, coefficient in total.terms:
        digit = digit_of(atom, extents)
        if digit is None or coefficient < 0:
            return None
        if digit.extent > 1:
            terms.append((coefficient, digit))
    if not independent([digit for _, digit in terms]):
        return None
    return Digits(tuple(sorted(terms, key=lambda term: term[0])), total.constant)


def digit_of(atom: Expr, extents: Mapping[Var, int]) -> Digit | None:
    """``atom`` as a digit of a variable with a known extent, or None."""
    match atom:
        case Var() if atom in extents:
            return Digit(atom, 1, extents[atom], True)
        case Apply(fn="floordiv", args=(Var() as v, Const(value=d))) if v in extents and d > 0:
            return Digit(v, d, -(-extents[v] // d), extents[v] % d == 0)
        case Apply(fn="mod", args=(Var() as v, Const(value=m))) if v in extents and m > 0:
            return Digit(v, 1, min(m, extents[v]), extents[v] % m == 0)
        case Apply(
            fn="mod", args=(Apply(fn="floordiv", args=(Var() as v, Const(value=d))), Const(value=m))
        ) if v in extents and d > 0 and m > 0:
            return Digit(v, d, min(m, -(-extents[v] // d)), extents[v] % (d * m) == 0)
        case Apply(
            fn="floordiv", args=(Apply(fn="mod", args=(Var() as v, Const(value=m))), Const(value=d))
        ) if v in extents and d > 0 and m > 0 and m % d == 0:
            return Digit(v, d, -(-min(m, extents[v]) // d), extents[v] % m == 0)
        case _:
            return None


def independent(digits: Sequence[Digit]) -> bool:
    """Whether the digits take all combinations of their values."""
    by_var: dict[Var, list[Digit]] = {}
    for digit in digits:
        by_var.setdefault(digit.var, []).append(digit)
    for group in by_var.values():
        if len(group) == 1:
            continue
        reached = 0
        for digit in sorted(group, key=lambda d: d.low):
            if not digit.whole or digit.low < reached:
                return False
            reached = digit.low * digit.extent
    return True
