"""Index expressions as forms of an integer system: one system for two iterations of a program.

A :class:`Point` stands for one iteration. Its expressions become forms over the variables of the
system; quotients and remainders by constants, minima, maxima and selects bring variables and
choices of their own. A second point made with ``base`` speaks of its difference to the first, so
that ``f // m == f' // m and f % m == f' % m`` says at once that ``f == f'``.
"""

from __future__ import annotations

from ...dtypes import boolean
from ...ir.expr import Apply, Axis, Cast, Const, Expr, Select, Var
from ...ir.integer_system import ONE, Fact, Form, System, plus, scaled

_MOST_ALTERNATIVES = 24
_FAR = 1 << 62

Alternatives = list[tuple[Fact, ...]]


class Space:
    """A system, and whether it says all there is: data and odd functions make it ``inexact``."""

    __slots__ = ("is_exact", "system")

    def __init__(self) -> None:
        self.system = System()
        self.is_exact = True


class Point:
    """One iteration: ``values`` holds a form for each loop variable."""

    __slots__ = ("base", "memo", "quotients", "space", "values")

    def __init__(self, space: Space, values: dict[Var, Form], base: Point | None = None) -> None:
        self.space = space
        self.values = values
        self.base = base
        self.memo: dict[Expr, Form] = {}
        self.quotients: dict[tuple[Expr, int], tuple[Form, Form]] = {}

    def form(self, expr: Expr) -> Form:
        """The value of an integer expression at this point."""
        if isinstance(expr, Const):
            return {ONE: int(expr.value)} if expr.value else {}
        if isinstance(expr, Var):
            found = self.values.get(expr)
            return self._opaque(expr) if found is None else found
        found = self.memo.get(expr)
        if found is None:
            found = self.memo[expr] = self._form(expr)
        return found

    def require(self, condition: Expr, holds: bool = True) -> None:
        """Only where ``condition`` holds (or does not)."""
        alternatives = self._alternatives(condition, holds)
        if alternatives is None:
            self.space.is_exact = False
        else:
            self.space.system.choose(*alternatives)

    def _form(self, expr: Expr) -> Form:
        match expr:
            case Apply(fn="add", args=(a, b)):
                return plus(self.form(a), self.form(b))
            case Apply(fn="sub", args=(a, b)):
                return plus(self.form(a), self.form(b), -1)
            case Apply(fn="neg", args=(a,)):
                return scaled(self.form(a), -1)
            case Apply(fn="mul", args=(a, b)):
                left, right = self.form(a), self.form(b)
                if left.keys() <= {ONE}:
                    return scaled(right, left.get(ONE, 0))
                if right.keys() <= {ONE}:
                    return scaled(left, right.get(ONE, 0))
                return self._opaque(expr, self._corners(left, right))
            case Apply(fn="shl", args=(a, Const(value=count))) if 0 <= count < 62:
                return scaled(self.form(a), 1 << count)
            case Apply(fn="shr", args=(a, Const(value=count))) if 0 <= count < 62:
                return self._divided(a, 1 << count)[0]
            case Apply(fn="bitand", args=(a, Const(value=mask))) if (
                expr.dtype.is_integer and mask > 0 and mask & (mask + 1) == 0
            ):
                return self._divided(a, mask + 1)[1]
            case Apply(fn="floordiv", args=(a, Const(value=d))) if d and expr.dtype.is_integer:
                return self._divided(a, d)[0]
            case Apply(fn="mod", args=(a, Const(value=d))) if d and expr.dtype.is_integer:
                return self._divided(a, d)[1]
            case Apply(fn="minimum" | "maximum" as fn, args=(a, b)) if expr.dtype.is_integer:
                return self._extreme(self.form(a), self.form(b), 1 if fn == "maximum" else -1)
            case Select(condition=condition, then=a, otherwise=b) if expr.dtype.is_integer:
                return self._selected(expr, condition, a, b)
            case Cast(value=value) if value.dtype.is_integer and expr.dtype.is_integer:
                found = self.form(value)
                low, high = self.space.system.bounds(found)
                if expr.dtype.lowest <= low and high <= expr.dtype.highest:
                    return found
        return self._opaque(expr)

    def _divided(self, a: Expr, d: int) -> tuple[Form, Form]:
        """Quotient, rounded down, and remainder of ``a`` by the constant ``d``."""
        known = self.quotients.get((a, d))
        if known is None:
            known = self.quotients[a, d] = self._quotient(a, self.form(a), d)
        return known

    def _quotient(self, a: Expr, value: Form, d: int) -> tuple[Form, Form]:
        system = self.space.system
        whole: Form = {}
        rest: Form = {}
        for variable, c in value.items():
            if variable == ONE:
                part, remainder = divmod(c, d)
            else:
                part, remainder = (c // d, 0) if c % d == 0 else (0, c)
            if part:
                whole[variable] = part
            if remainder:
                rest[variable] = remainder
        low, high = system.bounds(rest)
        first, last = sorted((low // d, high // d))
        if first == last:
            quotient = plus(whole, {ONE: first})
            return quotient, plus(rest, {ONE: -first * d})
        base = self.base.quotients.get((a, d)) if self.base is not None else None
        if base is not None and self.base is not None:
            if self.base.form(a) == value:
                return base
            less, more = system.bounds(base[0])
            first, last = sorted((system.bounds(value)[0] // d, system.bounds(value)[1] // d))
            quotient = plus(base[0], {system.variable(first - more, last - less): 1})
            remainder_form = plus(value, quotient, -d)
        else:
            extra: Form = {system.variable(first, last): 1}
            quotient = plus(whole, extra)
            remainder_form = plus(rest, extra, -d)
        away = remainder_form if d > 0 else scaled(remainder_form, -1)
        system.nonnegative(away)
        system.nonnegative(plus({ONE: abs(d) - 1}, away, -1))
        return quotient, remainder_form

    def _extreme(self, a: Form, b: Form, sign: int) -> Form:
        """The greater of ``a`` and ``b`` for sign 1, the lesser for -1."""
        system = self.space.system
        difference = plus(a, b, -1)
        low, high = system.bounds(difference)
        if low >= 0 or high <= 0:
            return a if (low >= 0) == (sign > 0) else b
        (la, ha), (lb, hb) = system.bounds(a), system.bounds(b)
        out = {system.variable(min(la, lb), max(ha, hb)): 1}
        for one in (a, b):
            system.nonnegative(scaled(plus(out, one, -1), sign))
        system.choose(((plus(out, a, -1), True),), ((plus(out, b, -1), True),))
        return out

    def _selected(self, expr: Expr, condition: Expr, then: Expr, otherwise: Expr) -> Form:
        yes, no = self._alternatives(condition, True), self._alternatives(condition, False)
        if yes is None or no is None:
            return self._opaque(expr)
        if not no:
            return self.form(then)
        if not yes:
            return self.form(otherwise)
        system = self.space.system
        a, b = self.form(then), self.form(otherwise)
        (la, ha), (lb, hb) = system.bounds(a), system.bounds(b)
        out = {system.variable(min(la, lb), max(ha, hb)): 1}
        cases = [(*facts, (plus(out, a, -1), True)) for facts in yes]
        cases += [(*facts, (plus(out, b, -1), True)) for facts in no]
        system.choose(*cases)
        return out

    def _corners(self, a: Form, b: Form) -> tuple[int, int]:
        (la, ha), (lb, hb) = self.space.system.bounds(a), self.space.system.bounds(b)
        corners = (la * lb, la * hb, ha * lb, ha * hb)
        return min(corners), max(corners)

    def _opaque(self, expr: Expr, bounds: tuple[int, int] | None = None) -> Form:
        """A variable for what forms cannot say: its value depends on data, or is no sum."""
        found = self.memo.get(expr)
        if found is not None:
            return found
        self.space.is_exact = False
        if bounds is None:
            if isinstance(expr, Axis):
                bounds = (0, max(expr.extent - 1, 0))
            elif expr.dtype.is_integer:
                bounds = (max(-_FAR, int(expr.dtype.lowest)), min(_FAR, int(expr.dtype.highest)))
            else:
                bounds = (-_FAR, _FAR)
        found = self.memo[expr] = {self.space.system.variable(*bounds): 1}
        return found

    def _alternatives(self, condition: Expr, holds: bool) -> Alternatives | None:
        """``condition`` as groups of facts, one of which holds; None if it cannot be said."""
        match condition:
            case Const(value=value):
                return [()] if bool(value) is holds else []
            case Apply(fn="invert", args=(a,)):
                return self._alternatives(a, not holds)
            case Apply(fn="bitand" | "bitor" as fn, args=(a, b)) if condition.dtype is boolean:
                left, right = self._alternatives(a, holds), self._alternatives(b, holds)
                if (fn == "bitand") is holds:
                    if left is None or right is None:
                        self.space.is_exact = False
                        return right if left is None else left
                    both = [(*x, *y) for x in left for y in right]
                    return both if len(both) <= _MOST_ALTERNATIVES else None
                if left is None or right is None:
                    return None
                return [*left, *right] if len(left) + len(right) <= _MOST_ALTERNATIVES else None
            case Apply(fn="lt" | "le" | "gt" | "ge" | "eq" | "ne" as fn, args=(a, b)) if (
                a.dtype.is_integer
            ):
                return _comparison(fn, plus(self.form(a), self.form(b), -1), holds)
            case _:
                return None


_OPPOSITE = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt", "eq": "ne", "ne": "eq"}


def _comparison(fn: str, difference: Form, holds: bool) -> Alternatives:
    """``difference <fn> 0`` as facts."""
    above: Fact = (plus(difference, {ONE: -1}), False)
    below: Fact = (plus({ONE: -1}, difference, -1), False)
    match fn if holds else _OPPOSITE[fn]:
        case "lt":
            return [(below,)]
        case "le":
            return [((scaled(difference, -1), False),)]
        case "gt":
            return [(above,)]
        case "ge":
            return [((difference, False),)]
        case "eq":
            return [((difference, True),)]
        case _:
            return [(below,), (above,)]
