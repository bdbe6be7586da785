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
    with case.setting():
        got = np.asarray(mlc.jit(function, target="cuda-emulated")(*args))
    exact = np.asarray(case.function(*(array.astype(np.float64) for array in args)))
    return check(case, case.small, got, exact)


def confirmed(case: Case, target: str = "cuda") -> str:
    """How the kernels of the case at its small size differ between ``target`` and the emulator;
    ArithmeticError where either is wrong, or where integers differ at all."""
    import mlc

    args = case.inputs(case.small)
    function = case.function if case.ours is None else case.ours()
    exact = np.asarray(case.function(*(array.astype(np.float64) for array in args)))
    with case.setting():
        there, here = (
            np.asarray(mlc.jit(function, target=name)(*args)) for name in (target, "cuda-emulated")
        )
    errors = [check(case, case.small, got, exact) for got in (there, here)]
    if (there == here).all():
        return "the same bits"
    apart = float(np.max(np.abs(there.astype(np.float64) - here.astype(np.float64))))
    share = np.count_nonzero(there != here) / there.size
    return (
        f"{100 * share:.0f} % of the elements differ, by {apart:.3g} at most; "
        f"errors {errors[0]:.2f} and {errors[1]:.2f} of what rounding explains"
    )
