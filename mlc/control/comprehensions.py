"""List comprehensions as loops that append, so that long ones over traced arrays are native.

::

    [f(a, b) for a, b in pairs]
        ->  __mlc__.comprehended(pairs, lambda box: lambda item:
                box.append([f(a, b) for a, b in (item,)][0]), weight, names, reads)

    [f(a) for a in x if a > 0]
        ->  __mlc__.comprehended_where(x, lambda box: lambda item:
                [box.where(a > 0, lambda: box.append(f(a))) for a in (item,)], weight, names, reads)

    sum(f(a) for a in x)
        ->  __mlc__.consumed(sum, x, lambda box: (f(a) for a in box), lambda box: ..., ...)()
"""

from __future__ import annotations

import ast
import copy

from .names import touched, weight
from .syntax import called, constant, filled, raw, variable

_BOX, _ITEM = "_mlc_box", "_mlc_element"
_LOOP = 8  # what `weight` takes a loop in a loop for
_COMPUTED = (ast.Call, ast.BinOp, ast.Subscript)
_CONSUMERS = frozenset({"sum", "any", "all", "min", "max", "sorted", "list", "tuple", "set"})


def is_loop(node: ast.ListComp) -> bool:
    """Whether ``node`` computes something for each item of one source, or asks about each."""
    if not _is_single(node):
        return False
    has_tests = bool(node.generators[0].ifs)
    return has_tests or any(isinstance(part, _COMPUTED) for part in ast.walk(node.elt))


def is_consumed(node: ast.Call) -> bool:
    """Whether ``node`` calls what may be a function of Python's that goes through all items, and
    hands it a generator with one source."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as items, *_]):
            return name in _CONSUMERS and _is_single(items)
    return False


def _is_single(node: ast.ListComp | ast.GeneratorExp) -> bool:
    first, *others = node.generators
    if others or first.is_async:
        return False
    return not any(
        isinstance(part, (ast.NamedExpr, ast.Await, ast.Yield)) for part in ast.walk(node)
    )


def as_loop(node: ast.ListComp, cost: int, names: list[str]) -> ast.expr:
    """What stands for ``node``, of which `is_loop` holds and whose parts are rewritten; ``cost``
    and ``names`` are what `cost_of` and `names_of` told before."""
    source, has_tests = node.generators[0].iter, bool(node.generators[0].ifs)
    parts = [source, _gathering(node), constant(cost), *_named(names)]
    return filled(called("comprehended_where" if has_tests else "comprehended", parts), node)


def as_consumed(node: ast.Call, cost: int, names: list[str]) -> ast.expr:
    """The same of a call of which `is_consumed` holds."""
    items = node.args[0]
    assert isinstance(items, ast.GeneratorExp)
    source, has_tests = items.generators[0].iter, bool(items.generators[0].ifs)
    plain = copy.deepcopy(items)
    plain.generators[0].iter = variable(_BOX)
    parts = [node.func, source, _function(_BOX, plain), _gathering(items), constant(cost)]
    node.func = filled(called("consumed", [*parts, *_named(names), constant(has_tests)]), node)
    node.args = node.args[1:]
    return node


def _named(names: list[str]) -> list[ast.expr]:
    return [constant(tuple(names)), ast.Tuple([raw(name) for name in names], ast.Load())]


def _gathering(node: ast.ListComp | ast.GeneratorExp) -> ast.expr:
    """What is done with an item: the function of a box that gives a function of the item."""
    loop = node.generators[0]
    append = ast.Attribute(variable(_BOX), "append", ast.Load())
    alone = ast.comprehension(loop.target, ast.Tuple([variable(_ITEM)], ast.Load()), [], 0)
    if not loop.ifs:
        first = ast.Subscript(ast.ListComp(node.elt, [alone]), constant(0), ast.Load())
        return _function(_BOX, _function(_ITEM, ast.Call(append, [first], [])))
    then = _function("", ast.Call(append, [node.elt], []))
    test, *others = loop.ifs
    if others:
        test = called("and_", [test, *(_function("", other) for other in others)])
    where = ast.Call(ast.Attribute(variable(_BOX), "where", ast.Load()), [test, then], [])
    return _function(_BOX, _function(_ITEM, ast.ListComp(where, [alone])))


def cost_of(node: ast.ListComp | ast.GeneratorExp) -> int:
    """About how many operations an item takes, the call of ``append`` among them."""
    parts = [node.elt, *node.generators[0].ifs]
    inner = sum(isinstance(part, ast.ListComp) for whole in parts for part in ast.walk(whole))
    return weight(parts) + 2 + _LOOP * inner


def names_of(node: ast.ListComp | ast.GeneratorExp) -> list[str]:
    """The variables around ``node`` inside of which an item might change something."""
    own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return [n for n in touched([node.elt, *node.generators[0].ifs]) if n not in own]


def is_comprehended(value: ast.expr) -> bool:
    """Whether ``value`` is what `as_loop` has made."""
    match value:
        case ast.Call(func=ast.Attribute(attr="comprehended" | "comprehended_where")):
            return True
    return False


def _function(parameter: str, body: ast.expr) -> ast.Lambda:
    given = [ast.arg(parameter)] if parameter else []
    return ast.Lambda(ast.arguments([], given, None, [], [], None, []), body)
