"""The order in memory, by NumPy, of the arrays that a loop or a branch carries.

Where both sides of a branch agree, or all iterations of a loop do, it is theirs; else only the run
knows it.
"""

from __future__ import annotations

from typing import Any

from ..tracer.memory_order import UNKNOWN, Order, order_of, set_order

Orders = dict[tuple[int, int], Order]  # of leaf k of variable n


def begin_order(
    orders: Orders, place: tuple[int, int], holder: Any, leaf: Any, is_branch: bool
) -> None:
    """Give ``holder``, which stands for ``leaf`` in a body, its order, as far as it is known."""
    found = order_of(leaf)
    if not is_branch:
        found = orders[place] = merged(orders.get(place, found), found)
    set_order(holder, found)


def end_order(
    orders: Orders, place: tuple[int, int], leaf: Any, is_branch: bool, is_first: bool
) -> bool:
    """Take into account that ``leaf`` is what a body ends with; whether the body has to be traced
    again, since it began with another order. ``is_first`` says that nothing came before."""
    found = order_of(leaf)
    known = orders.get(place, found)
    if is_first and place not in orders:
        orders[place] = found
        return found is not None
    orders[place] = merged(known, found)
    return not is_branch and orders[place] != known


def merged(one: Order, two: Order) -> Order:
    """The order of what is one or the other."""
    return one if one == two else UNKNOWN
