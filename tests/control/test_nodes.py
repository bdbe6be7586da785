"""Walking through syntax trees gives the nodes that the library gives, but marks, in its order."""

from __future__ import annotations

import ast
import copy
from pathlib import Path

import pytest

import mlc
from mlc.control.nodes import children, settle_places, walk

MARKS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
ALL = """
import a.b as c
from .d import e
async def f(x, /, y: int = 1, *rest, z=2, **more) -> str:
    global g
    async for i in x: await i
    async with x as y, z: pass
    return [j async for j in x if (k := j)]
@decorated
class C(Base, metaclass=M):
    x: int = 3
    def m(self): yield from self.p[1:2, ::3]; nonlocal_ = lambda: {**a, 1: not b}
def outer():
    n = 1
    def inner():
        nonlocal n
        del n
        try:
            raise E from None
        except (A, B) as e:
            assert x, f"{x!r:>{width}}"
        else: pass
        finally: x += -1 if a and b or c else ~d
        while x < y <= z != w: continue
        else: break
match point:
    case {"k": 1, **others}: pass
    case [1, *tail] | P(x=0, y=[]) as whole if whole: pass
    case None | -1: pass
"""


def sources() -> list[str]:
    folder = Path(mlc.__file__).parent
    return [ALL, *(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))[:12])]


@pytest.mark.parametrize("text", sources())
def test_nodes_are_those_of_the_library_but_marks(text: str) -> None:
    tree = ast.parse(text)
    wanted = [node for node in ast.walk(tree) if not isinstance(node, MARKS)]
    assert list(map(id, walk(tree))) == list(map(id, wanted))
    for node in wanted:
        direct = [part for part in ast.iter_child_nodes(node) if not isinstance(part, MARKS)]
        assert list(map(id, children(node))) == list(map(id, direct))


def test_what_is_replaced_on_the_way_is_not_looked_at() -> None:
    tree = ast.parse("f(g(a), b)")
    seen = []
    for node in walk(tree):
        if isinstance(node, ast.Expr):
            node.value.args = [ast.Name("c", ast.Load())]  # type: ignore[attr-defined]
        if isinstance(node, ast.Name):
            seen.append(node.id)
    assert seen == ["f", "c"]


def test_places_are_settled_as_by_the_library() -> None:
    def made() -> tuple[ast.Module, ast.AST]:
        tree = ast.parse("def around():\n    pass\n")
        inner = ast.parse("def f(x):\n    return g(x) + [x]\n").body[0]
        inner.body.insert(  # type: ignore[attr-defined]
            0, ast.Assign([ast.Name("y", ast.Store())], ast.Call(ast.Name("h", ast.Load()), [], []))
        )
        tree.body[0].body = [inner]  # type: ignore[attr-defined]
        tree.body.append(ast.Expr(ast.Name("z", ast.Load())))
        return tree, inner

    usual, part = made()
    ast.increment_lineno(part, 40)
    ast.fix_missing_locations(usual)
    ours, part = made()
    settle_places(ours, part, 40)
    assert ast.dump(ours, include_attributes=True) == ast.dump(usual, include_attributes=True)
    compile(copy.deepcopy(ours), "text", "exec")
