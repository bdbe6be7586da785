"""Whether a result is the reference's, but for rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .data import WHOLE, is_float

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Reference:
    """The outputs that are right for one data set. Results in another order of operations than the
    reference's differ from it by rounding; ``granted`` is how much, for each float output.

    ``others`` are outputs that are right too, element by element: those of the default schedule,
    where that is not the reference itself.
    """

    outputs: tuple[Array, ...]
    others: tuple[Array, ...]
    granted: tuple[float, ...]

    def difference(self, results: Sequence[Array]) -> str | None:
        """In what way results are wrong, as a sentence; None if they are right."""
        pairs = zip(results, self.outputs, self.others, self.granted)
        for number, (got, wanted, other, granted) in enumerate(pairs):
            wrong = _doubtful(got, wanted, granted)
            if wrong.any():
                few, right = got[wrong], (wanted[wrong], other[wrong])
                wrong[wrong] = ~(_agrees(few, right[0], granted) | _agrees(few, right[1], granted))
            if wrong.any():
                first = tuple(int(i) for i in np.argwhere(wrong)[0])
                return (
                    f"output {number} is wrong in {int(wrong.sum())} of {wrong.size} elements: "
                    f"at {list(first)} it is {got[first]}, expected {wanted[first]}"
                    f"{f' within {granted:.3g}' if granted else ''}"
                )
        return None


def make_reference(
    outputs: Sequence[Array],
    others: Sequence[Array],
    set_name: str,
    epsilon: float,
    depth: int,
) -> Reference:
    """The reference for one data set, whose ``others`` are the results of the default schedule.

    Errors of a sum of n terms add up like a random walk: sqrt(n) roundings of the largest result;
    8 more stand for the roundings of elementwise steps. Where the sums are of whole numbers, and
    the two agree to the bit, only the latter are granted.
    """
    granted = []
    for wanted, other in zip(outputs, others):
        if not is_float(wanted):
            granted.append(0.0)
            continue
        values = wanted.astype(np.float64)
        scale = float(np.max(np.abs(values[np.isfinite(values)]), initial=0.0))
        exact = set_name == WHOLE and np.array_equal(wanted, other, equal_nan=True)
        granted.append(epsilon * scale * (4.0 if exact else 8.0 + depth**0.5))
    return Reference(tuple(outputs), tuple(others), tuple(granted))


def _doubtful(got: Array, wanted: Array, granted: float) -> Array:
    """The elements that :func:`_agrees` has to be asked about, which takes ten times as long: all
    but numbers whose difference, rounded to their precision, is a little less than granted."""
    if not is_float(wanted) or got.dtype != wanted.dtype or got.dtype.itemsize < 4:
        return np.ones(wanted.shape, bool)
    with np.errstate(all="ignore"):
        apart = np.asarray(np.subtract(got, wanted))
        np.abs(apart, out=apart)
        return np.asarray(~(apart <= granted * (1 - 1e-6)))


def _agrees(got: Array, wanted: Array, granted: float) -> Any:
    """Element by element: the same, or both floats and no further apart than granted."""
    if not is_float(wanted):
        return np.asarray(got == wanted)
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= granted
    return np.asarray(near | (a == b) | (np.isnan(a) & np.isnan(b)))
