"""``mlc bench``: a function of the user's, compiled, beside plain NumPy."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ..errors import ArgumentError
from ..jit import jit
from ..runtime.timing import time
from ..tune.functions import check_call, load_function, parse_arguments
from .line import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to time."""
    parser.add_argument("function", metavar="FILE.py:FUNCTION", help="The function to time.")
    parser.add_argument(
        "--args",
        default="",
        metavar="SPEC",
        help="Its arguments: arrays such as float32[1024,1024], and numbers, with spaces between.",
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, metavar="S", help="How long to measure (2)."
    )
    parser.add_argument(
        "--cold", action="store_true", help="Drive the data out of the caches before each call."
    )
    parser.epilog = (
        "Both are measured in turns. The exit code is 1 if results differ by more than rounding."
    )


def run(chosen: argparse.Namespace) -> int:
    """Compare the results, then the times."""
    if not chosen.seconds > 0:
        raise ArgumentError(f"--seconds is a number above 0, got {chosen.seconds:g}")
    function = load_function(chosen.function)
    arguments = parse_arguments(chosen.args)
    plain: Callable[..., Any] = inspect.unwrap(function)
    compiled = function if function is not plain else jit(function)
    ours, theirs = _call(compiled, arguments), _call(plain, arguments)
    difference = _difference(ours, theirs)
    cache: Literal["warm", "cold"] = "cold" if chosen.cold else "warm"
    say(str(time(compiled, *arguments, rival=plain, cache=cache, budget_s=chosen.seconds)))
    if difference:
        say(f"the results differ: {difference}")
        return 1
    say("the results are the same but for rounding")
    return 0


def _call(function: Callable[..., Any], arguments: list[Any]) -> list[Any]:
    check_call(function, arguments)
    result = function(*arguments)
    return list(result) if isinstance(result, tuple | list) else [result]


def _difference(ours: list[Any], theirs: list[Any]) -> str:
    """In what way results differ by more than rounding, or nothing."""
    if len(ours) != len(theirs):
        return f"{len(ours)} results compiled, {len(theirs)} in NumPy"
    for number, (mine, plain) in enumerate(zip(ours, theirs)):
        a, b = np.asarray(mine), np.asarray(plain)
        if a.shape != b.shape:
            return f"result {number} has shape {a.shape} compiled, {b.shape} in NumPy"
        if a.dtype.kind in "biu":
            wrong = a != b
        else:
            a, b = a.astype(np.complex128), b.astype(np.complex128)
            scale = float(np.nanmax(np.abs(b), initial=0.0))
            wrong = ~np.isclose(a, b, rtol=1e-3, atol=1e-4 * scale, equal_nan=True)
        if wrong.any():
            return f"result {number} in {int(wrong.sum())} of {wrong.size} elements"
    return ""
