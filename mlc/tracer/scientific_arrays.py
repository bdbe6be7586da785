"""SciPy's functions of images, distances and integrals, by formulas in NumPy's functions; found by
`mlc.tracer.scientific`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .noting import note_error
from .shapeless import strong

_PADDED = {
    "reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect", "nearest": "edge",
    "wrap": "wrap", "grid-wrap": "wrap", "constant": "constant", "grid-constant": "constant",
}  # fmt: skip


def as_array(value: Any) -> Any:
    return strong(value) if hasattr(type(value), "__mlc_lift__") else np.asarray(value)


def _floats(value: Any) -> Any:
    array = as_array(value)
    return array if array.dtype.kind in "fc" else array.astype(np.float64)


# Images


def _windows(x: Any, kernel: Any) -> Any:
    """The sums of products of ``kernel`` with each part of ``x`` that is as large."""
    parts = np.lib.stride_tricks.sliding_window_view(x, kernel.shape)
    axes = tuple(range(x.ndim, 2 * x.ndim))
    return np.sum(parts * kernel, axis=axes)


def _padded(x: Any, sides: Sequence[tuple[int, int]], mode: str, value: Any) -> Any:
    if mode == "constant":
        return np.pad(x, sides, mode="constant", constant_values=value)
    return np.pad(x, sides, mode=mode)  # type: ignore[call-overload]


def _filtered(name: str, x: Any, kernel: Any, mode: str, value: Any, flip: bool) -> Any:
    """scipy.ndimage.correlate, or convolve with ``flip``."""
    x, kernel = as_array(x), as_array(kernel)
    if kernel.ndim != x.ndim:
        raise RuntimeError("filter weights array has incorrect shape.")
    if mode not in _PADDED:
        raise RuntimeError("boundary mode not supported")
    is_exact = x.dtype.kind in "iu" and kernel.dtype.kind in "iu"
    if x.dtype.kind != "f" and not is_exact:
        raise UnsupportedError(
            f"scipy.ndimage.{name} of {x.dtype} with weights of {kernel.dtype} cannot be traced: "
            f"how sums are rounded decides about whole numbers; pass x.astype(float)"
        )
    sides = [((s - 1) // 2, s // 2) if flip else (s // 2, (s - 1) // 2) for s in kernel.shape]
    if any(side > size for pair, size in zip(sides, x.shape) for side in pair):
        raise UnsupportedError(
            f"scipy.ndimage.{name} with weights of shape {kernel.shape} over an array of shape "
            f"{x.shape} cannot be traced; the array has to be as large as half of them"
        )
    if flip:
        kernel = kernel[(slice(None, None, -1),) * kernel.ndim]
    wide = x if is_exact else x.astype(np.float64)
    kernel = kernel.astype(np.int64 if is_exact else np.float64)
    return _windows(_padded(wide, sides, _PADDED[mode], value), kernel).astype(x.dtype)


def _correlate(
    input: Any, weights: Any, output: None = None, mode: str = "reflect", cval: Any = 0.0
) -> Any:
    return _filtered("correlate", input, weights, mode, cval, False)


def _convolve(
    input: Any, weights: Any, output: None = None, mode: str = "reflect", cval: Any = 0.0
) -> Any:
    return _filtered("convolve", input, weights, mode, cval, True)


def _along(name: str, x: Any, weights: Any, axis: int, mode: str, value: Any, flip: bool) -> Any:
    shape = [1] * x.ndim
    shape[axis] = len(weights)
    return _filtered(name, x, np.reshape(weights, shape), mode, value, flip)


def _correlate1d(
    input: Any, weights: Any, axis: int = -1, output: None = None, mode: str = "reflect",
    cval: Any = 0.0,
) -> Any:  # fmt: skip
    return _along("correlate1d", as_array(input), weights, axis, mode, cval, False)


def _convolve1d(
    input: Any, weights: Any, axis: int = -1, output: None = None, mode: str = "reflect",
    cval: Any = 0.0,
) -> Any:  # fmt: skip
    return _along("convolve1d", as_array(input), weights, axis, mode, cval, True)


def _bell(sigma: float, truncate: float, radius: Any) -> Any:
    size = int(truncate * float(sigma) + 0.5) if radius is None else int(radius)
    place = np.arange(-size, size + 1)
    weights = np.exp(-0.5 / (float(sigma) * float(sigma)) * place**2)
    return weights / weights.sum()


def _gaussian_filter1d(
    input: Any, sigma: Any, axis: int = -1, order: int = 0, output: None = None,
    mode: str = "reflect", cval: Any = 0.0, truncate: float = 4.0, *, radius: Any = None,
) -> Any:  # fmt: skip
    if order != 0:
        raise UnsupportedError(
            "scipy.ndimage.gaussian_filter1d with order= cannot be traced; take np.gradient of "
            "what it gives with order=0"
        )
    weights = _bell(sigma, truncate, radius)
    return _along("gaussian_filter1d", as_array(input), weights, axis, mode, cval, False)


def _gaussian_filter(
    input: Any, sigma: Any, order: int = 0, output: None = None, mode: str = "reflect",
    cval: Any = 0.0, truncate: float = 4.0, *, radius: Any = None,
) -> Any:  # fmt: skip
    x = as_array(input)
    sigmas = [sigma] * x.ndim if np.ndim(sigma) == 0 else list(sigma)
    for axis, each in enumerate(map(float, sigmas)):  # which decide about sizes
        if each > 1e-15:
            x = _gaussian_filter1d(
                x, each, axis, order, None, mode, cval, truncate, radius=radius
            )  # fmt: skip
    return x[...] if x is input else x


def _sobel(
    input: Any, axis: int = -1, output: None = None, mode: str = "reflect", cval: Any = 0.0
) -> Any:
    x = as_array(input)
    found = _correlate1d(x, [-1, 0, 1], axis, None, mode, cval)
    for other in range(x.ndim):
        if other != axis % x.ndim:
            found = _correlate1d(found, [1, 2, 1], other, None, mode, cval)
    return found


def _laplace(input: Any, output: None = None, mode: str = "reflect", cval: Any = 0.0) -> Any:
    x = as_array(input)
    found = _correlate1d(x, [1, -2, 1], 0, None, mode, cval)
    for axis in range(1, x.ndim):
        found = found + _correlate1d(x, [1, -2, 1], axis, None, mode, cval)
    return found


def _center_of_mass(input: Any) -> Any:
    x = as_array(input)
    total = np.sum(x)
    grids = np.ogrid[tuple(slice(0, size) for size in x.shape)]
    return tuple(np.sum(x * grid.astype(float)) / total for grid in grids)


# Signals


def full_products(x: Any, kernel: Any, boundary: str = "constant", value: Any = 0) -> Any:
    """The convolution of two arrays, of which the second is the smaller one."""
    sides = [(size - 1, size - 1) for size in kernel.shape]
    return _windows(
        _padded(x, sides, boundary, value), kernel[(slice(None, None, -1),) * kernel.ndim]
    )


def cut(whole: Any, first: Any, second: Any, mode: str) -> Any:
    """The part of a full convolution of two arrays that ``mode`` names."""
    if mode == "full":
        return whole
    if mode == "same":
        size, start = first.shape, [(s - 1) // 2 for s in second.shape]
    else:
        low = [min(a, b) for a, b in zip(first.shape, second.shape)]
        size = tuple(abs(a - b) + 1 for a, b in zip(first.shape, second.shape))
        start = [n - 1 for n in low]
    return whole[tuple(slice(a, a + n) for a, n in zip(start, size))]


def _convolve2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Any:
    x, kernel = as_array(in1), as_array(in2)
    modes = {"fill": "constant", "symm": "symmetric", "wrap": "wrap"}
    if x.ndim != 2 or kernel.ndim != 2:
        raise ValueError("convolve2d inputs must both be 2-D arrays")
    is_small = any(k - 1 > n for k, n in zip(kernel.shape, x.shape))
    if boundary not in modes or mode not in ("full", "same", "valid"):
        raise ValueError("Acceptable modes are 'valid', 'same' or 'full', boundaries 'fill', ...")
    if is_small or any(np.dtype(v.dtype).kind == "b" for v in (x, kernel)):
        raise UnsupportedError(
            f"scipy.signal.convolve2d of shapes {x.shape} and {kernel.shape}, {x.dtype} and "
            f"{kernel.dtype}, cannot be traced; the second is to be the smaller one, of numbers"
        )
    kind = np.result_type(x.dtype, kernel.dtype)
    whole = full_products(x.astype(kind), kernel.astype(kind), modes[boundary], fillvalue)
    return cut(whole, x, kernel, mode).astype(kind)


def _fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: None = None) -> Any:
    x, kernel = _floats(in1), _floats(in2)
    if x.ndim != kernel.ndim:
        raise ValueError("in1 and in2 should have the same dimensionality")
    if x.ndim == 1:
        whole = np.convolve(x, kernel)
    elif all(k <= n for k, n in zip(kernel.shape, x.shape)):
        whole = full_products(x, kernel)
    else:
        whole = full_products(kernel, x)
    return cut(whole, x, kernel, mode)


# Distances


def _cdist(XA: Any, XB: Any, metric: str = "euclidean", **options: Any) -> Any:
    a, b = as_array(XA).astype(np.float64), as_array(XB).astype(np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError("XA and XB must have the same number of columns (i.e. feature dimension.)")
    found = _DISTANCES.get(metric) if isinstance(metric, str) and not options else None
    if found is None:
        raise UnsupportedError(
            f"scipy.spatial.distance.cdist with metric={metric!r} cannot be traced; of the "
            f"metrics these can: {', '.join(sorted(_DISTANCES))}"
        )
    return found(a[:, None, :], b[None, :, :])


def _pdist(X: Any, metric: str = "euclidean") -> Any:
    rows, columns = np.triu_indices(np.shape(X)[0], 1)
    return _cdist(X, X, metric)[rows, columns]


def _squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    x = as_array(X)
    if x.ndim not in (1, 2) or force.lower() not in ("no", ("tovector", "tomatrix")[2 - x.ndim]):
        raise ValueError("squareform takes a vector to a matrix, or a matrix to a vector")
    if x.ndim == 1:
        size = max(math.ceil(math.sqrt(x.shape[0] * 2)), 1)
        if size * (size - 1) != x.shape[0] * 2:
            raise ValueError(
                "Incompatible vector size. It must be a binomial coefficient n choose 2 for some "
                "integer n >= 2."
            )
        rows, columns = np.triu_indices(size, 1)
        place = np.zeros((size, size), np.int64)
        place[rows, columns] = place[columns, rows] = np.arange(x.shape[0])
        if size == 1:
            return np.zeros((1, 1), x.dtype)
        return np.where(np.eye(size, dtype=bool), x.dtype.type(0), x[place])
    if x.shape[0] != x.shape[1]:
        raise ValueError("The matrix argument must be square.")
    if checks:
        note_error(np.any(x != x.T), ValueError("Distance matrix 'X' must be symmetric."))
        diagonal = np.diagonal(x) != 0
        note_error(np.any(diagonal), ValueError("Distance matrix 'X' diagonal must be zero."))
    return x[np.triu_indices(x.shape[0], 1)]


def _rankdata(a: Any, method: str = "average", *, axis: Any = None) -> Any:
    """One after the other, those that are equal at the mean of their places."""
    x = as_array(a)
    if method != "average" or x.dtype.kind not in "biuf" or axis is not None and x.ndim != 1:
        raise UnsupportedError(
            f"scipy.stats.rankdata with method={method!r} and axis={axis!r} of {x.dtype} of "
            f"{x.ndim} axes cannot be traced; method='average' of one axis can"
        )
    x = np.ravel(x)
    order = np.sort(x)
    places = np.searchsorted(order, x, "left") + np.searchsorted(order, x, "right")
    found = (places + 1) / 2
    return np.where(np.any(np.isnan(x)), np.nan, found) if x.dtype.kind == "f" else found


def _cosine(u: Any, v: Any) -> Any:
    parts = np.sqrt(np.sum(u * u, axis=-1)) * np.sqrt(np.sum(v * v, axis=-1))
    return 1.0 - np.sum(u * v, axis=-1) / parts


_DISTANCES: dict[str, Callable[..., Any]] = {
    "euclidean": lambda u, v: np.sqrt(np.sum((u - v) ** 2, axis=-1)),
    "sqeuclidean": lambda u, v: np.sum((u - v) ** 2, axis=-1),
    "cityblock": lambda u, v: np.sum(np.abs(u - v), axis=-1),
    "chebyshev": lambda u, v: np.max(np.abs(u - v), axis=-1),
    "cosine": _cosine,
}


def _of_two(name: str) -> Callable[[Any, Any], Any]:
    def distance(u: Any, v: Any) -> Any:
        found = _DISTANCES[name](_floats(u), _floats(v))
        return found.item() if name == "euclidean" else found

    return distance


# Integrals


def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    return np.trapezoid(y, x, dx, axis)


def _cumulative_trapezoid(
    y: Any, x: Any = None, dx: float = 1.0, axis: int = -1, initial: Any = None
) -> Any:
    y = as_array(y)
    if x is not None and np.ndim(x) != 1:
        raise UnsupportedError("scipy.integrate.cumulative_trapezoid takes x of one axis here")
    y = np.moveaxis(y, axis, -1)
    steps = dx if x is None else np.diff(as_array(x))
    found = np.cumsum(steps * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        found = np.concatenate([np.zeros_like(found[..., :1]) + initial, found], axis=-1)
    return np.moveaxis(found, -1, axis)


def _simpson(y: Any, x: Any = None, *, dx: float = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(as_array(y), axis, -1)
    count = y.shape[-1]
    if count % 2 == 0 or count < 3 or x is not None and np.ndim(x) != 1:
        raise UnsupportedError(
            f"scipy.integrate.simpson of {count} points cannot be traced: it needs an odd number "
            f"of them, 3 at least, and x of one axis; use np.trapezoid"
        )
    first, middle, last = y[..., :-2:2], y[..., 1::2], y[..., 2::2]
    if x is None:
        return np.sum(first + 4.0 * middle + last, axis=-1) * (dx / 3.0)
    steps = np.diff(as_array(x))
    a, b = steps[::2], steps[1::2]
    both, ratio = a + b, a / b
    parts = first * (2.0 - 1.0 / ratio) + middle * (both * (both / (a * b))) + last * (2.0 - ratio)
    return np.sum(both / 6.0 * parts, axis=-1)


def _lstsq(a: Any, b: Any, cond: Any = None, **_: Any) -> Any:
    kind = np.result_type(_floats(a).dtype, _floats(b).dtype)
    return np.linalg.lstsq(a, b, rcond=float(np.finfo(kind).eps) if cond is None else cond)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ndimage.correlate": _correlate, "ndimage.convolve": _convolve,
    "ndimage.correlate1d": _correlate1d, "ndimage.convolve1d": _convolve1d,
    "ndimage.gaussian_filter": _gaussian_filter, "ndimage.gaussian_filter1d": _gaussian_filter1d,
    "ndimage.sobel": _sobel, "ndimage.laplace": _laplace,
    "ndimage.center_of_mass": _center_of_mass,
    "signal.convolve2d": _convolve2d, "signal.fftconvolve": _fftconvolve,
    "spatial.cdist": _cdist, "spatial.pdist": _pdist,
    "spatial.squareform": _squareform, "stats.rankdata": _rankdata,
    **{f"spatial.{name}": _of_two(name) for name in _DISTANCES},
    "integrate.trapezoid": _trapezoid, "integrate.simpson": _simpson,
    "integrate.cumulative_trapezoid": _cumulative_trapezoid,
    "linalg.lstsq": _lstsq,
}  # fmt: skip
