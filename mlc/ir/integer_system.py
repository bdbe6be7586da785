"""Exact answers about small systems of integer equations and inequalities.

A :class:`System` has bounded integer variables, named by their number, and facts about them: a form
is 0, a form is not negative, or one of several groups of facts holds. A *form* is a dictionary from
variables to coefficients, with the constant under :data:`ONE`.

:func:`solve` finds a point, proves that there is none, or says that its budget is spent; it never
guesses. It narrows bounds first, which decides nearly every question about loop indices, then looks
for a point close to 0, then removes the equations by unimodular substitutions, asks Fourier-Motzkin
elimination whether the rest is empty over the reals, and searches again.
"""

from __future__ import annotations

from math import gcd

ONE = -1

Form = dict[int, int]
Fact = tuple[Form, bool]  # (form, True): the form is 0; (form, False): it is not negative
Row = tuple[tuple[tuple[int, int], ...], int, bool]  # (variable, coefficient)..., constant, is 0

_FIRST_LOOK = 40  # nodes searched before the equations are removed
_VISITS = 60  # narrowing stops after this many visits per row


class Unknown:
    """The answer where the budget did not suffice: neither a point nor a proof."""

    def __repr__(self) -> str:
        return "Unknown"


UNKNOWN = Unknown()
Answer = list[int] | None | Unknown


class _SpentError(Exception):
    """The budget is spent."""


def plus(a: Form, b: Form, factor: int = 1) -> Form:
    """``a + factor * b``."""
    out = dict(a)
    for variable, c in b.items():
        total = out.get(variable, 0) + factor * c
        if total:
            out[variable] = total
        else:
            out.pop(variable, None)
    return out


def scaled(a: Form, factor: int) -> Form:
    """``factor * a``."""
    return {variable: c * factor for variable, c in a.items()} if factor else {}


class System:
    """Integer variables with bounds, and facts about them."""

    __slots__ = ("choices", "high", "is_empty", "low", "rows")

    def __init__(self) -> None:
        self.low: list[int] = []
        self.high: list[int] = []
        self.rows: list[Row] = []
        self.choices: list[tuple[tuple[Fact, ...], ...]] = []
        self.is_empty = False

    def variable(self, low: int, high: int) -> int:
        """A new variable with ``low <= x <= high``."""
        if low > high:
            self.is_empty = True
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def zero(self, form: Form) -> None:
        """``form == 0``."""
        self._add(form, True)

    def nonnegative(self, form: Form) -> None:
        """``form >= 0``."""
        self._add(form, False)

    def choose(self, *alternatives: tuple[Fact, ...]) -> None:
        """All facts of at least one of ``alternatives``."""
        if len(alternatives) == 1:
            for form, is_zero in alternatives[0]:
                self._add(form, is_zero)
        elif alternatives:
            self.choices.append(alternatives)
        else:
            self.is_empty = True

    def bounds(self, form: Form) -> tuple[int, int]:
        """Least and greatest value of ``form`` within the bounds of its variables."""
        low = high = form.get(ONE, 0)
        for variable, c in form.items():
            if variable == ONE:
                continue
            a, b = c * self.low[variable], c * self.high[variable]
            low += min(a, b)
            high += max(a, b)
        return low, high

    def narrow(self) -> bool:
        """Tightens the bounds by the facts that are no choice; False if that leaves no point."""
        if self.is_empty:
            return False
        uses = _uses(self.rows, len(self.low))
        return _narrow(self.low, self.high, self.rows, uses, None)

    def _add(self, form: Form, is_zero: bool) -> None:
        row = divided_row(form, is_zero)
        if row is None:
            self.is_empty = True
        elif len(row[0]) == 1:
            ((variable, c),), constant, _ = row  # c is 1 or -1
            value = -constant * c
            if is_zero or c > 0:
                self.low[variable] = max(self.low[variable], value)
            if is_zero or c < 0:
                self.high[variable] = min(self.high[variable], value)
            if self.low[variable] > self.high[variable]:
                self.is_empty = True
        elif row[0]:
            self.rows.append(row)


def solve(system: System, budget: int = 1500) -> Answer:
    """A point of ``system`` (the values of its variables in order), None if it has none.

    Values near 0 are tried first, in the order of the variables. ``budget`` counts nodes of the
    search; where it is spent the answer is :data:`UNKNOWN`.
    """
    if system.is_empty:
        return None
    left = [budget]
    try:
        return _resolve(list(system.low), list(system.high), system.rows, system.choices, left)
    except _SpentError:
        return UNKNOWN


