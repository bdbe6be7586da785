"""The definition of a function in the lines of its file."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence

_TRIES = 20  # lines that may end a definition; more stand in long texts alone


def definition_at(lines: Sequence[str], start: int) -> ast.Module:
    """The syntax tree of the definition that begins with ``lines[start]``, alone; an empty one
    behind the last line. Raises SyntaxError where there is none, and what `inspect.getblock` does.

    It ends before a line that is indented as its first line or less, if what comes before that is
    whole: where that line goes on with it, in brackets or a text, it is not. To parse that takes
    Python a fraction of the time that finding the tokens does.
    """
    for _, end in zip(range(_TRIES), _ends(lines, start)):
        try:
            return ast.parse(textwrap.dedent("".join(lines[start:end])))
        except SyntaxError:
            continue
    return ast.parse(textwrap.dedent("".join(inspect.getblock(lines[start:]))))


def _ends(lines: Sequence[str], start: int) -> Iterator[int]:
    """Where the definition may end."""
    around = _indentation(lines[start]) if start < len(lines) else 0
    for n in range(start + 1, len(lines)):
        text = lines[n].lstrip()
        if text and text[0] != "#" and _indentation(lines[n]) <= around:
            yield n
    yield len(lines)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
