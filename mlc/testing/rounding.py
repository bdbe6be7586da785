"""What a NumPy function would say with other rounding: the measure of how close is close enough.

A compiled function sums in another order, multiplies and adds at once, and has an ``exp`` of its
own. How far its result may be from NumPy's depends on the function: where large numbers cancel,
errors of one unit in the last place grow without bound. So the function itself is asked. It is run
again with each float that it computes off by a few units in the last place, and what comes out
shows which results are steady, and how much the others move.
"""

from __future__ import annotations

import inspect
import math
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .closeness import (
    COMPARISONS,
    DIFFERENCES,
    RAISED,
    cancelled,
    is_inexact,
    level,
    limits,
    met,
    scattered,
    single,
    steps_cancelled,
)
from .instrumenting import HELPER, instrumented
from .open_order import (
    EXTREMES,
    PARTITIONS,
    parts_shuffled,
    times_zero,
    unordered_shuffled,
    zeros_signed,
)

UNITS = 4.0  # errors of that many units in the last place
EXACT = frozenset({
    "zeros", "ones", "full", "empty", "eye", "identity", "arange", "array", "asarray", "copy",
    "zeros_like", "ones_like", "full_like", "empty_like", "where", "concatenate", "stack", "hstack",
    "vstack", "tile", "repeat", "roll", "flip", "sort", "unique", "take", "maximum",
    "minimum", "max", "min", "amax", "amin", "abs", "absolute", "fabs", "negative", "sign", "floor",
    "ceil", "trunc", "rint", "round", "clip", "float", "tril", "triu", "diag", "pad", "choose",
    "select", "copysign", "append", "insert", "delete", "choice", "compress", "len", "nextafter",
    "ldexp", "frexp", "modf", "astype", "fmax", "fmin", "ptp", "nanmax", "nanmin", "array_split",
    "take_along_axis", "spacing", "nan_to_num", "item",
})  # fmt: skip
SUMS = frozenset({
    "sum", "prod", "mean", "var", "std", "average", "dot", "vdot", "matmul", "inner", "outer",
    "tensordot", "einsum", "trace", "cumsum", "cumprod", "nansum", "nanprod", "nanmean", "nanvar",
    "nanstd", "trapezoid", "convolve", "correlate", "norm", "solve", "inv", "det", "lstsq", "svd",
    "reduce", "accumulate", "interp", "cov", "corrcoef", "cumulative_sum", "cumulative_prod", "fft",
    "ifft", "rfft", "irfft", "kron", "polyval", "nancumsum", "nancumprod",
    "matrix_power", "multi_dot", "matvec", "vecmat", "vecdot", "reduceat", "vector_norm",
    "matrix_norm", "cond", "cross", "svdvals", "eigvalsh", "eigh", "qr", "pinv", "slogdet",
    "cholesky", "polyfit", "bincount", "fft2", "ifft2", "fftn", "ifftn", "hfft", "ihfft",
    "apply_over_axes", "linspace", "logspace", "geomspace", "unwrap", "rfft2", "irfft2", "rfftn",
    "irfftn",
})  # fmt: skip
# What LAPACK computes is exact for a matrix that is off by a few units in the last place of its
# largest element, not of each: no more is claimed of elimination and of reflections.
NORMWISE = frozenset({
    "solve", "inv", "det", "lstsq", "svd", "cond", "svdvals", "eigvalsh", "eigh", "qr", "pinv",
    "slogdet", "cholesky", "polyfit",
})  # fmt: skip
_OF_PRODUCTS = frozenset(
    {"dot", "vdot", "matmul", "inner", "tensordot", "vecdot", "matvec", "vecmat"}
)
COMPUTED_EDGES = frozenset({"mean", "linear_ramp"})  # modes of np.pad that round
MAGNITUDES = frozenset({"abs", "absolute", "sign"})  # of complex numbers, which round
POWERS = frozenset({"power", "float_power", "pow"})
PRODUCTS = frozenset({
    "mul", "truediv", "imul", "itruediv", "multiply", "divide", "true_divide", "square",
    "reciprocal", "einsum",
})  # fmt: skip
# Between two numbers of their first argument; of whole numbers, too.
BETWEEN = frozenset({"quantile", "percentile", "nanquantile", "nanpercentile"})


