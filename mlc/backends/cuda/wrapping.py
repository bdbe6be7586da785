"""CUDA C as it is shown: lines that are too long go on in the next one."""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDTH = 100
_STEP = 4  # columns that a line is indented by where it goes on
_OPEN, _CLOSE = "([{", ")]}"
_WHOLE = r'"(?:\\.|[^"\\])*"|\w<[\w, ]*>'  # texts, and what templates are told
_TOKENS = re.compile(_WHOLE + r"|[][(){}]|, | [-+*/%]?= | (?=&& |\|\| |\? |: |\+ |- |\* )")
_LAST = 3
_RANKS = {"&": 1, "|": 1, "?": 0, ":": 0, "+": 2, "-": 2}  # by what the next line begins with


def wrap_lines(source: str, width: int = WIDTH) -> str:
    """``source`` with no line of more than ``width`` columns where it can be broken; but for
    space between words, and marks of comments, the same text::

        a[i] = f(b[i * 4 + j], c[i]);    ->    a[i] =
                                                   f(b[i * 4 + j], c[i]);
    """
    lines = source.split("\n")
    return "\n".join(part for line in lines for part in _wrapped(line, width))


def _wrapped(line: str, width: int) -> Iterator[str]:
    text = line.lstrip()
    indent = line[: len(line) - len(text)]
    mark = "// " if text.startswith("// ") else ""
    if text.startswith("#") or text.endswith("\\") or not mark and "//" in text:
        yield line
        return
    depth = parts = 0  # of brackets; breaks outside of all
    while len(line) > width:
        if mark:
            cut = line.rfind(" ", len(indent) + len(mark), width + 1)
            going_on = mark
        else:
            cut, depth = _best_cut(line, width, depth)
            going_on = " " * _STEP * max(depth + parts, 1)
            parts += depth == 0
        if cut < 0:
            break
        yield line[:cut].rstrip()
        line = indent + going_on + line[cut:].lstrip()
    yield line


def _best_cut(line: str, width: int, depth: int) -> tuple[int, int]:
    """Where to break, -1 where nowhere, and within how many brackets, of which there are ``depth``
    already: as few as possible, rather after an assignment or between arguments than between
    terms, and as far to the right as there is room."""
    start = len(line) - len(line.lstrip()) + _STEP
    best, found = None, (-1, depth)
    for token in _TOKENS.finditer(line):
        text, end = token.group(), token.end()
        if end > width + 1:
            break
        if text in _OPEN:
            depth += 1
        elif text in _CLOSE:
            depth -= 1
        elif end > start and text[-1] not in '">':
            rank = _RANKS.get(line[end], _LAST) if text == " " else 0
            key = (depth, rank, -end)
            if best is None or key < best:
                best, found = key, (end, depth)
    return found
