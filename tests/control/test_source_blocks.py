"""The definitions that are found in lines are those that Python's tokens say."""

from __future__ import annotations

import ast
import inspect
import textwrap
import tokenize
from pathlib import Path

import pytest

from mlc.control.source_blocks import definition_at

ODD = '''
@decorator(
    1,
)
def brackets(
    a,
):
    """A text
that stands at the margin,
  """
    # a remark
# and one at the margin
    if a:
        b = [
1, 2,
        ]

        return b
    c = a + \\
1
    return c
def right_behind(x): return x


class Inside:
    @property
    def method(self):
        return """
one
        two
"""
    # a remark of the class

    other = 1
    async def last(self):
        pass
    #'''


def starts(text: str) -> list[int]:
    """The lines in which functions begin, from 0."""
    found = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
    return [min([n.lineno, *(d.lineno for d in n.decorator_list)]) - 1 for n in found]


@pytest.mark.parametrize(
    "text",
    [ODD, Path(inspect.getfile(ast)).read_text(), Path(inspect.getfile(textwrap)).read_text()],
    ids=["odd", "ast", "textwrap"],
)
def test_the_same_as_by_tokens(text: str) -> None:
    lines = text.splitlines(keepends=True)
    for start in starts(text):
        block = textwrap.dedent("".join(inspect.getblock(lines[start:])))
        try:
            wanted = ast.dump(ast.parse(block))
        except SyntaxError:  # texts at the margin in indented functions
            with pytest.raises(SyntaxError):
                definition_at(lines, start)
            continue
        assert ast.dump(definition_at(lines, start)) == wanted, lines[start]


def test_what_is_no_definition() -> None:
    for text in ("def f(:\n    pass\n", "x = (1,\n"):
        with pytest.raises((SyntaxError, tokenize.TokenError)):
            definition_at(text.splitlines(keepends=True), 0)
    assert not definition_at([], 0).body and not definition_at(["x = 1"], 3).body


def test_many_lines_of_text_at_the_margin() -> None:
    text = "def f():\n    x = '''\n" + "line\n" * 100 + "    '''\n    return x\ny = 1\n"
    (f,) = definition_at(text.splitlines(keepends=True), 0).body
    assert isinstance(f, ast.FunctionDef) and isinstance(f.body[-1], ast.Return)