def divided_row(form: Form, is_zero: bool) -> Row | None:
    """``form`` divided by what its coefficients share; None if it cannot hold."""
    constant = form.get(ONE, 0)
    items = tuple((v, c) for v, c in form.items() if v != ONE and c)
    if not items:
        return (items, 0, is_zero) if (constant == 0 if is_zero else constant >= 0) else None
    shared = gcd(*(c for _, c in items))
    if shared > 1:
        if is_zero and constant % shared:
            return None
        items = tuple((v, c // shared) for v, c in items)
        constant //= shared
    return items, constant, is_zero


def _resolve(
    low: list[int],
    high: list[int],
    rows: list[Row],
    choices: list[tuple[tuple[Fact, ...], ...]],
    left: list[int],
) -> list[int] | None:
    """A point, trying the alternatives of the first choice one after the other."""
    if not _narrow(low, high, rows, _uses(rows, len(low)), None):
        return None
    if not choices:
        return _point(low, high, rows, left)
    spent = False
    for alternative in choices[0]:
        left[0] -= 1
        added = [divided_row(form, is_zero) for form, is_zero in alternative]
        if None in added:
            continue
        more = rows + [row for row in added if row is not None and row[0]]
        try:
            found = _resolve(list(low), list(high), more, choices[1:], left)
        except _SpentError:
            spent = True  # another alternative may have a point
            continue
        if found is not None:
            return found
    if spent:
        raise _SpentError
    return None


def _uses(rows: list[Row], count: int) -> list[list[int]]:
    uses: list[list[int]] = [[] for _ in range(count)]
    for number, (items, _, _) in enumerate(rows):
        for variable, _ in items:
            uses[variable].append(number)
    return uses


def _narrow(
    low: list[int], high: list[int], rows: list[Row], uses: list[list[int]], changed: int | None
) -> bool:
    """Tightens bounds in place by every row, until nothing changes; False if none is left.

    ``changed`` names the one variable whose bounds are new; None asks every row.
    """
    pending = list(range(len(rows) - 1, -1, -1)) if changed is None else list(uses[changed])
    waiting = set(pending)
    visits = _VISITS * len(rows)
    while pending and visits:
        visits -= 1
        number = pending.pop()
        waiting.discard(number)
        items, constant, is_zero = rows[number]
        top = bottom = constant
        shared = 0
        for variable, c in items:
            a, b = low[variable], high[variable]
            if c > 0:
                bottom += c * a
                top += c * b
            else:
                bottom += c * b
                top += c * a
            if a != b:
                shared = gcd(shared, c)
        if top < 0 or is_zero and bottom > 0:
            return False
        if is_zero:
            if shared != 1 and (bottom % shared if shared else bottom):
                return False
        elif bottom >= 0:
            continue
        for variable, c in items:
            a, b = low[variable], high[variable]
            if a == b:
                continue
            if c > 0:
                least = b - top // c
                most = a + (-bottom) // c if is_zero else b
            else:
                least = b - (-bottom) // -c if is_zero else a
                most = a + top // -c
            if least > a or most < b:
                least, most = max(least, a), min(most, b)
                if least > most:
                    return False
                low[variable], high[variable] = least, most
                if c > 0:
                    bottom += c * (least - a)
                    top += c * (most - b)
                else:
                    bottom += c * (most - b)
                    top += c * (least - a)
                for other in uses[variable]:
                    if other not in waiting:
                        waiting.add(other)
                        pending.append(other)
    return True


def _point(low: list[int], high: list[int], rows: list[Row], left: list[int]) -> list[int] | None:
    """A point of narrowed bounds and rows."""
    uses = _uses(rows, len(low))
    first_look = [min(_FIRST_LOOK, left[0])]
    try:
        return _search(low, high, rows, uses, first_look)
    except _SpentError:
        left[0] -= _FIRST_LOOK
    from .integer_elimination import is_empty_over_reals, without_equations

    reduced = without_equations(low, high, rows)
    if reduced is None:
        return None
    system, forms = reduced
    if system.is_empty or is_empty_over_reals(system):
        return None
    less, more = list(system.low), list(system.high)
    uses = _uses(system.rows, len(less))
    if not _narrow(less, more, system.rows, uses, None):
        return None
    found = _search(less, more, system.rows, uses, left)
    if found is None:
        return None
    return [sum(c * (1 if v == ONE else found[v]) for v, c in form.items()) for form in forms]


def _search(
    low: list[int], high: list[int], rows: list[Row], uses: list[list[int]], left: list[int]
) -> list[int] | None:
    """The first point by branching on variables in order, values near 0 first."""
    stack: list[tuple[list[int], list[int], int]] = [(low, high, 0)]
    while stack:
        low, high, variable = stack.pop()
        count = len(low)
        while variable < count and low[variable] == high[variable]:
            variable += 1
        if variable == count and _holds(low, rows):
            return low
        left[0] -= 1
        if left[0] < 0:
            raise _SpentError
        if variable < count:
            a, b = low[variable], high[variable]
            middle = min(max(a, 0), b)
            ranges = _halves(middle + 1, b) + _halves(a, middle - 1) + [(middle, middle)]
            for less, more in ranges:
                below, above = list(low), list(high)
                below[variable], above[variable] = less, more
                stack.append((below, above, variable))
        # The part looked at next is narrowed now, the others when their turn comes.
        while stack and not _narrow(*stack[-1][:2], rows, uses, stack[-1][2]):
            stack.pop()
    return None


def _holds(point: list[int], rows: list[Row]) -> bool:
    for items, total, is_zero in rows:
        for variable, c in items:
            total += c * point[variable]
        if total < 0 or is_zero and total:
            return False
    return True


def _halves(a: int, b: int) -> list[tuple[int, int]]:
    """``a..b`` in parts of a size that suits a search, the one nearest 0 last."""
    if a > b:
        return []
    size = b - a + 1
    if size <= 3:
        parts = [(x, x) for x in range(a, b + 1)]
    else:
        middle = a + size // 2
        parts = [(a, middle - 1), (middle, b)]
    return parts if b < 0 else parts[::-1]
