"""Whether a jitted program does what NumPy does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import mlc
from mlc.testing.closeness import limits
from mlc.testing.comparing import Outcome, compare, copied
from mlc.testing.pasting import pasted as test_of
from mlc.testing.rounding import shaken

from .inputs import BFLOAT16
from .overlaps import reading_first
from .program import NumPyProgram, defined, is_defined


def check(program: NumPyProgram, target: str = "cpu") -> Outcome:
    """Runs ``program`` with and without ``mlc.jit``, twice with."""
    outcome = _checked(program, target)
    if outcome.kind == "different" and _is_same_read_first(
        program, mlc.jit(program.function(), target=target)
    ):
        return replace(outcome, kind="unstable")
    if outcome.kind == "different" and outcome.error is not None and _unit(program.arguments):
        for count in range(1, len(program.statements)):  # which say what the error comes of
            if _OUR_BFLOAT16.search(
                _checked(_with(program, program.statements[:count]), target).text
            ):
                return replace(outcome, kind="unstable")
    return outcome


def _checked(program: NumPyProgram, target: str) -> Outcome:
    function = program.function()
    jitted = mlc.jit(function, target=target)
    unit = _unit(program.arguments)
    near = lambda seed: shaken(function, seed, unit)
    return grouped(compare(jitted, function, near, program.arguments))


def _is_same_read_first(program: NumPyProgram, jitted: Any) -> bool:
    """Whether ``program`` differs only in what NumPy reads after it has written over it."""
    source, names = reading_first(program.source)
    reference, unit = defined(source, **names), _unit(program.arguments)
    near = lambda seed: shaken(reference, seed, unit)
    return compare(jitted, reference, near, program.arguments).kind == "same"


def _with(program: NumPyProgram, statements: tuple[str, ...]) -> NumPyProgram:
    """``program`` with those ``statements`` alone, and what is known of its results after them."""
    names = set(re.findall(r"\bt\d+\b", " ".join(statements)))
    kept = tuple(result for result in program.results if result in names) or ("a0",)
    return replace(program, statements=statements, results=kept)


def _unit(arguments: Sequence[Any]) -> float:
    """The least relative error that counts: that of bfloat16 where there are such arrays. Beside a
    Python number, which its extension cannot tell from an array, NumPy goes on in float32; mlc
    stays with bfloat16, as NumPy does for its own float16."""
    found = [limits(a.dtype).eps for a in arguments if getattr(a, "dtype", None) == BFLOAT16]
    return float(max(found, default=0.0))


# Of a list that the data leave empty NumPy makes an array of float64.
_EMPTY = re.compile(r"\w+\[0\] instead of float64\[0\]")
_OUR_BFLOAT16 = re.compile(r"bfloat16\[.*\] instead of float(32|64)\[|instead of bfloat16\[")


# Which ends a call, as is documented, where Python's int would have gone on.
_NO_INT64 = re.compile(r"OverflowError: .* no int64, .*compiled code computes Python's integers")


def grouped(outcome: Outcome) -> Outcome:
    """Refusals by what is alike in their sentences. What NumPy makes of bfloat16 says nothing:
    beside Python's numbers, and where no ufunc was made for it, it becomes a wider dtype."""
    if outcome.kind == "different" and _OUR_BFLOAT16.search(outcome.text):
        return replace(outcome, kind="unstable")
    if outcome.kind == "different" and _NO_INT64.match(outcome.text):
        outcome = replace(outcome, kind="refused")
    if outcome.kind != "refused":
        return outcome
    return replace(outcome, text=re.sub(r"\(.*?\)|\d+", "", outcome.text)[:70])


def check_sizes(program: NumPyProgram, target: str = "cpu") -> Outcome:
    """The same with an open first axis: one jitted function for three sizes. Only what NumPy
    computes at all of them says anything."""
    jitted = mlc.jit(program.function(), target=target, dynamic="leading")
    changed = {f"{n} longer": partial(_longer, program.arguments, n) for n in (0, 3, 1)}
    return _changed(program, jitted, changed)


def check_data(program: NumPyProgram, target: str = "cpu") -> Outcome:
    """The same with one jitted function for arrays of other elements, of which data may choose
    other sizes and branches."""
    jitted = mlc.jit(program.function(), target=target)
    changed = {f"elements {n}": partial(_drawn_again, n) for n in range(4)}
    return _changed(program, jitted, changed)


def _changed(
    program: NumPyProgram, jitted: Any, changes: Mapping[str, Callable[[Any], Any]]
) -> Outcome:
    """The last outcome, or the first that is different, of calls with changed arguments."""
    function, outcome = program.function(), Outcome("unstable")
    for what, change in changes.items():
        arguments = list(map(change, program.arguments))
        if not is_defined(program.statements, arguments):
            continue
        unit = _unit(arguments)
        outcome = compare(jitted, function, lambda seed: shaken(function, seed, unit), arguments)
        outcome = grouped(outcome)
        if outcome.kind == "different":
            given = replace(program, arguments=tuple(arguments))
            if _EMPTY.search(outcome.text) or _is_same_read_first(given, jitted):
                return replace(outcome, kind="unstable")
            return replace(outcome, text=f"{what}: {outcome.text}")
    return grouped(outcome)


def _drawn_again(seed: int, value: Any) -> Any:
    """``value`` with elements drawn from its own; itself for the seed 0."""
    if not isinstance(value, np.ndarray) or not value.size or not seed:
        return value
    if not value.flags.writeable:
        return value
    made = copied(value)
    made[...] = np.random.default_rng(seed).choice(value.ravel(), value.shape)
    return made


def _longer(others: Sequence[Any], count: int, value: Any) -> Any:
    """``value`` with ``count`` more rows, if it has as many as the first array has."""
    sizes = [len(other) for other in others if isinstance(other, np.ndarray) and other.ndim]
    if not isinstance(value, np.ndarray) or not value.ndim or len(value) != sizes[0] or not count:
        return value
    return np.concatenate([value, np.resize(value, (count, *value.shape[1:]))])


def shrunk(program: NumPyProgram, checked: Callable[..., Outcome] = check) -> NumPyProgram:
    """``program`` with as few statements and results as it takes to be different."""
    changed = True
    while changed:
        changed = False
        for n in reversed(range(len(program.statements))):
            smaller = _with(program, program.statements[:n] + program.statements[n + 1 :])
            if _is_different(smaller, checked):
                program, changed = smaller, True
        for name in program.results if len(program.results) > 1 else ():
            smaller = replace(program, results=tuple(r for r in program.results if r != name))
            if smaller.results and _is_different(smaller, checked):
                program, changed = smaller, True
    return program


def _is_different(program: NumPyProgram, checked: Callable[..., Outcome]) -> bool:
    try:
        return checked(program).kind == "different"
    except Exception:  # NumPy refuses it: too much is gone
        return False


def pasted(program: NumPyProgram, text: str) -> str:
    """A failing program as a test to paste."""
    return test_of(text, program.function(), program.arguments, {})
