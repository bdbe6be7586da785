"""Putting the body of one compute in place of the loads of its tensor.

Bodies are shared expressions: what is inlined at the same indices is one node, whoever reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..ir.expr import Const, Expr, Load, Var, load
from ..ir.rewrite import loads_of, postorder, substitute
from ..ir.simplify import simplify


def remap_loads(body: Expr, mapping: Mapping[Var, Expr]) -> dict[Load, Load]:
    """The loads of ``body``, and what becomes of each where the axes are replaced by ``mapping``.

    Only index expressions are rewritten, so this costs little where indices are plain axes.
    """
    found: dict[Load, Load] = {}
    memo: dict[Expr, Expr] = {}
    for node in loads_of(body):
        indices = tuple(_remap_index(index, mapping, memo) for index in node.indices)
        found[node] = load(node.source, indices)  # type: ignore[assignment]
    return found


def _remap_index(index: Expr, mapping: Mapping[Var, Expr], memo: dict[Expr, Expr]) -> Expr:
    if isinstance(index, Const):
        return index
    if isinstance(index, Var):
        return mapping.get(index, index)
    return simplify(substitute(index, mapping, memo))


def expand(
    body: Expr,
    mapping: Mapping[Var, Expr],
    loads: Mapping[Load, Load],
    built: Callable[[Load], Expr | None],
) -> Expr:
    """``body`` at the point ``mapping``, each load replaced by ``built(loads[it])``.

    ``loads`` is what :func:`remap_loads` said; where ``built`` knows nothing, the moved load stays.
    """
    done: dict[Expr, Expr] = {}
    for node in postorder(body):
        if isinstance(node, Load):
            moved = loads[node]
            found = built(moved)
            done[node] = moved if found is None else found
        elif isinstance(node, Var):
            done[node] = mapping.get(node, node)
        else:
            children = node.children
            fresh = tuple(done[child] for child in children)
            same = all(a is b for a, b in zip(fresh, children, strict=True))
            done[node] = node if same else node.with_children(fresh)
    return done[body]


def resolve_loads(root: Expr, built: Callable[[Load], Expr | None]) -> Expr:
    """``root`` with loads replaced by what ``built`` knows for them.

    ``built`` is asked for each load as it stands before anything in its indices is replaced.
    """
    done: dict[Expr, Expr] = {}
    for node in postorder(root):
        found = built(node) if isinstance(node, Load) else None
        if found is None:
            children = node.children
            fresh = tuple(done[child] for child in children)
            same = all(a is b for a, b in zip(fresh, children, strict=True))
            found = node if same else node.with_children(fresh)
        done[node] = found
    return done[root]
