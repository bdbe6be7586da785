"""A random NumPy program: its text, its arguments, and what NumPy makes of it."""

from __future__ import annotations

import ast
import itertools
import linecache
import random
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from mlc.testing.comparing import copied

from .functions import is_helper
from .inputs import BFLOAT16, draw_array
from .modules import NAMES
from .statements import Writer

MOST_ELEMENTS = 3000
TRIES = 12  # statements tried for one that NumPy accepts
_NUMBER = itertools.count()
# NaN and infinity are no integers either where a fold casts what it takes.
_CAST_FIRST = ("in reduce", "in accumulate")
_TO_INTEGERS = re.compile(r"dtype=np\.u?int")


@dataclass(frozen=True)
class NumPyProgram:
    """``statements`` over the arguments ``a0``, ``a1``, ...; every variable is returned."""

    statements: tuple[str, ...]
    arguments: tuple[Any, ...]
    results: tuple[str, ...]

    @property
    def source(self) -> str:
        """The program as a function called ``program``."""
        return self._source(self.statements)

    def _source(self, statements: Sequence[str]) -> str:
        names = ", ".join(f"a{i}" for i in range(len(self.arguments)))
        lines = [line for statement in statements for line in statement.split("\n")]
        lines.append(f"return {', '.join(self.results)},")
        return f"def program({names}):\n" + "".join(f"    {line}\n" for line in lines)

    def function(self) -> Callable[..., Any]:
        """The program, with source that can be found."""
        return defined(self.source)


def defined(source: str, **names: Any) -> Callable[..., Any]:
    """The function that ``source`` defines; ``inspect`` finds its source."""
    filename = f"<program {next(_NUMBER)}>.py"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    space: dict[str, Any] = {"np": np, "__name__": "random_program", **NAMES, **names}
    exec(compile(source, filename, "exec"), space)
    function = space["program"]
    assert isinstance(function, FunctionType)
    return function


def draw_program(seed: int, heard: Callable[[str], None] = lambda _: None) -> NumPyProgram:
    """A program that NumPy runs without an error; ``heard`` is told what NumPy is about to run."""
    rng = random.Random(seed)
    with_complex = rng.random() < 0.08
    bfloat16 = 0.0 if with_complex or rng.random() > 0.06 else 0.7
    arguments = tuple(_draw_argument(rng, with_complex, bfloat16) for _ in range(rng.randint(1, 3)))
    values: dict[str, Any] = {f"a{i}": copied(value) for i, value in enumerate(arguments)}
    statements: list[str] = []

    def tried(statements: Sequence[str]) -> dict[str, Any] | None:
        heard("\n".join([*statements, f"# of {arguments!r}"]))
        return after(statements, arguments)

    for _ in range(rng.randint(1, 7)):
        target = f"t{len(statements)}"
        for _ in range(TRIES):
            statement = Writer(rng, values, with_complex).statement(target)
            found = tried([*statements, statement])
            if found is None or type(found.get(target)) in (int, float, bool, complex):
                continue  # Python's own numbers: 3 ** -1 is a float there, and its int has no end
            if _is_one_type(statement, target, statements, tried):
                values = found
                statements.append(statement)
                break
    results = [name for name in values if name.startswith("t")] or ["a0"]
    return NumPyProgram(tuple(statements), arguments, tuple(results))


def is_defined(statements: Sequence[str], arguments: Sequence[Any]) -> bool:
    """Whether NumPy runs ``statements`` with these arguments, and says what comes out."""
    return after(statements, arguments) is not None


def _draw_argument(rng: random.Random, with_complex: bool, bfloat16: float) -> Any:
    if rng.random() < 0.08:
        if rng.random() < 0.3:
            return rng.choice((np.float32(1.5), np.int8(3), np.float64(-2), np.True_, np.uint8(7)))
        return rng.choice((2, 3, -1, 0.5, 1 - 2j) if with_complex else (2, 3, -1, 0.5, True))
    array = draw_array(rng, bfloat16=bfloat16)
    if with_complex and rng.random() < 0.6:
        with np.errstate(all="ignore"):
            return np.asarray(array * np.complex64(rng.choice((1j, 0.5 - 2j, -3j))) + array)
    return array


