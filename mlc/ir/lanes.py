"""Conditions that hold for all of some neighbours, or for none of them."""

from __future__ import annotations

from collections.abc import Callable

from .affine import as_sum
from .expr import Apply, Const, Expr, Load, Select, Var
from .rewrite import conjuncts, loads_of, variables_of


def padded_load(value: Expr) -> tuple[Expr, Load] | None:
    """The condition and the load of ``select(condition, A[i], 0)``, an element of an array that is
    padded with zeros, be it twice; None for anything else."""
    match value:
        case Select(condition=test, then=Select() as inside, otherwise=Const(value=rest)):
            found = padded_load(inside)
            if found is not None and str(rest) in ("0", "0.0", "False") and not loads_of(test):
                return test & found[0], found[1]
        case Select(condition=test, then=Load() as inside, otherwise=Const(value=rest)):
            if str(rest) in ("0", "0.0", "False") and not loads_of(test):
                return test, inside
    return None


def same_for_lanes(
    test: Expr, var: Var, lanes: int, sums: Callable[[Expr], Expr] = lambda e: e
) -> Expr | None:
    """``test`` for all ``lanes`` values of ``var`` from a multiple of ``lanes`` on, as that for the
    first; None where they may differ. ``sums`` may rewrite what is compared.

    ``4 * i + var < 12`` is ``4 * i < 12`` for four lanes.
    """
    made: Expr | None = None
    for part in conjuncts(test):
        one = part if all(v is not var for v in variables_of(part)) else None
        match part:
            case Apply(fn="lt" | "le" as fn, args=(a, Const(value=int() as bound))) if one is None:
                total = as_sum(sums(a))
                rest = total.plus(as_sum(var), -1)
                steps = (bound + (fn == "le"), rest.constant, *(c for _, c in rest.terms))
                apart = all(v is not var for atom, _ in rest.terms for v in variables_of(atom))
                if total.coefficient(var) == 1 and apart and all(n % lanes == 0 for n in steps):
                    one = rest.expr() < bound + (fn == "le")
        if one is None:
            return None
        made = one if made is None else made & one
    return made
