"""List comprehensions as loops that append, so that long ones over traced arrays are native.

::

    [f(a, b) for a, b in pairs]
        ->  __mlc__.comprehended(pairs, lambda box: lambda item:
                box.append([f(a, b) for a, b in (item,)][0]), weight, names, reads)

    [f(a) for a in x if a > 0]
        ->  __mlc__.comprehended_where(x, lambda box: lambda item:
                [box.where(a > 0, lambda: box.append(f(a))) for a in (item,)], weight, names, reads)

    [f(a, b) for a in x for b in y]
        ->  __mlc__.comprehended_where(x, lambda box: lambda item:
                [box.through(y, lambda box: ..., weight) for a in (item,)], weight, names, reads)

    sum(f(a) for a in x)
        ->  __mlc__.consumed(sum, x, lambda box: (f(a) for a in box), lambda box: ..., ...)()
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from .names import touched, weight
from .nodes import walk
from .syntax import called, constant, filled, raw, variable

Comprehension = ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp
_BOX, _ITEM = "_mlc_box", "_mlc_element"
_LOOP = 8  # what `weight` takes a loop in a loop for
_COMPUTED = (ast.Call, ast.BinOp, ast.Subscript)
_CONSUMERS = frozenset({"sum", "any", "all", "min", "max", "sorted", "list", "tuple", "set"})


def is_loop(node: ast.ListComp) -> bool:
    """Whether ``node`` computes something for each item, asks about each, or has more than one
    source."""
    if not _is_plain(node):
        return False
    is_asked = is_choosing(node)
    return is_asked or any(isinstance(part, _COMPUTED) for part in walk(node.elt))


def is_choosing(node: Comprehension) -> bool:
    """Whether data might decide how many items ``node`` has."""
    return len(node.generators) > 1 or bool(node.generators[0].ifs)


def is_consumed(node: ast.Call) -> bool:
    """Whether ``node`` calls what may be a function of Python's that goes through all items, and
    hands it a generator."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as items, *_]):
            return name in _CONSUMERS and _is_plain(items)
    return False


def items_of(node: ast.SetComp | ast.DictComp) -> tuple[str, ast.ListComp] | None:
    """What makes ``node`` of a list, and the items of ``node``, pairs of those of a dict, as that
    list; None where that is no loop, or data do not choose among them."""
    element: ast.expr
    name = "dict_of" if isinstance(node, ast.DictComp) else "set_of"
    match node:
        case ast.DictComp(key=key, value=value):
            if isinstance(key, ast.JoinedStr) or isinstance(value, (ast.List, ast.ListComp)):
                return None
            element = ast.Tuple([key, value], ast.Load())
        case ast.SetComp(elt=element):
            pass
    made = ast.copy_location(ast.ListComp(element, node.generators), node)
    return (name, made) if is_choosing(node) and is_loop(made) else None


def _is_plain(node: ast.ListComp | ast.GeneratorExp) -> bool:
    """Whether ``node`` only goes through its sources."""
    return not any(loop.is_async for loop in node.generators) and not any(
        isinstance(part, (ast.NamedExpr, ast.Await, ast.Yield)) for part in walk(node)
    )


def as_loop(node: ast.ListComp, cost: int, names: list[str]) -> ast.expr:
    """What stands for ``node``, of which `is_loop` holds and whose parts are rewritten; ``cost``
    and ``names`` are what `cost_of` and `names_of` told before."""
    body = _gathering(node.generators, node.elt, cost)
    parts = [node.generators[0].iter, body, constant(cost), *_named(names)]
    return filled(
        called("comprehended_where" if is_choosing(node) else "comprehended", parts), node
    )


def as_consumed(node: ast.Call, cost: int, names: list[str]) -> ast.expr:
    """The same of a call of which `is_consumed` holds."""
    items = node.args[0]
    assert isinstance(items, ast.GeneratorExp)
    source, has_tests = items.generators[0].iter, is_choosing(items)
    plain = copy.deepcopy(items)
    plain.generators[0].iter = variable(_BOX)
    body = _gathering(items.generators, items.elt, cost)
    parts = [node.func, source, _function(_BOX, plain), body, constant(cost)]
    node.func = filled(called("consumed", [*parts, *_named(names), constant(has_tests)]), node)
    node.args = node.args[1:]
    return node


def _named(names: list[str]) -> list[ast.expr]:
    return [constant(tuple(names)), ast.Tuple([raw(name) for name in names], ast.Load())]


def _gathering(loops: Sequence[ast.comprehension], element: ast.expr, cost: int) -> ast.expr:
    """What is done with an item of the first of ``loops``: the function of a box that gives a
    function of the item."""
    loop, *others = loops
    body: ast.expr = ast.Call(_of_box("append"), [element], [])
    if others:
        parts = [others[0].iter, _gathering(others, element, cost), constant(cost)]
        body = ast.Call(_of_box("through"), parts, [])
    alone = ast.comprehension(loop.target, ast.Tuple([variable(_ITEM)], ast.Load()), [], 0)
    if not others and not loop.ifs:
        first = ast.Subscript(ast.ListComp(element, [alone]), constant(0), ast.Load())
        return _function(_BOX, _function(_ITEM, ast.Call(_of_box("append"), [first], [])))
    if loop.ifs:
        test, *rest = loop.ifs
        if rest:
            test = called("and_", [test, *(_function("", other) for other in rest)])
        body = ast.Call(_of_box("where"), [test, _function("", body)], [])
    return _function(_BOX, _function(_ITEM, ast.ListComp(body, [alone])))


def _of_box(name: str) -> ast.expr:
    return ast.Attribute(variable(_BOX), name, ast.Load())


def cost_of(node: ast.ListComp | ast.GeneratorExp) -> int:
    """About how many operations an item takes, the call of ``append`` among them."""
    parts = _asked(node)
    inner = sum(isinstance(part, ast.ListComp) for whole in parts for part in walk(whole))
    return weight(parts) + 2 + _LOOP * (inner + len(node.generators) - 1)


def _asked(node: ast.ListComp | ast.GeneratorExp) -> list[ast.expr]:
    """What is computed for an item of the first source of ``node``."""
    first, *others = node.generators
    return [node.elt, *first.ifs, *(part for loop in others for part in (loop.iter, *loop.ifs))]


def names_of(node: ast.ListComp | ast.GeneratorExp) -> list[str]:
    """The variables around ``node`` inside of which an item might change something."""
    own = {n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in walk(node) if isinstance(n, ast.arg)}
    return [n for n in touched(_asked(node)) if n not in own]


def is_comprehended(value: ast.expr) -> bool:
    """Whether ``value`` is what `as_loop` has made."""
    match value:
        case ast.Call(func=ast.Attribute(attr="comprehended" | "comprehended_where")):
            return True
    return False


def _function(parameter: str, body: ast.expr) -> ast.Lambda:
    given = [ast.arg(parameter)] if parameter else []
    return ast.Lambda(ast.arguments([], given, None, [], [], None, []), body)