def _is_one_type(
    statement: str, target: str, statements: Sequence[str], tried: Callable[[Sequence[str]], Any]
) -> bool:
    """Whether both branches of a statement or of an expression give the same shape and dtype, as
    compiled code must: where they differ, it refuses or takes the dtype that holds both."""
    for number in range(len(_choices(ast.parse(statement)))):
        found = [tried([*statements, _decided(statement, number, test)]) for test in (True, False)]
        if any(values is None for values in found):
            return False
        one, two = (np.asarray(values.get(target)) for values in found if values is not None)
        if one.dtype != two.dtype or one.shape != two.shape:
            return False
    return True


def _choices(tree: ast.Module) -> list[Any]:
    """The ``if`` that a statement is, and the conditional expressions of one that is no loop."""
    found: list[Any] = []
    parts: list[ast.AST] = list(tree.body)
    while parts:
        part = parts.pop()
        if isinstance(part, (ast.For, ast.While, ast.Lambda, ast.FunctionDef)):
            continue
        if isinstance(part, (ast.If, ast.IfExp)) and not _is_of_shape(part.test):
            found.append(part)
        parts += ast.iter_child_nodes(part)
    return found


def _is_of_shape(test: ast.expr) -> bool:
    """Whether shapes alone decide ``test``, which says then what may follow."""
    return isinstance(test, ast.Attribute) and test.attr in ("size", "ndim")


def _decided(statement: str, number: int, test: bool) -> str:
    """``statement`` with ``test`` in the place of the condition of its choice ``number``."""
    tree = ast.parse(statement)
    _choices(tree)[number].test = ast.Constant(test)
    return ast.unparse(tree)


def _of_one_type(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Python's ``max`` or ``min`` of what promotes alike, whichever of them it takes."""

    def chosen(*values: Any, **options: Any) -> Any:
        kinds = {value.dtype.kind for value in values if hasattr(value, "dtype")}
        if len(kinds | {np.result_type(*values).kind}) > 1:
            raise TypeError("what comes out depends on the data")
        return choose(*values, **options)

    return chosen


def after(statements: Sequence[str], arguments: Sequence[Any]) -> dict[str, Any] | None:
    """The variables after ``statements``; None where NumPy refuses one, its meaning is not defined
    (a cast of what does not fit, an integer's 1/0), or too much comes out."""
    known = {"np": np, **NAMES, "max": _of_one_type(max), "min": _of_one_type(min)}
    space = known | {f"a{i}": copied(value) for i, value in enumerate(arguments)}
    code = compile("\n".join(statements), "<statements>", "exec")
    with (
        np.errstate(all="ignore", invalid="warn", divide="warn"),
        warnings.catch_warnings(record=True) as told,
    ):
        warnings.simplefilter("always")
        try:
            exec(code, space)
        except Exception:
            return None
    for warning in told:
        if issubclass(warning.category, DeprecationWarning):
            return None
        if str(warning.message).endswith(("in cast", "in reciprocal")):
            return None
        is_fold = str(warning.message).endswith(_CAST_FIRST)
        if is_fold and any(map(_TO_INTEGERS.search, statements)):
            return None
    others = {*known, "__builtins__"}
    space = {k: v for k, v in space.items() if k not in others and not is_helper(k)}
    for value in space.values():
        if not isinstance(value, (np.ndarray, np.generic, int, float, complex)):
            return None
        dtype = np.asarray(value).dtype
        if np.size(value) > MOST_ELEMENTS or dtype.kind not in "biufc" and dtype != BFLOAT16:
            return None
        if isinstance(value, int) and abs(value) > 2**62:
            return None
        if dtype == BFLOAT16 and np.isnan(value).any():  # which NumPy sorts anywhere
            return None
    return space
