"""Simplification of expressions: exact, with NaN, infinities and signed zeros kept.

Each rule is one function from a node to a better node or None; :func:`simplify` applies them
bottom-up. Index arithmetic is brought into sum form, and quotients and remainders are resolved by
the ranges of the variables. Sums in int64 wrap: what the data hold is divided and compared as it
stands, unless its bounds say that it cannot leave int64.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import boolean, int64
from .affine import ALWAYS, SUMS, Sum, as_sum
from .bounds import Ranges, decide, interval, may_wrap
from .expr import Apply, Cast, Const, Expr, Load, Select, apply, const
from .rewrite import rewrite, variables_of
from .scalar import SCALAR_FNS


def simplify(
    root: Expr, ranges: Ranges | None = None, memo: dict[Expr, Expr] | None = None
) -> Expr:
    """``root`` in simpler form, equal for every point within ``ranges``.

    ``memo`` may be shared between calls with the same ranges.
    """
    if not root.children:
        return root
    kept = root._simple
    if kept is ALWAYS:
        return root
    known: Ranges = {} if ranges is None else ranges
    # All that the result depends on. The last one is kept: passes ask one after the other.
    given = tuple([known.get(var) for var in variables_of(root)])
    if kept is not None and kept[0] == given:
        return root if kept[1] is None else kept[1]

    def rule(node: Expr) -> Expr | None:
        if isinstance(node, Apply):
            folded = fold_constants(node)
            if folded is None and node.dtype is int64:
                folded = simplify_index(node, known)
            if folded is None:
                folded = simplify_algebra(node)
            if folded is None and node.dtype is boolean:
                folded = simplify_condition(node, known)
            return folded
        if isinstance(node, Select):
            return simplify_select(node, known)
        return simplify_cast(node) if isinstance(node, Cast) else None

    made = rewrite(root, rule, memo, finished=ALWAYS)
    if made is root:
        root._simple = given, None
    else:
        root._simple = given, made
        if made.children and made._simple is not ALWAYS:
            made._simple = tuple([known.get(var) for var in variables_of(made)]), None
    return made


def fold_constants(node: Apply) -> Expr | None:
    """A function of constants becomes its value: ``2 * 3 -> 6``.

    Transcendental ones stay, so that a constant and a variable argument give the same bits.
    """
    for arg in node.args:
        if not isinstance(arg, Const):
            return None
    if SCALAR_FNS[node.fn].cost > 8:
        return None
    if node.fn == "bitcast":
        return None
    if node.args[0].dtype.is_float and node.fn in ("floordiv", "mod", "fma"):
        return None
    values = [arg.dtype.numpy.type(arg.value) for arg in node.args]  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        return const(SCALAR_FNS[node.fn].numpy(*values), node.dtype)


def simplify_algebra(node: Apply) -> Expr | None:
    """Identities that hold for every value.

    ``x * 1``, ``x / 1``, ``x - 0.0``, ``x + -0.0``, ``--x``, ``max(x, x)``, ``x / 8`` as
    ``x * 0.125``. For floats ``x + 0.0`` is not among them (``-0.0 + 0.0`` is ``0.0``), nor is
    ``x * 0``.
    """
    match node:
        case Apply(fn="mul", args=(x, Const(value=1)) | (Const(value=1), x)):
            return x
        case Apply(fn="div", args=(x, Const(value=1))):
            return x
        case Apply(fn="div", args=(x, Const(value=v))) if _is_power_of_two(v):
            return apply("mul", x, const(1.0 / v, x.dtype))
        case Apply(fn="sub", args=(x, Const(value=v))) if v == 0 and math.copysign(1, v) > 0:
            return x
        case Apply(fn="add", args=(x, Const(value=v)) | (Const(value=v), x)) if v == 0 and (
            not node.dtype.is_float or math.copysign(1, v) < 0
        ):
            return x
        case Apply(fn="mul", args=(x, Const(value=0))) if node.dtype.is_integer:
            return const(0, node.dtype)
        case Apply(fn="neg", args=(Apply(fn="neg", args=(x,)),)):
            return x
        case Apply(fn="invert", args=(Apply(fn="invert", args=(x,)),)):
            return x
        case Apply(fn="abs", args=(Apply(fn="abs") as x,)):
            return x
        case Apply(fn="minimum" | "maximum" | "bitand" | "bitor", args=(x, y)) if x is y:
            return x
        case _:
            return None


def _is_power_of_two(value: float) -> bool:
    if not isinstance(value, float) or value == 0 or not math.isfinite(value):
        return False
    mantissa, exponent = math.frexp(value)
    return abs(mantissa) == 0.5 and -100 < exponent < 100


def simplify_condition(node: Apply, ranges: Ranges) -> Expr | None:
    """Comparisons of indices that the ranges decide; ``True & x``. The node is a truth value."""
    match node:
        case Apply(fn="bitand", args=(Const(value=v), x) | (x, Const(value=v))):
            return x if v else const(False)
        case Apply(fn="bitor", args=(Const(value=v), x) | (x, Const(value=v))):
            return const(True) if v else x
    if node.fn in ("lt", "le", "gt", "ge", "eq", "ne"):
        decided = decide(node, ranges)
        return None if decided is None else const(decided)
    return None


def simplify_select(node: Select, ranges: Ranges) -> Expr | None:
    """A select whose condition is known, or whose sides are the same."""
    decided = decide(node.condition, ranges)
    if decided is not None:
        return node.then if decided else node.otherwise
    return node.then if node.then is node.otherwise and not isinstance(node.then, Load) else None


def simplify_cast(node: Cast) -> Expr | None:
    """A conversion up and back: ``int32(int64(x)) -> x`` for x int32; floats likewise."""
    inner = node.value
    if isinstance(inner, Cast) and inner.value.dtype is node.dtype:
        source, through = node.dtype, inner.dtype
        if source is boolean or (source.kind == through.kind and through.bits > source.bits):
            return inner.value
    return None


def simplify_index(node: Apply, ranges: Ranges) -> Expr | None:
    """Sums in one form; quotients and remainders by constants resolved or split.

    ``(8 * i + j) // 8 -> i`` and ``(8 * i + j) % 8 -> j`` where ``j < 8``;
    ``(4 * i + j) // 8 -> i // 2`` and ``(4 * i + j) % 8 -> i % 2 * 4 + j`` where ``j < 4``;
    ``x // 8 * 8 + x % 8 -> x``.
    """
    if node.fn in SUMS:
        try:
            return node._normal
        except AttributeError:
            out = merge_remainders(as_sum(node)).expr()
            node._normal = None if out is node else out
            return node._normal
    match node:
        case Apply(fn="floordiv", args=(x, Const(value=d))) if d > 0:
            return _quotient(x, d, ranges, node)
        case Apply(fn="mod", args=(x, Const(value=d))) if d > 0:
            return _remainder(x, d, ranges, node)
        case Apply(fn="minimum" | "maximum", args=(a, b)):
            decided = decide(apply("le", a, b), ranges)
            if decided is not None:
                return a if decided == (node.fn == "minimum") else b
    return None


def _split(x: Expr, d: int) -> tuple[Sum, Sum]:
    """``x == d * whole + rest`` with every coefficient of ``rest`` not divisible by ``d``."""
    total = as_sum(x)
    whole = Sum(tuple((a, c // d) for a, c in total.terms if c % d == 0), total.constant // d)
    rest = Sum(tuple((a, c) for a, c in total.terms if c % d), total.constant % d)
    return whole, rest


def _quotient(x: Expr, d: int, ranges: Ranges, node: Expr) -> Expr | None:
    if d == 1:
        return x
    if may_wrap(as_sum(x), ranges):
        return None
    whole, rest = _split(x, d)
    low, high = interval(rest.expr(), ranges)
    if math.isfinite(low) and math.isfinite(high) and low // d == high // d:
        return whole.plus(Sum((), int(low // d))).expr()
    if (
        isinstance(x, Apply)
        and x.fn == "floordiv"
        and isinstance(x.args[1], Const)
        and 0 < x.args[1].value <= int64.highest // d  # by -1 the least number wraps
    ):
        nested = apply("floordiv", x.args[0], const(d * x.args[1].value))
        better = _quotient(x.args[0], d * x.args[1].value, ranges, nested)
        return nested if better is None else better
    common = math.gcd(d, *(c for _, c in rest.terms)) if rest.terms else 1
    if common > 1:
        terms = tuple((a, c // common) for a, c in rest.terms)
        smaller = Sum(terms, rest.constant // common).expr()
        quotient = apply("floordiv", smaller, const(d // common))
        better = _quotient(smaller, d // common, ranges, quotient)
        return whole.plus(as_sum(quotient if better is None else better)).expr()
    parts = _groups(rest, d, ranges)
    if parts is not None:
        groups, size, _ = parts
        quotient = apply("floordiv", groups, const(d // size))
        better = _quotient(groups, d // size, ranges, quotient)
        return whole.plus(as_sum(quotient if better is None else better)).expr()
    if whole.terms or whole.constant:
        return whole.plus(as_sum(apply("floordiv", rest.expr(), const(d)))).expr()
    return None


def _remainder(x: Expr, d: int, ranges: Ranges, node: Expr) -> Expr | None:
    if d == 1:
        return const(0)
    if may_wrap(as_sum(x), ranges):
        return None
    whole, rest = _split(x, d)
    low, high = interval(rest.expr(), ranges)
    if math.isfinite(low) and math.isfinite(high) and low // d == high // d:
        return rest.plus(Sum((), -int(low // d) * d)).expr()
    parts = _groups(rest, d, ranges)
    if parts is not None:
        groups, size, small = parts
        remainder = apply("mod", groups, const(d // size))
        better = _remainder(groups, d // size, ranges, remainder)
        return as_sum(remainder if better is None else better).scaled(size).plus(small).expr()
    if whole.terms or whole.constant:
        return apply("mod", rest.expr(), const(d))
    return None


def _groups(rest: Sum, d: int, ranges: Ranges) -> tuple[Expr, int, Sum] | None:
    """``rest == size * groups + small`` where ``size`` divides ``d`` and ``0 <= small < size``, so
    that only whole groups decide about a quotient by ``d``."""
    sizes = {math.gcd(c, d) for _, c in rest.terms} - {1}
    for size in sorted(sizes, reverse=True):
        big = tuple((a, c // size) for a, c in rest.terms if c % size == 0)
        small = Sum(tuple((a, c) for a, c in rest.terms if c % size), rest.constant % size)
        low, high = interval(small.expr(), ranges)
        if small.terms and low >= 0 and high < size:
            return Sum(big, rest.constant // size).expr(), size, small
    return None


def merge_remainders(total: Sum, ranges: Ranges | None = None) -> Sum:
    """``c * d * (x // d) + c * (x % d) -> c * x``, and with ``x % (n * d) // d`` in place of
    ``x // d``: ``-> c * (x % (n * d))``. Given the ranges of variables, with ``z // d`` in place of
    ``x // d`` as well, where ``z`` and ``x`` differ by multiples of ``d``: ``-> c * z``, or in
    place of it what the ranges make of it."""
    for atom, c in total.terms:
        if isinstance(atom, Apply) and atom.fn == "mod" and isinstance(atom.args[1], Const):
            x, d = atom.args[0], atom.args[1].value
            quotients = _quotients(x, d)
            if ranges is not None:
                quotients += tuple(_smaller(q, ranges) for q in quotients)
            for other, factor in total.terms:
                if factor != c * d:
                    continue
                merged = None
                if any(other is q for q in quotients):
                    merged = as_sum(x)
                elif (whole := _remainder_over(other, x, d)) is not None:
                    merged = Sum(((whole, 1),), 0)
                elif ranges is not None and _is_congruent(other, x, d, ranges):
                    merged = as_sum(other.children[0])
                elif ranges is not None and other is _simplified_quotient(x, d, ranges):
                    merged = as_sum(x)
                if merged is not None:
                    rest = tuple((a, k) for a, k in total.terms if a is not atom and a is not other)
                    whole_sum = Sum(rest, total.constant).plus(merged.scaled(c))
                    return merge_remainders(whole_sum, ranges)
    return total


def _smaller(quotient: Expr, ranges: Ranges) -> Expr:
    """A quotient as it is written once ranges have decided what they can."""
    if isinstance(quotient, Apply):
        (x, d) = quotient.args
        assert isinstance(d, Const)
        better = _quotient(x, d.value, ranges, quotient)
        return quotient if better is None else better
    return quotient


def _simplified_quotient(x: Expr, d: int, ranges: Ranges) -> Expr | None:
    """``x // d`` as :func:`simplify_index` leaves it; where ``x`` is ``y // n + c``, that of
    ``(y + n * c) // (n * d)``."""
    match as_sum(x):
        case Sum(terms=((Apply(fn="floordiv", args=(y, Const(value=n))), 1),), constant=c) if (
            0 < n <= int64.highest // d
        ):
            x, d = as_sum(y).plus(Sum((), n * c)).expr(), n * d
        case _:
            pass
    if may_wrap(as_sum(x), ranges):
        return None
    better = _quotient(x, d, ranges, x)
    return apply("floordiv", x, const(d)) if better is None else better


def _is_congruent(atom: Expr, x: Expr, d: int, ranges: Ranges) -> bool:
    """Whether ``atom`` is ``z // d``, and ``z - x`` a multiple of ``d``: its terms are, where
    ``y % m`` is ``y - y // m * m``."""
    match atom:
        case Apply(fn="floordiv", args=(z, Const(value=by))) if by == d:
            pass
        case _:
            return False
    if may_wrap(as_sum(x), ranges) or may_wrap(as_sum(z), ranges):
        return False
    apart = as_sum(z).plus(as_sum(x), -1)
    while True:
        for term, k in apart.terms:
            if k % d == 0:
                continue
            match term:
                case Apply(fn="mod", args=(y, Const(value=m))) if m > 0 and k * m % d == 0:
                    if may_wrap(as_sum(y), ranges):
                        return False
                    apart = apart.plus(Sum(((term, 1),), 0), -k).plus(as_sum(y), k)
                    break
            return False
        else:
            return apart.constant % d == 0


def _quotients(x: Expr, d: int) -> tuple[Expr, ...]:
    """``x // d`` as it may be written: ``y // n // d`` is ``y // (n * d)`` as well."""
    plain = apply("floordiv", x, const(d))
    match x:
        case Apply(fn="floordiv", args=(y, Const(value=n))) if 0 < n <= int64.highest // d:
            return plain, apply("floordiv", y, const(n * d))
    return (plain,)


def _remainder_over(atom: Expr, x: Expr, d: int) -> Expr | None:
    """``x % (n * d)`` if ``atom`` is that divided by ``d``."""
    match atom:
        case Apply(fn="floordiv", args=(Apply(fn="mod", args=(y, Const(value=m))) as whole, by)):
            if y is x and isinstance(by, Const) and by.value == d and m > 0 and m % d == 0:
                return whole
    return None
