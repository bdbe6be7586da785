"""Equations and variables out of integer systems, for the questions that bounds do not settle."""

from __future__ import annotations

from .integer_system import ONE, Form, Row, System, divided_row, plus, scaled

_MOST_ROWS = 160  # Fourier-Motzkin gives up beyond this many inequalities


def without_equations(
    low: list[int], high: list[int], rows: list[Row]
) -> tuple[System, list[Form]] | None:
    """Inequalities alone, and the old variables in terms of the new ones; None if empty.

    An equation with a coefficient 1 or -1 gives a variable away. Else ``x = t - sum(q * y)`` with
    the quotients of the coefficients by the least one makes them smaller, as in Euclid's algorithm.
    """
    forms: list[Form] = [{v: 1} for v in range(len(low))]
    system = System()
    system.low, system.high = list(low), list(high)
    equations = [dict(items) | {ONE: k} for items, k, is_zero in rows if is_zero]
    bounds = list(range(len(low)))  # variables whose bounds are rows in the end
    free = set(bounds)
    while equations:
        equation = equations.pop()
        row = divided_row(equation, True)
        if row is None:
            return None
        items, constant, _ = row
        if not items:
            continue
        variable, least = min(items, key=lambda item: abs(item[1]))
        rest = dict(items) | {ONE: constant}
        del rest[variable]
        if abs(least) == 1:
            value = scaled(rest, -least)
        else:
            fresh = len(system.low)
            value = {fresh: 1}
            for other, c in items:
                if other != variable:
                    quotient = (2 * c + least) // (2 * least)
                    if quotient:
                        value[other] = -quotient
            a, b = system.bounds({v: -c for v, c in value.items() if v != fresh})
            system.variable(system.low[variable] + a, system.high[variable] + b)
            free.add(fresh)
            equations.append(dict(items) | {ONE: constant})
        free.discard(variable)
        equations = [_replaced(e, variable, value) for e in equations]
        forms = [_replaced(form, variable, value) for form in forms]
    for items, constant, is_zero in rows:
        if not is_zero:
            total: Form = {ONE: constant}
            for variable, c in items:
                total = plus(total, forms[variable], c)
            system.nonnegative(total)
    for variable in bounds:
        form = forms[variable]
        if variable in free:
            continue
        system.nonnegative(plus(form, {ONE: -low[variable]}))
        system.nonnegative(plus({ONE: high[variable]}, form, -1))
    # What has been replaced stands in no row: any one value of it will do.
    for variable in range(len(system.low)):
        if variable not in free:
            system.low[variable] = system.high[variable] = 0
    return system, forms


def _replaced(form: Form, variable: int, value: Form) -> Form:
    c = form.get(variable)
    if c is None:
        return form
    return plus({v: k for v, k in form.items() if v != variable}, value, c)


def is_empty_over_reals(system: System) -> bool:
    """Whether Fourier-Motzkin elimination, with bounds rounded to integers, ends in falsehood."""
    rows: set[tuple[frozenset[tuple[int, int]], int]] = set()
    variables = {v for terms, _, _ in system.rows for v, _ in terms}
    for terms, constant, _ in system.rows:
        rows.add((frozenset(terms), constant))
    for v in variables:
        rows.add((frozenset({(v, 1)}), -system.low[v]))
        rows.add((frozenset({(v, -1)}), system.high[v]))
    while variables:
        best: tuple[int, int] | None = None
        for v in variables:
            ups = sum((dict(items).get(v, 0) > 0) for items, _ in rows)
            downs = sum((dict(items).get(v, 0) < 0) for items, _ in rows)
            cost = ups * downs - ups - downs
            if best is None or cost < best[0]:
                best = (cost, v)
        assert best is not None
        gone = best[1]
        variables.discard(gone)
        kept: dict[frozenset[tuple[int, int]], int] = {}
        lows: list[tuple[Form, int]] = []
        highs: list[tuple[Form, int]] = []
        for items, constant in rows:
            form = dict(items)
            c = form.get(gone, 0)
            if c == 0:
                kept[items] = min(kept.get(items, constant), constant)
            else:
                (lows if c > 0 else highs).append((form | {ONE: constant}, abs(c)))
        for a, p in lows:
            for b, q in highs:
                row = divided_row(plus(scaled(a, q), b, p), False)
                if row is None:
                    return True
                combined, constant, _ = row
                if combined:
                    key = frozenset(combined)
                    kept[key] = min(kept.get(key, constant), constant)
        if len(kept) > _MOST_ROWS:
            return False
        rows = set(kept.items())
    return False
