"""Whether a result is right: against float64, within what rounding explains."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, Shapes

Array = np.ndarray[Any, Any]


def check(case: Case, shapes: Shapes, got: Array, exact: Array) -> float:
    """The error in units of the rounding granted; raises ArithmeticError when it is above 1.

    Errors of a sum of ``depth`` terms add up like a random walk; 16 stands for the few roundings of
    each elementwise step. Both are in units of the last place of the largest result.
    """
    import ml_dtypes

    if got.shape != exact.shape:
        raise ArithmeticError(f"shape {got.shape} where NumPy has {exact.shape}")
    if got.dtype.kind in "biu":
        wrong = int(np.count_nonzero(got != exact))
        if wrong:
            raise ArithmeticError(f"{wrong} of {got.size} elements are wrong")
        return 0.0
    scale = float(np.max(np.abs(exact), initial=0.0))
    granted = float(ml_dtypes.finfo(got.dtype).eps) * scale * (16 + case.depth(shapes) ** 0.5)
    error = float(np.max(np.abs(got.astype(np.float64) - exact), initial=0.0))
    if not error <= granted:
        raise ArithmeticError(f"wrong by {error:.3g} where rounding explains {granted:.3g}")
    return error / granted if granted else 0.0


def emulated(case: Case) -> float:
    """The error of the case at its small size, its kernels run by the processor."""
    import mlc

    args = case.inputs(case.small)
    function = case.function if case.ours is None else case.ours()
    got = np.asarray(mlc.jit(function, target="cuda-emulated")(*args))
    exact = np.asarray(case.function(*(array.astype(np.float64) for array in args)))
    return check(case, case.small, got, exact)