def shaken(function: Callable[..., Any], seed: int = 0, unit: float = 0.0) -> Callable[..., Any]:
    """``function`` with each float that it, or a function of the same source, computes off by a few
    units in its last place, differently for each ``seed``.

    Without source (builtins) the arguments are what is off. Whole numbers, and what is
    only moved about or chosen, stay exact. A ``unit`` says that the last place of every float is
    worth at least that much of it.
    """
    shaker = Shaker(seed, unit)
    inside = shaker.inside(function)
    if inside is not None:
        return inside

    def outside(*args: Any, **kwargs: Any) -> Any:
        for argument in (*args, *kwargs.values()):
            shaker.in_place(argument)
        return shaker.call(function, *args, **kwargs)

    return outside


class Shaker:
    """What stands in an instrumented function for each operation that rounds."""

    def __init__(self, seed: int, unit: float = 0.0) -> None:
        self.unit = unit
        self.meets = seed % 2 == 1  # what only errors tell apart
        self.source = np.random.default_rng(seed)
        self.known: dict[Any, Any] = {}

    def value(self, value: Any) -> Any:
        """``value`` with errors; the same object if there is nothing to err in."""
        match value:
            case np.ndarray() | np.generic() if is_inexact(value.dtype):
                made = np.asarray(value * self.factor(value.dtype, value.shape), value.dtype)
                made = self.signed_nans(made)
                return made if isinstance(value, np.ndarray) else made[()]
            case float() if np.isfinite(value) and not value.is_integer():
                return value * float(1 + self.source.uniform(-UNITS, UNITS) * np.finfo(float).eps)
            case tuple() if type(value) is tuple:
                return tuple(map(self.value, value))
        return value

    def normwise(self, value: Any) -> Any:
        """``value`` with errors in proportion to the largest element of each of its matrices."""
        value = self.value(value)
        if not isinstance(value, np.ndarray) or not is_inexact(value.dtype) or not value.size:
            return value
        with np.errstate(all="ignore"):
            sizes = np.where(np.isfinite(value), np.abs(value), 0)
            largest = sizes.max(
                axis=tuple(range(max(value.ndim - 2, 0), value.ndim)), keepdims=True
            )
        return np.asarray(
            value + largest * (self.factor(value.dtype, value.shape) - 1), value.dtype
        )

    def factor(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
        unit = max(float(limits(dtype).eps), self.unit)
        real = np.asarray(1 + self.source.uniform(-UNITS, UNITS, shape) * unit)
        return real.astype(limits(dtype).dtype)

    def power(self, base: Any, exponent: Any, result: Any) -> Any:
        """``result`` with the errors of a complex power: it is the exponential of a product with a
        logarithm, whose own rounding is an error in proportion to the product: of its length by the
        real part, of its direction by the imaginary one."""
        if not np.iscomplexobj(result):
            return result
        with np.errstate(all="ignore"):
            size = np.abs(np.asarray(exponent) * np.log(np.asarray(base, complex)))
        size = np.where(np.isfinite(size), size, 0.0)
        dtype = np.asarray(result).dtype
        real, imag = self.source.uniform(-UNITS, UNITS, (2, *size.shape)) * float(limits(dtype).eps)
        made = np.asarray(result * np.exp(size * (real + 1j * imag)), dtype)
        return self.of_parts(made if isinstance(result, np.ndarray) else made[()])  # or products

    def of_parts(self, result: Any, least: float = 0.0) -> Any:
        """``result``, if it is complex, with errors in proportion to its size, or to ``least``, in
        each of its parts: ``x * x - y * y`` is 0 or what is left of a rounded product."""
        if not isinstance(result, (np.ndarray, np.generic)) or result.dtype.kind != "c":
            return result
        sizes = np.maximum(np.where(np.isfinite(result), np.abs(result), 0.0), least)
        real, imag = self.source.uniform(-UNITS, UNITS, (2, *sizes.shape)) * sizes
        eps = max(float(limits(result.dtype).eps), self.unit)
        made = np.asarray(result + eps * (real + 1j * imag), result.dtype)
        return made if isinstance(result, np.ndarray) else made[()]

    def beside(self, heights: Any, weights: Any) -> Any:
        """``heights``, differences of running sums of ``weights``, with the errors of those."""
        if not is_inexact(heights.dtype):
            return heights
        with np.errstate(all="ignore"):
            total = float(np.abs(weights).sum(dtype=np.float64))
        unit = float(limits(heights.dtype).eps) * (total if np.isfinite(total) else 0.0)
        noise = self.source.uniform(-UNITS, UNITS, heights.shape) * unit
        return np.asarray(heights + noise, heights.dtype)

    def any_order(self, operands: Sequence[Any], result: Any) -> Any:
        """``result``, a sum of products, with what another order of its operations may make of
        elements that are no numbers: sums may overflow on the way, products may vanish, and in
        ``a*inf + b*inf`` a product may come last."""
        if not isinstance(result, (np.ndarray, np.generic)) or not is_inexact(result.dtype):
            return result
        found = [np.asarray(a) for a in operands if isinstance(a, (np.ndarray, np.generic))]
        wrong = ~np.isfinite(result)
        if all(np.isfinite(a).all() for a in found):
            sure = not _may_overflow(found, result.dtype)
        else:
            sure = len(found) < 2 and not any(map(_may_vanish, found))
        if sure or not wrong.any():
            return result
        others = self.source.choice([np.nan, np.inf, -np.inf], wrong.shape).astype(result.dtype)
        made = np.where(wrong, others, result)
        return made if isinstance(result, np.ndarray) else made[()]

    def of_whole_numbers(self, operands: Sequence[Any], result: Any, name: str) -> Any:
        """``result``, a sum in floating point of whole numbers, or of products of them, so large
        that they are rounded."""
        if not isinstance(result, (np.ndarray, np.generic)) or not is_inexact(result.dtype):
            return result
        found = [np.asarray(a) for a in operands if isinstance(a, (np.ndarray, np.generic))]
        if not found or any(a.dtype.kind not in "iu" for a in found):
            return result
        each = [max(abs(int(a.min())), abs(int(a.max()))) for a in found if a.size]
        largest = math.prod(each) if name in _OF_PRODUCTS else max(each, default=0)
        kept = limits(np.dtype(result.dtype))
        is_exact = largest * max(a.size for a in found) * kept.eps <= 1
        eps = np.finfo(float).eps if is_exact else max(kept.eps, np.finfo(float).eps)
        noise = self.source.uniform(-UNITS, UNITS, np.shape(result)) * eps
        made = np.asarray(result + noise * largest, result.dtype)
        return made if isinstance(result, np.ndarray) else made[()]

    def padded(self, made: Any, array: Any, pad_width: Any, **options: Any) -> Any:
        """``made``, what NumPy pads whole numbers with rounded where these are so large that the
        float64 in which it computes that rounds them."""
        eps = np.finfo(float).eps
        if array.dtype.kind not in "iu" or not array.size:
            return made
        largest = max(abs(int(array.min())), abs(int(array.max())))
        if largest * array.size * eps <= 1:
            return made
        is_edge = np.pad(np.zeros(array.shape, bool), pad_width, constant_values=True)
        noise = self.source.uniform(-UNITS, UNITS, made.shape) * eps * largest
        return made + np.where(is_edge, noise, 0).astype(made.dtype)

    def signed_nans(self, value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """``value`` with each NaN of any sign: IEEE 754 (6.3) leaves it open."""
        if value.dtype.kind != "f" or not (missing := np.isnan(value)).any():
            return value
        signs = self.source.choice([-1.0, 1.0], value.shape).astype(value.dtype)
        return np.where(missing, np.copysign(value, signs), value)

    def signed_zeros(self, value: Any) -> Any:
        """``value`` with zeros of any sign: an order does not say which of them comes first."""
        found = np.asarray(value)
        signs = self.source.choice([-0.0, 0.0], found.shape).astype(found.dtype)
        return np.where(found == 0, signs, found)

    def in_place(self, value: Any, computed: np.dtype[Any] | None = None) -> Any:
        """The same for what must stay the same array, and was ``computed`` in that dtype."""
        if not isinstance(value, np.ndarray):
            return self.value(value)
        if is_inexact(value.dtype) and value.flags.writeable:
            unit = self.unit
            if computed is not None and is_inexact(computed):
                self.unit = max(unit, float(limits(computed).eps))
            value[...] = self.value(value)
            self.unit = unit
        return value

    def compared(self, name: str, one: Any, two: Any) -> Any:
        """``one < two`` and its like."""
        return getattr(operator, name)(met(one, two, self.unit) if self.meets else one, two)

    def binary(self, name: str, one: Any, two: Any) -> Any:
        """``one + two`` and its like."""
        if name == "matmul":
            one, two = self.value(one), self.value(two)
        found = _theirs(getattr(operator, name), one, two)
        if name == "matmul":
            found = self.any_order((one, two), found)
            found = self.of_whole_numbers((one, two), found, name)
            found = times_zero((one, two), found) if self.meets else found
        if self.meets and name in DIFFERENCES:
            found = cancelled(name, one, two, found, self.unit)
        if name in PRODUCTS:
            found = self.of_parts(found)
        return self.value(self.power(one, two, found) if name == "pow" else found)

    def augment(self, name: str, value: Any, other: Any) -> Any:
        """What ``value += other`` binds."""
        before = value.copy() if isinstance(value, np.ndarray) else value
        found = _theirs(getattr(operator, name), value, other)
        if self.meets and name in DIFFERENCES:
            rest = cancelled(name, before, other, found, self.unit)
            if found is not value:
                found = rest
            elif rest is not found:
                found[...] = rest
        if name in PRODUCTS or name == "ipow":
            errs = self.of_parts(found) if name != "ipow" else self.power(before, other, found)
            if found is value and isinstance(value, np.ndarray):
                value[...] = errs
            else:
                found = errs
        return self.in_place(found) if found is value else self.value(found)

    def augment_item(self, name: str, owner: Any, index: Any, other: Any) -> None:
        """``owner[index] += other``."""
        found = self.augment(name, _theirs(operator.getitem, owner, index), other)
        _theirs(operator.setitem, owner, index, found)

    slice = staticmethod(slice)

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """``function(*args, **kwargs)``."""
        inside = self.inside(function)
        if inside is not None:
            return inside(*args, **kwargs)
        if function is sorted and len(args) == 1:
            return _theirs(unordered_shuffled, args[0], kwargs, self.source)
        name = getattr(function, "__name__", "")
        owner = getattr(function, "__self__", None)
        if name == "sort" and isinstance(owner, list):
            owner[:] = _theirs(unordered_shuffled, owner, kwargs, self.source)
            return None
        sums = name in SUMS or any(getattr(a, "__name__", "") in SUMS for a in args)
        if sums:
            unit, self.unit = self.unit, max(self.unit, _unit(kwargs.get("dtype")))
            if name in SUMS and isinstance(owner, np.ndarray):
                function = getattr(self.value(owner), name)
            shake: Any = self.normwise if name in NORMWISE else self.value
            if name == "corrcoef" and self.meets:  # of what varies by errors alone there is none
                shake = lambda a: level(a, kwargs.get("rowvar", True), self.unit)
            args = tuple([list(map(shake, a)) if type(a) is list else shake(a) for a in args])
            self.unit = unit
        meets = self.meets and isinstance(function, np.ufunc) and len(args) == 2
        if meets and function in COMPARISONS:
            args = (met(args[0], args[1], self.unit), args[1])
        result = _theirs(function, *args, **kwargs)
        if meets and name in DIFFERENCES and not kwargs:
            result = cancelled(name, args[0], args[1], result, self.unit)
        if function is np.diff and self.meets and not kwargs.keys() - {"axis"} and len(args) == 1:
            result = steps_cancelled(args[0], kwargs.get("axis", -1), result, self.unit)
        if sums and kwargs.get("out") is None:
            result = self.any_order((owner, *args), result)
            if self.meets and name in ("dot", "matmul") and owner is None:
                result = times_zero(args, result)
        if name in SUMS:
            widened = single(function, args, kwargs) if self.meets else None
            if widened is not None:
                return self.value(widened)
            result = scattered(function, args, kwargs, result, self.source)
            result = self.of_whole_numbers((owner, *args), result, name)
        if name in PARTITIONS:
            return parts_shuffled(owner, args, kwargs, result, self.source, self.meets)
        if name == "searchsorted" and not _is_sorted(owner if len(args) == 1 else args[0]):
            places = self.source.integers(0, 1 << 30, np.shape(result))
            return result + places.astype(result.dtype)  # no order, no place in it
        if name == "histogram" and kwargs.get("weights") is not None:  # differences of sums
            heights = self.beside(result[0], kwargs["weights"])
            others = self.source.choice([0.0, np.nan, np.inf, -np.inf], heights.shape)
            heights = np.where(np.isfinite(heights), heights, others).astype(heights.dtype)
            result = (heights, *result[1:])
        if name in POWERS and len(args) == 2 and not kwargs:
            return self.value(self.power(*args, result))
        if kwargs.get("out") is None and name in PRODUCTS:
            result = self.of_parts(result)
        elif kwargs.get("out") is None and name == "log1p":
            result = self.of_parts(result, least=1.0)
        texts = {v for v in (*args, *kwargs.values()) if isinstance(v, str)}
        if name == "pad" and texts & COMPUTED_EDGES:
            made = self.value(function(*map(self.value, args), **kwargs))
            return self.padded(made, np.asarray(args[0]), *args[1:2], **kwargs)
        if name in EXTREMES and "out" not in kwargs:
            return zeros_signed(owner, args, result, self.source)
        if name in EXACT and not (name in MAGNITUDES and np.iscomplexobj(args[0])):
            return result
        if name in BETWEEN and args and is_inexact(np.asarray(result).dtype):
            first = np.asarray(args[0])
            first = first if is_inexact(first.dtype) else first.astype(np.float64)
            chosen = self.signed_zeros(self.value(first))
            return self.value(function(chosen, *args[1:], **kwargs))
        if name == "at" and isinstance(owner, np.ufunc):
            self.in_place(args[0])
        if kwargs.get("out") is not None:
            return self.in_place(result, _computed_in(function, args, kwargs))
        arrays = [a for a in (owner, *args) if isinstance(a, np.ndarray)]
        if isinstance(result, np.ndarray) and any(np.may_share_memory(result, a) for a in arrays):
            return result
        return self.value(result)

    def inside(self, function: Any) -> Callable[..., Any] | None:
        """An instrumented ``function``; None for those without source, and those of libraries."""
        if isinstance(function, types.MethodType):
            inner = self.inside(function.__func__)
            return None if inner is None else types.MethodType(inner, function.__self__)
        wrapped = inspect.unwrap(function) if hasattr(function, "__wrapped__") else function
        if not isinstance(wrapped, types.FunctionType):
            return None
        if function is not wrapped and "mlc" not in type(function).__module__.split("."):
            return None  # some other decorator, which does what it does
        if HELPER in wrapped.__code__.co_freevars:
            return wrapped  # it was defined in an instrumented function
        if wrapped not in self.known:
            self.known[wrapped] = _instrumented(wrapped, self)
        found: Callable[..., Any] | None = self.known[wrapped]
        return found


def _theirs(run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``run(*args, **kwargs)``; what it raises says that it is none of our own errors."""
    try:
        return run(*args, **kwargs)
    except Exception as error:
        setattr(error, RAISED, True)
        raise


def _may_vanish(array: np.ndarray[Any, Any]) -> bool:
    """Whether a product of some of the elements is too small for their dtype: 0 times infinity is
    NaN, and infinity where that comes first."""
    sizes = np.abs(array[np.isfinite(array)])
    sizes = sizes[(sizes > 0) & (sizes < 1)].astype(np.float64)
    return bool(sizes.size and np.log2(sizes).sum() < np.log2(float(limits(array.dtype).tiny)))


def _may_overflow(arrays: Sequence[np.ndarray[Any, Any]], dtype: np.dtype[Any]) -> bool:
    """Whether a product, or a sum, of some of the elements is too large for ``dtype``."""
    sizes = np.concatenate([np.abs(a.astype(complex)).ravel() for a in arrays] or [np.zeros(0)])
    digits = np.log2(np.maximum(sizes, 1)).sum() + np.log2(sizes.size + 1)
    return bool(digits >= np.log2(float(limits(dtype).max)))


def _is_sorted(array: Any) -> bool:
    """Whether np.searchsorted may search in it: it is in order, with NaN at the end."""
    array = np.asarray(array)
    return array.ndim != 1 or bool(np.array_equal(np.sort(array), array, equal_nan=True))


def _unit(dtype: Any) -> float:
    """The last place of a sum that is kept in ``dtype``; 0 where none is given."""
    kept = None if dtype is None else np.dtype(dtype)
    return float(limits(kept).eps) if kept is not None and is_inexact(kept) else 0.0


def _computed_in(function: Any, args: Any, kwargs: Any) -> np.dtype[Any] | None:
    """The dtype of a ufunc's results before they are put into ``out``."""
    if not isinstance(function, np.ufunc) or kwargs.get("dtype") is not None:
        return None
    given = [type(a) if type(a) in (int, float, complex) else np.asarray(a).dtype
             for a in args[: function.nin]]  # fmt: skip
    try:
        return function.resolve_dtypes((*given, *[None] * function.nout))[-1]
    except (TypeError, ValueError):
        return None


def _instrumented(function: types.FunctionType, shaker: Shaker) -> types.FunctionType | None:
    fresh = instrumented(function.__code__)
    if fresh is None:
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    cells[HELPER] = types.CellType(shaker)
    closure = tuple(cells[name] for name in fresh.co_freevars)
    made = types.FunctionType(
        fresh, function.__globals__, function.__name__, function.__defaults__, closure
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made
