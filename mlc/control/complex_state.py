"""Python's complex numbers in traced functions: ``complex``, `cmath`, and what loops and branches
carry, two real numbers in place of one."""

from __future__ import annotations

import builtins
import cmath
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import te
from ..ops.op import CURRENT
from ..tracer import tree
from ..tracer.complex.calls import as_complex, carried
from ..tracer.complex.value import Complex
from ..tracer.concrete import known
from ..tracer.tracer import Tracer


def entering(values: list[Any]) -> list[Any]:
    """The state before a loop or branch, with complex numbers as traced values."""
    return [carried(v) if isinstance(v, (complex, np.complexfloating)) else v for v in values]


def is_real(value: Any) -> bool:
    """Whether ``value`` is a real number or a traced real array."""
    return isinstance(value, (Tracer, bool, int, float))


def widens(
    n: int, before: Any, end: Any, entry: list[Any], plan: Any, spec_of: Callable[[Any], Any]
) -> bool:
    """Whether variable ``n`` was carried as a real number and turns out to be complex; then the
    plan (see `mlc.control.carry.Plan`) and the state before are changed to say so."""
    if not isinstance(end, Complex):
        return False
    if n in plan.late:
        if plan.late[n][0].type is Complex:
            return False
        leaves, structure = tree.flatten(end)
        plan.late[n] = structure, tuple(map(spec_of, leaves))
    elif n in plan.carried and is_real(before):
        entry[n] = as_complex(entry[n])
    else:
        return False
    plan.specs = {key: spec for key, spec in plan.specs.items() if key[0] != n}
    return True


def fitted(before: Any, end: Any) -> Any:
    """``end`` as a traced complex value if it is a complex number, or if ``before`` is complex."""
    if isinstance(end, (complex, np.complexfloating)):
        return carried(end)
    return as_complex(end) if isinstance(before, Complex) and is_real(end) else end


def fitted_late(structure: Any, end: Any) -> Any:
    """The same for a variable that another branch, or iteration, gave a value of ``structure``."""
    is_complex = structure.type is Complex
    return as_complex(end) if is_complex and is_real(end) else fitted(None, end)


def _is_traced(value: Any) -> bool:
    return isinstance(value, (Tracer, Complex)) and known(value) is value


def python_number(value: Complex) -> Complex:
    """A complex value of one element as Python's number: float64, and weak in promotion."""
    parts = []
    trace: Any = CURRENT.get()
    for part in value._parts:
        if part.size != 1:
            raise TypeError("only length-1 arrays can be converted to Python scalars")
        tensor = trace.lift(part.reshape(()).astype("float64"))
        made: Any = te.compute((), lambda t=tensor: t[()], name="number", op="number")
        trace.weak.add(made)
        parts.append(Tracer(made, trace))
    return Complex(*parts)


def complex_number(*args: Any, **kwargs: Any) -> Any:
    """``complex(real, imag)``."""
    values = [*args, *kwargs.values()]
    if not any(map(_is_traced, values)):
        return builtins.complex(*args, **kwargs)
    names = dict(zip(("real", "imag"), args)) | kwargs
    real, imag = names.get("real", 0.0), names.get("imag", 0.0)
    if isinstance(real, Tracer) and not isinstance(imag, (Complex, complex)):
        imag = imag if isinstance(imag, Tracer) else real.astype("float64") * 0 + imag
        return python_number(Complex(real.astype("float64"), imag.astype("float64")))
    first: Any = as_complex(real)
    second: Any = as_complex(imag)
    return python_number(first + second * 1j)


def _of_cmath(function: Any, ufunc: Any) -> Callable[..., Any]:
    def compute(*args: Any) -> Any:
        if len(args) != 1 or not _is_traced(args[0]):
            return function(*args)
        found = ufunc(as_complex(args[0]))
        return python_number(found) if isinstance(found, Complex) else found

    return compute


_NAMES = {
    "sqrt": "sqrt", "exp": "exp", "log": "log", "log10": "log10", "sin": "sin", "cos": "cos",
    "tan": "tan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asin": "arcsin",
    "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "phase": "angle", "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite",
}  # fmt: skip
INSTEAD: dict[Any, Any] = {
    builtins.complex: complex_number,
    **{
        getattr(cmath, name): _of_cmath(getattr(cmath, name), getattr(np, ufunc))
        for name, ufunc in _NAMES.items()
    },
}  # what to call in the place of Python's functions
