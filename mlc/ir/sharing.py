"""Which parts of an expression deserve a name, so that its text and its work stay linear."""

from __future__ import annotations

from collections.abc import Sequence

from .expr import Const, Expr, Load, Select, Var

HEAVY = 5  # a node of at least this weight is named when it is used twice
LONG = 48  # a node of at least this weight is named even when it is used once


def shared_nodes(roots: Sequence[Expr], lazy: bool = False) -> list[Expr]:
    """The nodes under ``roots`` to name, inner ones first.

    With ``lazy``, naming a node evaluates it: so it must load nothing that is not loaded anyway,
    so that it cannot fail on the side of a select that is not taken.
    """
    order = _order(roots)
    uses: dict[Expr, int] = {}
    for node in order:
        for child in node.children:
            uses[child] = uses.get(child, 0) + 1
    for root in roots:
        uses[root] = uses.get(root, 0) + 1
    weight: dict[Expr, int] = {}
    unsure: set[Expr] = set()  # those that may load what nobody asked for
    certain = _certain(roots) if lazy else set()
    final = set(roots)
    found: list[Expr] = []
    for node in order:
        children = node.children
        weight[node] = own = 1 + sum(weight[child] for child in children)
        if lazy and node not in certain:
            if isinstance(node, Load) or any(child in unsure for child in children):
                unsure.add(node)
        if own < HEAVY or isinstance(node, (Const, Var)):
            continue
        if uses[node] < 2 and (own < LONG or node in final):
            continue
        if node in unsure:
            continue
        found.append(node)
        weight[node] = 1
    return found


def _order(roots: Sequence[Expr]) -> list[Expr]:
    """Every node once, children before parents."""
    seen: set[Expr] = set()
    order: list[Expr] = []
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children))
    return order


def _certain(roots: Sequence[Expr], known: dict[Expr, set[Expr]] | None = None) -> set[Expr]:
    """The nodes evaluated whichever way the selects go. ``known`` remembers sides of selects."""
    known = {} if known is None else known
    seen: set[Expr] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if not isinstance(node, Select):
            stack.extend(node.children)
            continue
        stack.append(node.condition)
        for side in (node.then, node.otherwise):
            if side not in known:
                known[side] = _certain([side], known)
        seen |= known[node.then] & known[node.otherwise]
    return seen
