"""List comprehensions as loops that append, so that long ones over traced arrays are native.

::

    [f(a, b) for a, b in pairs]
        ->  __mlc__.comprehended(pairs, lambda box: lambda item:
                box.append([f(a, b) for a, b in (item,)][0]), weight, names, reads)
"""

from __future__ import annotations

import ast

from .names import touched, weight
from .syntax import called, constant, filled, raw, variable

_BOX, _ITEM = "_mlc_box", "_mlc_element"
_LOOP = 8  # what `weight` takes a loop in a loop for
_COMPUTED = (ast.Call, ast.BinOp, ast.Subscript)


def is_loop(node: ast.ListComp) -> bool:
    """Whether ``node`` computes something for each item of one source, under no condition."""
    first, *others = node.generators
    if others or first.ifs or first.is_async:
        return False
    parts = list(ast.walk(node))
    if any(isinstance(part, (ast.NamedExpr, ast.Await)) for part in parts):
        return False
    return any(isinstance(part, _COMPUTED) for part in ast.walk(node.elt))


def as_loop(node: ast.ListComp, cost: int, names: list[str]) -> ast.expr:
    """What stands for ``node``, of which `is_loop` holds and whose parts are rewritten; ``cost``
    and ``names`` are what `cost_of` and `names_of` told before."""
    source = node.generators[0].iter
    node.generators[0].iter = ast.Tuple([variable(_ITEM)], ast.Load())
    first = ast.Subscript(node, constant(0), ast.Load())
    append = ast.Attribute(variable(_BOX), "append", ast.Load())
    body = _function(_ITEM, ast.Call(append, [first], []))
    reads = ast.Tuple([raw(name) for name in names], ast.Load())
    parts = [source, _function(_BOX, body), constant(cost), constant(tuple(names)), reads]
    return filled(called("comprehended", parts), node)


def cost_of(node: ast.ListComp) -> int:
    """About how many operations an item takes, the call of ``append`` among them."""
    inner = sum(isinstance(part, ast.ListComp) for part in ast.walk(node.elt))
    return weight([node.elt]) + 2 + _LOOP * inner


def names_of(node: ast.ListComp) -> list[str]:
    """The variables around ``node`` inside of which an item might change something."""
    own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return [name for name in touched([node.elt]) if name not in own]


def is_comprehended(value: ast.expr) -> bool:
    """Whether ``value`` is what `as_loop` has made."""
    match value:
        case ast.Call(func=ast.Attribute(attr="comprehended")):
            return True
    return False


def _function(parameter: str, body: ast.expr) -> ast.Lambda:
    return ast.Lambda(ast.arguments([], [ast.arg(parameter)], None, [], [], None, []), body)
