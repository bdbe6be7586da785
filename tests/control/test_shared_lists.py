"""Lists with two names after a branch: what changes them by the one is seen by the other."""

import copy

import pytest

import mlc


def chosen_row(x):
    table = [[1, 2], [3, 4]]
    row = table[0]
    if x > 0:
        row = table[1]
    row[0] = x
    return table


def row_on_each_side(x):
    table = [[1, 2], [3, 4]]
    if x > 0:
        row = table[1]
    else:
        row = table[0]
    row[0] = x
    return table


def kept_and_swapped(x):
    table = [[1, 2], [3, 4]]
    first = table[0]
    if x > 0:
        table[0], table[1] = table[1], table[0]
    table[0][0] = 77
    return first, table


def conditional_expression(x):
    first, second = [1, 2], [3, 4]
    chosen = first if x > 0 else second
    chosen[0] = x
    return first, second


def written_or_swapped(x):
    table = [[x, 2], [3, 4]]
    if x > 0:
        table[0][0] = 9
    else:
        table[0], table[1] = table[1], table[0]
    return table


def written_and_swapped(x):
    table = [[x, 2], [x + 1, 4]]
    if x > 0:
        table[0][0] = 5
        if x > 2:
            table[0], table[1] = table[1], table[0]
        table[0][1] = 6
    return table


def swapped_in_a_loop(x):
    table = [[1, 2], [3, 4]]
    first = table[0]
    for _ in range(201):
        table[0], table[1] = table[1], table[0]
        table[0][0] += x
    return first, table


def written_and_renamed(x):
    first, second = [1, 2], [3, 4]
    row = first
    if x > 0:
        row[0] = x
        row = second
    return first, second, row


FUNCTIONS = [
    chosen_row, row_on_each_side, kept_and_swapped, conditional_expression, written_or_swapped,
    written_and_swapped, swapped_in_a_loop, written_and_renamed,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_writes_show_under_both_names(function):
    fast = mlc.jit(function)
    for x in (0, 1, 3):
        assert fast(x) == function(x)


def read_in_a_loop(x):
    table, found = [[1, 2], [3, 4]], 0
    for i in range(200):
        if x > i:
            row = table[0]
        else:
            row = table[1]
        other = table[1] if x > i else table[0]
        found += row[0] * other[1] * i
    return found


def test_rows_that_nobody_changes_are_native_in_loops():
    fast = mlc.jit(read_in_a_loop)
    for x in (0, 7, 300):
        assert fast(x) == read_in_a_loop(x)
    assert len(fast.cache_info()) == 1


def pivoted(rows):
    for k in range(2):
        if rows[k][k] == 0:
            rows[k], rows[k + 1] = rows[k + 1], rows[k]
        else:
            factor = rows[k + 1][k] / rows[k][k]
            rows[k + 1][k] -= factor * rows[k][k]
    return rows


@pytest.mark.parametrize("first", [0, 2])
def test_rows_of_an_argument_change_places(first):
    rows = [[first, 1, 3], [4, 5, 6], [7, 10, 2]]
    expected, given = copy.deepcopy(rows), copy.deepcopy(rows)
    assert mlc.jit(pivoted)(given) == pivoted(expected)
    assert given == expected


def changed_or_bound_anew(x, anew):
    """What holds the list by its name holds one in each branch."""
    items, parts = [x, x + 1], {"first": [x, 2.0], "last": x}
    if x > 0:
        items[0] = items[1] * 2
        parts["first"][0] += items[0]
        if anew:
            items, parts = [], {}
    else:
        items[1] = items[0] * 3
        parts["last"] = parts["first"][0] - items[1]
        if anew:
            items, parts = [], {}
    return items, parts


@pytest.mark.parametrize("x", [0.5, -0.5])
def test_a_branch_does_not_see_what_the_other_one_does(x):
    assert mlc.jit(changed_or_bound_anew, static_argnames="anew")(x, False) == (
        changed_or_bound_anew(x, False)
    )


def test_the_condition_of_a_loop_does_not_see_what_its_body_did_while_tracing():
    def f(x, anew):
        items, count = [x, 1.0], 0
        while items[0] < 3 and sum(items) < 9:
            items[0], items[1] = items[0] + items[1], items[0]
            if anew:
                items = [1.0, 2.0]
            count += 1
        return items, count

    assert mlc.jit(f, static_argnames="anew")(0.25, False) == f(0.25, False)
