"""The programs of this folder, and what it means that a result is right."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_OURS = {"table", "child", "for_jax", "for_numba"}
Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Program:
    """One file: its function, how its arguments are drawn, and how exact a result must be."""

    name: str
    function: Callable[..., Any]
    make: Callable[[int], Arguments]
    size: int
    tiny: int
    tolerance: float


def names_of_programs() -> list[str]:
    """All files here that are programs."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in found if name not in _OURS and not name.startswith("_"))


def program(name: str) -> Program:
    """The program of that name."""
    module = importlib.import_module(f".{name}", __package__)
    tolerance = getattr(module, "TOLERANCE", 1e-9)
    return Program(name, getattr(module, name), module.make, module.SIZE, module.TINY, tolerance)


def copied(args: Arguments) -> Arguments:
    """The arguments again, for a program that writes to them."""
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in args)


def effects(result: Any, args: Arguments) -> list[np.ndarray]:
    """What a call did: what it returned, and its array arguments as it left them."""
    parts = result if isinstance(result, tuple) else () if result is None else (result,)
    return [np.asarray(p) for p in (*parts, *(a for a in args if isinstance(a, np.ndarray)))]


def difference(got: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> str:
    """How the effects of two calls differ; nothing if they agree.

    Errors are relative to the largest element: the order of a sum may be another.
    """
    if len(got) != len(expected):
        return f"{len(got)} results where NumPy has {len(expected)}"
    for a, b in zip(got, expected):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{a.dtype}{list(a.shape)} where NumPy has {b.dtype}{list(b.shape)}"
        if b.dtype.kind not in "fc":
            if not np.array_equal(a, b):
                return f"{np.count_nonzero(a != b)} of {b.size} elements are wrong"
            continue
        finite = np.isfinite(b)
        if not np.array_equal(finite, np.isfinite(a)):
            return "not finite at other places than NumPy"
        scale = np.max(np.abs(b[finite]), initial=0.0)
        error = np.max(np.abs(a[finite] - b[finite]), initial=0.0)
        if error > tolerance * scale:
            return f"wrong by {error:.3g} where the largest element is {scale:.3g}"
    return ""
