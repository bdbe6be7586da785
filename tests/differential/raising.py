"""Programs that NumPy ends with an error, whatever the elements are: compiled code must, too."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import mlc
from mlc.testing.comparing import Outcome, compare, copied, run

from .inputs import draw_array
from .program import TRIES, NumPyProgram, after
from .statements import Writer

_OF_NUMBERS = re.compile(r"'(bool|int|float|complex|numpy\.\w+)' object (has no attribute|is not)")
_LIMIT = 100  # statements tried for one that NumPy refuses


def draw_raising(seed: int, heard: Callable[[str], None] = lambda _: None) -> NumPyProgram:
    """A program whose last statement raises an error in NumPy for these shapes and dtypes."""
    for attempt in range(_LIMIT):
        rng = random.Random(seed * _LIMIT + attempt)
        arguments = tuple(_array(rng) for _ in range(rng.randint(1, 3)))
        values: dict[str, Any] = {f"a{i}": copied(value) for i, value in enumerate(arguments)}
        statements: list[str] = []
        for number in range(rng.randint(0, 2)):
            statement = Writer(rng, values).statement(f"t{number}")
            heard("\n".join([*statements, statement]))
            found = after([*statements, statement], arguments)
            if found is not None and f"t{number}" in found:
                statements, values = [*statements, statement], found
        target = f"t{len(statements)}"
        for _ in range(TRIES):
            statement = Writer(rng, values).statement(target)
            results = (target,) if f"{target} = " in statement else ("a0",)
            program = NumPyProgram((*statements, statement), arguments, results)
            heard(program.source)
            if raises(program):
                return program
    raise AssertionError("every statement was taken")


def _array(rng: random.Random) -> Any:
    array = np.asarray(draw_array(rng))
    is_complex = rng.random() < 0.06 and array.dtype.kind == "f"
    with np.errstate(all="ignore"):
        return np.asarray(array * 1j) if is_complex else array


def raises(program: NumPyProgram) -> bool:
    """Whether NumPy raises one error with these elements and with others. Numbers that are traced
    have the methods of arrays; what Python says of its own is no matter here."""
    errors = [_error(program.function(), given) for given in _others(program.arguments)]
    first = errors[0]
    if first is None or isinstance(first, (MemoryError, RecursionError)):
        return False
    if _OF_NUMBERS.match(str(first)):
        return False
    return all(type(error) is type(first) and str(error) == str(first) for error in errors)


def _others(arguments: Sequence[Any]) -> Iterator[Sequence[Any]]:
    yield arguments
    for element in (0, 1, 100):
        others = [copied(value) for value in arguments]
        for other in others:
            if other.flags.writeable:
                other[...] = element
        yield others


def _error(function: Callable[..., Any], arguments: Sequence[Any]) -> Exception | None:
    try:
        run(function, arguments)
    except Exception as error:
        return error
    return None


def check_raising(program: NumPyProgram, target: str = "cpu") -> Outcome:
    """Whether the jitted program raises an error of that kind, or a refusal of ours."""
    if not raises(program):
        return Outcome("unstable")
    function = program.function()
    return compare(mlc.jit(function, target=target), function, _unused, program.arguments)


def _unused(seed: int) -> Any:
    raise AssertionError("there are no results")
