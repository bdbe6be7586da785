"""Whether a jitted program does what NumPy does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import mlc

from .program import NumPyProgram, run

SHAKES = 6
FACTOR = 16  # of the spread that errors of a few units in the last place cause


@dataclass(frozen=True)
class Outcome:
    """``kind`` is "same", "refused" (a clear error), "unstable" (NumPy's own result depends on
    rounding in shape or kind) or "different"."""

    kind: str
    text: str = ""


def check(program: NumPyProgram, target: str = "cpu") -> Outcome:
    """Runs ``program`` with and without ``mlc.jit``, twice with."""
    want = run(program.function(), program.arguments)
    jitted = mlc.jit(program.function(), target=target)
    try:
        first = run(jitted, program.arguments)
        second = run(jitted, program.arguments)
    except mlc.MlcError as error:
        message = str(error).partition("\n")[0]
        return Outcome("refused", re.sub(r"\(.*?\)|\d+", "", message)[:70])
    except Exception as error:
        return Outcome("different", f"{type(error).__name__}: {error}")
    try:
        shaken = [program.perturbed(seed) for seed in range(SHAKES)]
    except Exception:
        return Outcome("unstable")
    names = [*program.results, *(f"a{i} after the call" for i in range(len(program.arguments)))]
    wants, firsts, seconds = ([*r, *a] for r, a in (want, first, second))
    others = [[*results, *arguments] for results, arguments in shaken]
    for n, name in enumerate(names):
        spread = [other[n] for other in others]
        try:
            text = differs(wants[n], firsts[n], spread)
        except mlc.MlcError as error:  # something that is traced was returned
            return Outcome("different", f"{name}: {error}")
        if text is None:
            return Outcome("unstable")
        if text:
            return Outcome("different", f"{name}: {text}")
        one, two = np.asarray(firsts[n]), np.asarray(seconds[n])
        if one.tobytes() != two.tobytes():
            return Outcome("different", f"{name}: other bits at the second call")
    return Outcome("same")


def differs(want: Any, got: Any, spread: Sequence[Any]) -> str | None:
    """How ``got`` differs from ``want`` beyond rounding; "" if it does not; None if rounding
    decides shape or dtype. ``spread`` holds what else NumPy would say with other rounding. Arrays
    of shape () and scalars are the same: a jitted function returns scalars."""
    w, g = np.asarray(want), np.asarray(got)
    others = [np.asarray(other) for other in spread]
    if any(o.shape != w.shape or o.dtype != w.dtype for o in others):
        return None
    if w.dtype != g.dtype or w.shape != g.shape:
        return f"{g.dtype}{list(g.shape)} instead of {w.dtype}{list(w.shape)}"
    if w.dtype.kind != "f":
        stable = np.all([o == w for o in others], axis=0)
        wrong = (w != g) & stable
    else:
        wrong = _wrong_floats(w, g, others)
    if not np.any(wrong):
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{g[at]!r} instead of {w[at]!r} at {at}"


def _wrong_floats(w: Any, g: Any, others: Sequence[Any]) -> Any:
    wide = w.astype(np.float64), g.astype(np.float64), [o.astype(np.float64) for o in others]
    want, got, rest = wide
    with np.errstate(all="ignore"):
        kinds = [np.isnan(o) == np.isnan(want) for o in rest]
        kinds += [np.isinf(o) == np.isinf(want) for o in rest]
        kinds += [(o == want) | ~np.isinf(want) for o in rest]
        stable = np.all(kinds, axis=0)
        finite = np.isfinite(want)
        off = np.max([np.abs(np.where(finite, o - want, 0)) for o in rest], axis=0)
        info = np.finfo(w.dtype)
        bound = FACTOR * (off + info.eps * np.abs(want) + info.smallest_subnormal)
        # Where rounding may overflow, infinity is as right as the largest numbers.
        close = np.where(
            finite,
            (np.abs(got - want) <= bound) | (np.isinf(got) & (np.abs(want) > info.max * 0.999)),
            (got == want) | (np.isnan(got) & np.isnan(want)),
        )
        return ~close & stable


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
    arrays = "\n".join(f"    a{i} = {_literal(value)}" for i, value in enumerate(program.arguments))
    body = "".join(f"    {line}\n" for line in program.source.splitlines())
    names = ", ".join(f"a{i}" for i in range(len(program.arguments)))
    return (
        f"def test_differs():  # {text}\n{body}\n{arrays}\n"
        f"    mlc.testing.check_against_numpy(program, {names})\n"
    )


def _literal(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    text = f"np.array({value.tolist()}, np.{value.dtype.name})".replace("nan", "np.nan")
    text = text.replace("inf", "np.inf")
    if value.size == 0:
        text += f".reshape({value.shape})"
    return text
