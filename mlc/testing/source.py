"""The source of a function, as far as it can be found."""

from __future__ import annotations

import ast
import dis
import inspect
import textwrap
import types
from collections.abc import Iterator
from typing import Any

from ..control.lambdas import are_alike


def definition(code: types.CodeType) -> ast.FunctionDef | ast.Lambda | None:
    """The syntax that ``code`` was compiled from, with the lines of its file; None where there is
    none, or it cannot be told from others."""
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError):
        return None
    text = textwrap.dedent("".join(lines))
    if code.co_name == "<lambda>":
        found = next((node for node, _ in _lambdas(text, code)), None)
        return None if found is None else ast.increment_lineno(found, first - 1)
    try:
        module = ast.parse(text)
    except SyntaxError:
        return None
    node = module.body[0] if module.body else None
    if not isinstance(node, ast.FunctionDef) or node.name != code.co_name:
        return None
    return ast.increment_lineno(node, first - 1)


def text_of(function: types.FunctionType) -> str:
    """The text of a definition, or of a lambda in parentheses; "" where it cannot be found."""
    try:
        text = textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):
        return ""
    if function.__code__.co_name != "<lambda>":
        return text
    return next((f"({found})" for _, found in _lambdas(text, function.__code__)), "")


_READS = ("LOAD_GLOBAL", "LOAD_NAME")  # and not attributes, which co_names holds too


def globals_of(function: types.FunctionType) -> dict[str, Any]:
    """What the definition of ``function`` reads from its module or from around it."""
    names: set[str] = set()
    todo = [function.__code__]
    while todo:
        code = todo.pop()
        names.update(i.argval for i in dis.get_instructions(code) if i.opname in _READS)
        todo += [const for const in code.co_consts if isinstance(const, types.CodeType)]
    whole = definition(function.__code__)
    if whole is not None:  # annotations, decorators and defaults, too
        parts: list[ast.AST | None] = [whole.args]
        if isinstance(whole, ast.FunctionDef):
            parts += [*whole.decorator_list, whole.returns]
        nodes = (node for part in parts if part is not None for node in ast.walk(part))
        names.update(node.id for node in nodes if isinstance(node, ast.Name))
    found = {n: function.__globals__[n] for n in sorted(names) if n in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found


def _lambdas(text: str, code: types.CodeType) -> Iterator[tuple[ast.Lambda, str]]:
    """The lambdas in ``text``, which may be cut out of something longer, that mean ``code``."""
    start = text.find("lambda")
    while start >= 0:
        for end in range(len(text), start, -1):
            try:
                node = ast.parse(f"({text[start:end]})", mode="eval").body
            except SyntaxError:
                continue
            if isinstance(node, ast.Lambda):
                if _means(text[start:end], code):
                    yield node, text[start:end]
                break
        start = text.find("lambda", start + 1)


def _means(text: str, code: types.CodeType) -> bool:
    names = ", ".join(code.co_freevars)
    whole = compile(f"def f({names}):\n return (\n{text}\n)", "<lambda>", "exec")
    outer = next(c for c in whole.co_consts if isinstance(c, types.CodeType))
    inner = next((c for c in outer.co_consts if isinstance(c, types.CodeType)), None)
    return inner is not None and are_alike(inner, code)
