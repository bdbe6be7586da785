"""Checks of gradients that somebody has written, against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .against_numpy import plain_function
from .pasting import pasted

MOST_ELEMENTS = 64  # of one argument that are moved one by one; else it is moved along directions
DIRECTIONS = 12
_STEP = float(np.finfo(np.float64).eps) ** 0.2  # balances h^4 against rounding / h


def check_gradients(
    function: Callable[..., Any],
    *args: Any,
    gradient: Callable[..., Any] | None = None,
    seed: int = 0,
) -> None:
    """Raises AssertionError, with a test to paste, unless ``gradient(*args)`` is that of
    ``function(*args)``, which must be a scalar.

    ``gradient``, which may also stand directly after ``function``, returns an array for each
    argument of floats, in their order: a tuple, or one array where there is but one. Either
    function may be jitted. ``function`` is run by NumPy in float64 with each element moved up and
    down (of an argument with more than 64 elements, along 12 random directions), by two step
    lengths; how far these disagree, and the dtype of the gradient, say how far it may be off. Where
    the function has a kink, the lengths disagree and little is said.
    """
    if gradient is None:
        if not args or not callable(args[0]):
            raise ArgumentError(
                "check_gradients compares a gradient of your own with differences; pass it as "
                "gradient=, a function of the same arguments"
            )
        gradient, args = args[0], args[1:]
    plain = plain_function(function)
    exact = [_as_float64(value) for value in args]
    places = [n for n, value in enumerate(exact) if value is not args[n] or _is_float(value)]
    if not places:
        raise ArgumentError("check_gradients: no argument holds floats; pass float32 or float64")
    if np.ndim(plain(*exact)):
        raise ArgumentError(
            f"check_gradients: the function returned shape {np.shape(plain(*exact))}; a gradient "
            f"is that of a scalar: return its sum, or a sum with weights"
        )
    found = gradient(*args)
    parts = list(found) if isinstance(found, (tuple, list)) else [found]
    if len(parts) != len(places):
        raise ArgumentError(
            f"check_gradients: {len(places)} arguments hold floats, and the gradient returned "
            f"{len(parts)} arrays; return one for each"
        )
    rng = np.random.default_rng(seed)
    for n, part in zip(places, parts):
        text = _wrong(plain, exact, n, np.asarray(part), rng)
        if text:
            shown = pasted(
                text, function, args, {}, [("gradient", gradient)], check="check_gradients"
            )
            raise AssertionError(f"{text}\n\n{shown}")


def _is_float(value: Any) -> bool:
    return isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f"


def _as_float64(value: Any) -> Any:
    return np.asarray(value).astype(np.float64) if _is_float(value) else value


def _wrong(
    function: Callable[..., Any], args: Sequence[Any], n: int, part: Any, rng: np.random.Generator
) -> str:
    """What is wrong with the gradient of argument ``n``, an empty text if nothing is."""
    at = args[n]
    if part.shape != at.shape:
        return f"the gradient of argument {n} has shape {part.shape} instead of {at.shape}"
    eps = float(np.finfo(part.dtype).eps) if part.dtype.kind == "f" else 0.0
    largest = float(np.max(np.abs(part), initial=0.0))
    for label, direction in _directions(at.shape, rng):
        slope, doubt = _slope(function, args, n, direction)
        got = float(np.sum(part.astype(np.float64) * direction))
        size = largest * float(np.count_nonzero(direction)) ** 0.5
        granted = 8 * doubt + 64 * eps * max(size, abs(slope))
        if not abs(got - slope) <= granted:
            return (
                f"the gradient of argument {n} is {got:.9g} {label}, and differences give "
                f"{slope:.9g} +- {granted:.2g}"
            )
    return ""


def _directions(shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[str, Any]]:
    if int(np.prod(shape)) > MOST_ELEMENTS:
        return [
            (f"along random direction {k}", rng.choice([-1.0, 1.0], shape))
            for k in range(DIRECTIONS)
        ]
    made = []
    for index in np.ndindex(*shape):
        direction = np.zeros(shape)
        direction[index] = 1.0
        made.append((f"at {index}", direction))
    return made


def _slope(
    function: Callable[..., Any], args: Sequence[Any], n: int, direction: Any
) -> tuple[float, float]:
    """The slope of ``function`` along ``direction``, and how far that may be off."""
    step = _STEP * max(1.0, float(np.max(np.abs(args[n]), initial=0.0)))
    largest = 0.0

    def difference(length: float) -> float:
        nonlocal largest
        ends = []
        for sign in (1.0, -1.0):
            moved = [*args]
            moved[n] = args[n] + sign * length * direction
            ends.append(float(function(*moved)))
        largest = max(largest, *map(abs, ends))
        return (ends[0] - ends[1]) / (2 * length)

    coarse, fine = difference(2 * step), difference(step)
    best = fine + (fine - coarse) / 3  # what is of second order in the step cancels
    rounding = 64 * float(np.finfo(np.float64).eps) * largest / step
    return best, abs(best - fine) * 0.1 + rounding
