"""Calls, reducers of one's own, and the scalar functions that need more than a promotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dtypes import as_dtype, boolean
from ..errors import ArgumentError, DTypeError
from ..ir.combiner import make_combiner, reducer
from ..ir.expr import Expr, apply, as_expr, promote
from ..ir.program import Buffer, Region
from ..ir.scalar import SCALAR_FNS
from ..te.scalars import scalar_math
from .trace import current
from .values import Box, Element, Handle, Update, Value, as_region, same_nodes, stored_value


def call(name: str, *args: Any) -> None:
    """Calls ``name`` for its effect: an intrinsic over regions, or a function of a library.

    Arguments are numbers, buffers (passed by their address) and regions ``A[0:16, i:i + 1]``.
    """
    trace = current("T.call")
    if not isinstance(name, str) or not name:
        raise ArgumentError(f"T.call wants the name of what is called, got {name!r}")
    trace.call(name, tuple(map(_argument, args)))


def call_extern(function: Any, *args: Any) -> None:
    """As :func:`call`, of a name or of a function of a library that ctypes has loaded:
    ``T.call_extern(ctypes.CDLL(path).scale, A, 8)``. Raises ArgumentError for other functions."""
    call(function if isinstance(function, str) else _library_function(function), *args)


def _library_function(function: Any) -> str:
    """The name under which compiled code finds a function of ctypes."""
    import ctypes
    from _ctypes import CFuncPtr

    from ..runtime.symbols import provide

    name = getattr(function, "__name__", "")  # callbacks of Python have none
    if not isinstance(function, CFuncPtr) or not name:
        raise ArgumentError(
            f"T.call_extern wants the name of a function, or one that ctypes has loaded from a "
            f"library, got {function!r}; Python's own are called between two compiled functions"
        )
    address = ctypes.cast(function, ctypes.c_void_p).value or 0
    if not provide(name, address):
        raise ArgumentError(
            f"T.call_extern: compiled code knows another function called {name}; give this one "
            f"another name in its library"
        )
    return name


def barrier() -> None:
    """All threads of the block come here before any goes on."""
    current("T.barrier").call("barrier", ())


def _argument(value: Any) -> Expr | Buffer | Region:
    match value:
        case Handle(buffer=buffer):
            return buffer
        case Box(region=found):
            return found
        case _:
            return as_expr(value)


def region(elements: Any) -> Box:
    """Elements as a region, also where there is but one: ``T.region(A[i, j])``."""
    return Box(as_region(elements))


def store(element: Any, value: Any) -> None:
    """``element = value`` as a plain store, also where assigning would make an update of it:
    ``T.store(C[i], T.max(C[i], 0.0))``."""
    trace = current("T.store")
    if not isinstance(element, Element):
        raise ArgumentError(f"T.store wants an element such as C[i, j], got {element!r}")
    plain = value.expr if isinstance(value, Value) else value
    trace.assign(element.buffer, element.indices, plain)


def max(a: Any, b: Any) -> Any:
    """The greater of two values; NaN wins. ``C[i] = T.max(C[i], v)`` is an update."""
    return _extreme("max", "maximum", a, b)


def min(a: Any, b: Any) -> Any:
    """The lesser of two values; NaN wins. ``C[i] = T.min(C[i], v)`` is an update."""
    return _extreme("min", "minimum", a, b)


def _extreme(name: str, fn: str, a: Any, b: Any) -> Any:
    left, right = promote(a, b)
    plain = apply(fn, left, right)
    if isinstance(a, Element) and plain.dtype is a.dtype:
        return Update(reducer(name, a.dtype), (a,), (right,), 0, plain)
    return plain


def scalar_function(name: str) -> Callable[..., Expr]:
    """The function ``T.<name>`` over scalars, its arguments promoted as NumPy does.

    Where only floats have a meaning, as for exp, integers become float64.
    """
    row = SCALAR_FNS[name]
    if row.cost >= 6 or name == "div":
        return scalar_math(name, "T")

    def function(*args: Any) -> Expr:
        if len(args) != row.arity:
            raise ArgumentError(f"T.{name} takes {row.arity} arguments, got {len(args)}")
        return apply(name, *promote(*args))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name} of {row.arity} scalar value{'s' * (row.arity > 1)}, as NumPy's."
    return function


def bitcast(value: Any, dtype: Any) -> Expr:
    """The bits of ``value`` as another type of the same width."""
    expr, wanted = as_expr(value), as_dtype(dtype)
    if expr.dtype.itemsize != wanted.itemsize or boolean in (expr.dtype, wanted):
        raise DTypeError(f"T.bitcast keeps the width; {expr!r} is {expr.dtype}, not {wanted}")
    return apply("bitcast", expr, dtype=wanted)


def comm_reducer(
    combine: Callable[..., Any],
    identity: Any,
    dtype: Any,
    name: str = "reduce",
    commutative: bool = True,
) -> Callable[..., Any]:
    """A reducer of one's own, from ``combine(left, right)`` and the ``identity`` of it.

    For several values at once, ``identity`` and ``dtype`` are tuples, and so is what ``combine``
    takes and returns. It must be associative; ``commutative=False`` keeps the order::

        argmax = T.comm_reducer(
            lambda a, b: (T.select(a[1] >= b[1], a[0], b[0]), T.max(a[1], b[1])),
            identity=(-1, -np.inf), dtype=("int64", "float32"), name="argmax")
        best[vi], value[vi] = argmax((best[vi], value[vi]), (vk, x[vi, vk]))
    """
    is_single = not isinstance(dtype, (tuple, list))
    dtypes = tuple(as_dtype(d) for d in ((dtype,) if is_single else dtype))
    identities = (identity,) if is_single else tuple(identity)
    combiner = make_combiner(name, combine, identities, dtypes, commutative)

    def update(old: Any, new: Any) -> Any:
        before = (old,) if is_single else tuple(old)
        after = (new,) if is_single else tuple(new)
        if len(before) != len(dtypes) or len(after) != len(dtypes):
            raise ArgumentError(
                f"reducer {name!r} combines {len(dtypes)} values with as many others, "
                f"got {len(before)} and {len(after)}"
            )
        values = tuple(_typed(v, d, name) for v, d in zip(after, dtypes))
        left = tuple(_typed(v, d, name) for v, d in zip(before, dtypes))
        parts: list[Any] = list(combiner.combine(left, values))
        targets = tuple(v for v in before if isinstance(v, Element))
        if len(targets) == len(parts) and all(
            same_nodes(t.indices, targets[0].indices) for t in targets
        ):
            parts = [Update(combiner, targets, values, n, part) for n, part in enumerate(parts)]
        return parts[0] if is_single else tuple(parts)

    update.__name__ = update.__qualname__ = name
    return update


def _typed(value: Any, dtype: Any, name: str) -> Expr:
    """``value`` as one part of what a reducer combines; only Python numbers are converted."""
    return stored_value(Buffer(name, (), dtype), value)
