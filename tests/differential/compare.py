"""Whether a jitted program does what NumPy does."""

from __future__ import annotations

import re
from dataclasses import replace

import mlc
from mlc.testing.comparing import Outcome, compare
from mlc.testing.pasting import pasted as test_of
from mlc.testing.rounding import shaken

from .program import NumPyProgram


def check(program: NumPyProgram, target: str = "cpu") -> Outcome:
    """Runs ``program`` with and without ``mlc.jit``, twice with."""
    function = program.function()
    jitted = mlc.jit(function, target=target)
    outcome = compare(jitted, function, lambda seed: shaken(function, seed), program.arguments)
    if outcome.kind != "refused":
        return outcome
    return replace(outcome, text=re.sub(r"\(.*?\)|\d+", "", outcome.text)[:70])


def shrunk(program: NumPyProgram, target: str = "cpu") -> NumPyProgram:
    """``program`` with as few statements and results as it takes to be different."""
    changed = True
    while changed:
        changed = False
        for n in reversed(range(len(program.statements))):
            left = program.statements[:n] + program.statements[n + 1 :]
            names = set(re.findall(r"\bt\d+\b", " ".join(left)))
            kept = tuple(r for r in program.results if r in names) or ("a0",)
            smaller = replace(program, statements=left, results=kept)
            if _is_different(smaller, target):
                program, changed = smaller, True
        for name in program.results if len(program.results) > 1 else ():
            smaller = replace(program, results=tuple(r for r in program.results if r != name))
            if smaller.results and _is_different(smaller, target):
                program, changed = smaller, True
    return program


def _is_different(program: NumPyProgram, target: str) -> bool:
    try:
        return check(program, target).kind == "different"
    except Exception:  # NumPy refuses it: too much is gone
        return False


def pasted(program: NumPyProgram, text: str) -> str:
    """A failing program as a test to paste."""
    return test_of(text, program.function(), program.arguments, {})
