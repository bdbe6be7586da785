"""Filters of scipy.signal, and what it makes of whole signals; found by `mlc.tracer.scientific`.

Functions that SciPy writes in terms of `lfilter` are written so here, with its paddings.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.filters import recursive_filter
from ..ops.op import leaves_of
from .scientific_arrays import cut, full_products
from .shapeless import strong

_COMPLEX = (
    "scipy.signal.lfilter with complex coefficients of what came out cannot be traced; filter "
    "outside the jitted function"
)


def _array(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        if any(hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of(value)):
            return np.stack([_array(item) for item in value])
        return np.asarray(value)
    return strong(value) if hasattr(type(value), "__mlc_lift__") else np.asarray(value)


def _line(x: Any) -> Any:
    x = _array(x)
    if not x.ndim:
        raise ValueError("x must be at least 1-D")
    return x


def _coefficients(name: str, values: Any) -> Any:
    values = np.atleast_1d(_array(values))
    if values.ndim != 1 or not values.shape[0]:
        raise ValueError(
            f"Parameter {name} is not a non-empty 1d array, since {name}.shape={values.shape}!"
        )
    return values


def _lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    b, a, x = _coefficients("b", b), _coefficients("a", a), _line(x)
    state = None if zi is None else _array(zi)
    kinds = [value.dtype for value in (b, a, x, state) if value is not None]
    dtype = np.result_type(*kinds)
    if dtype.char not in "fdFD":
        what = f"Parameter's dtypes produced result type '{dtype}', which is"
        raise NotImplementedError(f"{what if len(a) == 1 else f'input type {str(dtype)!r}'} not "
                                  f"supported{'!' if len(a) == 1 else ''}")  # fmt: skip
    if len(a) > 1 and isinstance(a, np.ndarray) and a[0] == 0:
        raise ValueError("BUG: filter coefficient a[0] == 0 not supported yet")
    if axis not in range(-x.ndim, x.ndim):
        raise ValueError("selected axis is out of range")
    axis %= x.ndim
    order = max(len(a), len(b)) - 1
    shape = (*x.shape[:axis], order, *x.shape[axis + 1 :])
    if state is not None:
        ones = state.ndim == x.ndim and all(
            size in (want, 1) and (d != axis or size == want)
            for d, (size, want) in enumerate(zip(state.shape, shape))
        )
        if not ones:
            raise ValueError(f"Unexpected shape for zi: expected {shape}, found {state.shape}.")
        state = np.broadcast_to(state, shape)
    b, a = b.astype(np.result_type(b.dtype, dtype)) / a[0], a[1:] / a[0]
    rise, fall = (
        np.concatenate([part, np.zeros(size - len(part), part.dtype)]) if size > len(part) else part
        for part, size in ((b, order + 1), (a, order if len(a) else 0))
    )
    state = None if state is None else state[None]
    y, end = _filtered(rise[None], fall[None], x, axis, (1, *shape), state)
    return y if zi is None else (y, end[0])


def _filtered(b: Any, a: Any, x: Any, axis: int, shape: tuple[int, ...], state: Any) -> Any:
    """What filters with the rows of ``b`` and ``a`` (after a first 1) make of ``x``, one after the
    other, and their states at the end, of ``shape``: filters first, else as ``x``."""
    if np.iscomplexobj(a) and a.shape[1]:
        raise UnsupportedError(_COMPLEX)
    if np.iscomplexobj(b):  # there is one
        first = _filtered(np.real(b), a, x, axis, shape, state)
        other = _filtered(np.imag(b), a, x, axis, shape, None)
        return tuple(one + 1j * two for one, two in zip(first, other))
    if np.iscomplexobj(x) or np.iscomplexobj(state):
        state = np.zeros(shape) if state is None else state
        parts = [_filtered(b, a, part(x), axis, shape, part(state)) for part in (np.real, np.imag)]
        return tuple(one + 1j * two for one, two in zip(*parts))
    dtype = np.result_type(*(value.dtype for value in (b, a, x, state) if value is not None))
    count, order = b.shape[0], b.shape[1] - 1
    if not order or not math.prod(x.shape):
        return x.astype(dtype) * b[0, 0].astype(dtype), np.zeros(shape, dtype)
    state = np.zeros(shape, dtype) if state is None else state.astype(dtype)
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    states = np.reshape(state, (count, outer, order, inner))
    y, end = recursive_filter(
        b.astype(dtype), a.astype(dtype),
        np.reshape(x.astype(dtype), (outer, x.shape[axis], inner)),
        np.moveaxis(states, 0, 1),
    )  # fmt: skip
    return np.reshape(y, x.shape), np.reshape(np.moveaxis(end, 1, 0), shape)


def _sections(sos: Any) -> Any:
    sos = _array(sos)
    sos = sos[None] if sos.ndim == 1 else sos
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ValueError("sos array must be shape (n_sections, 6)")
    if isinstance(sos, np.ndarray) and not (sos[:, 3] == 1).all():
        raise ValueError("sos[:, 3] should be all ones")
    return sos


def _sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    sos, x = _sections(sos), _line(x)
    shape = (len(sos), *(2 if d == axis % x.ndim else size for d, size in enumerate(x.shape)))
    if zi is not None:
        zi = _array(zi)
        if zi.shape != shape:
            raise ValueError(
                f"Invalid zi shape. With axis={axis!r}, an input with shape {x.shape!r}, and an "
                f"sos array with {len(sos)} sections, zi must have shape {shape!r}, got "
                f"{zi.shape!r}."
            )
    dtype = np.result_type(*(value.dtype for value in (sos, x, zi) if value is not None))
    if dtype.char not in "fdFD":
        raise NotImplementedError(f"input type '{dtype}' not supported")
    y, end = _filtered(sos[:, :3], sos[:, 4:], x, axis % x.ndim, shape, zi)
    return y if zi is None else (y, end)


def _lfilter_zi(b: Any, a: Any) -> Any:
    """The state in which a step has left the filter."""
    b, a = b / a[0], a / a[0]
    size = max(len(a), len(b))
    a, b = (np.concatenate([part, np.zeros(size - len(part))]) for part in (a, b))
    rest = np.eye(size - 1) - np.eye(size - 1, k=1)
    matrix = np.concatenate([(rest[:, 0] + a[1:])[:, None], rest[:, 1:]], axis=1)
    return np.linalg.solve(matrix, b[1:] - a[1:] * b[0])


def _part(x: Any, axis: int, start: Any = None, stop: Any = None, step: Any = None) -> Any:
    place = *(slice(None),) * (axis % x.ndim), slice(start, stop, step)
    return x[place]


def _extended(x: Any, axis: int, padtype: Any, padlen: Any, taps: int) -> tuple[int, Any]:
    """How much is added on each side, and ``x`` with it."""
    if padtype not in ("even", "odd", "constant", None):
        raise ValueError(
            f"Unknown value '{padtype}' given to padtype. padtype must be 'even', 'odd', "
            f"'constant', or None."
        )
    edge = 0 if padtype is None else taps * 3 if padlen is None else padlen
    if x.shape[axis] <= edge:
        raise ValueError(
            f"The length of the input vector x must be greater than padlen, which is {edge}."
        )
    if not edge:
        return 0, x
    first, last = _part(x, axis, 0, 1), _part(x, axis, -1)
    before, after = _part(x, axis, edge, 0, -1), _part(x, axis, -2, -(edge + 2), -1)
    if padtype == "odd":
        before, after = 2 * first - before, 2 * last - after
    elif padtype == "constant":
        before, after = np.repeat(first, edge, axis), np.repeat(last, edge, axis)
    return edge, np.concatenate([before, x, after], axis)


def _there_and_back(run: Callable[[Any, Any], Any], x: Any, edge: int, axis: int) -> Any:
    """``run(x, first element)`` forwards, then backwards, without ``edge`` on each side."""
    y = run(x, _part(x, axis, 0, 1))
    y = _part(run(_part(y, axis, step=-1), _part(y, axis, -1)), axis, step=-1)
    return _part(y, axis, edge, -edge) if edge else y


def _along(values: Any, ndim: int, axis: int) -> Any:
    """``values``, one after the other along ``axis`` of ``ndim``."""
    return np.reshape(values, [-1 if d == axis % ndim else 1 for d in range(ndim)])


def _filtfilt(b: Any, a: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None,
              method: str = "pad", irlen: None = None) -> Any:  # fmt: skip
    if method != "pad":
        raise UnsupportedError(f"scipy.signal.filtfilt with method={method!r} cannot be traced")
    b, a, x = _coefficients("b", b), _coefficients("a", a), _line(x)
    edge, wide = _extended(x, axis, padtype, padlen, max(len(a), len(b)))
    state = _along(_lfilter_zi(b, a), x.ndim, axis)
    return _there_and_back(
        lambda x, first: _lfilter(b, a, x, axis, state * first)[0], wide, edge, axis
    )


def _sosfiltfilt(sos: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None) -> Any:
    sos, x = _sections(sos), _line(x)
    if not isinstance(sos, np.ndarray):
        raise UnsupportedError(
            "scipy.signal.sosfiltfilt with sections that are traced cannot be traced: zeros among "
            "them decide how far it pads; make them outside the jitted function"
        )
    short = min((sos[:, 2] == 0).sum(), (sos[:, 5] == 0).sum())
    edge, wide = _extended(x, axis, padtype, padlen, 2 * len(sos) + 1 - int(short))
    states, scale = [], 1.0
    for section in sos:
        states.append(scale * _lfilter_zi(section[:3], section[3:]))
        scale *= section[:3].sum() / section[3:].sum()
    start = np.stack([_along(state, x.ndim, axis) for state in states])
    return _there_and_back(
        lambda x, first: _sosfilt(sos, x, axis, start * first)[0], wide, edge, axis
    )


def _hilbert(x: Any, N: Any = None, axis: int = -1) -> Any:
    x = _array(x)
    if np.iscomplexobj(x):
        raise ValueError("x must be real.")
    size = x.shape[axis] if N is None else int(N)
    if size <= 0:
        raise ValueError("N must be positive.")
    place = np.arange(size)
    factor = np.where(place < (size + 1) // 2, 2.0, 0.0)
    factor[0] = 1.0
    if size % 2 == 0:
        factor[size // 2] = 1.0
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    factor = _along(factor, x.ndim, axis).astype(x.dtype)
    return np.fft.ifft(np.fft.fft(x, size, axis) * factor, axis=axis)


def _detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0,
             overwrite_data: bool = False) -> Any:  # fmt: skip
    data = _array(data)
    if type not in ("linear", "l", "constant", "c"):
        raise ValueError("Trend type must be 'linear' or 'constant'.")
    if type in ("constant", "c"):
        return data - np.mean(data, axis, keepdims=True)
    data = data if data.dtype.char in "dfDF" else data.astype(np.float64)
    size = data.shape[axis]
    cuts = np.unique(np.concatenate([[0], np.atleast_1d(bp), [size]])).astype(int)
    if cuts[-1] > size:
        raise ValueError("Breakpoints must be less than length of data along given axis.")
    rows = np.moveaxis(data, axis, 0)
    rest = []
    for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist()):
        count = last - first
        line = np.stack([np.arange(1, count + 1) / count, np.ones(count)], axis=1)
        base = np.linalg.qr(line)[0][:, : min(count, 2)]  # of what lines can be
        base = base.astype(np.real(np.zeros(0, data.dtype)).dtype)
        piece = np.reshape(rows[first:last], (count, -1))
        rest.append(np.reshape(piece - base @ (base.T @ piece), (count, *rows.shape[1:])))
    return np.moveaxis(np.concatenate(rest), 0, axis)


def _convolve(in1: Any, in2: Any, mode: Any = "full", method: str = "auto") -> Any:
    x, y = _array(in1), _array(in2)
    if x.ndim != y.ndim:
        raise ValueError("volume and kernel should have the same dimensionality")
    if mode not in ("full", "same", "valid"):
        raise ValueError("Acceptable mode flags are 'valid', 'same', or 'full'.")
    if x.ndim == 1:
        return cut(np.convolve(x, y), x, y, mode)
    kind = np.result_type(x.dtype, y.dtype)
    x, y = x.astype(kind), y.astype(kind)
    is_smaller = all(k <= n for k, n in zip(y.shape, x.shape))
    whole = full_products(x, y) if is_smaller else full_products(y, x)
    return cut(whole, x, y, mode)


def _correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    x, y = _array(in1), _array(in2)
    if x.ndim != y.ndim:
        raise ValueError("in1 and in2 should have the same dimensionality")
    return _convolve(x, np.conj(y[(slice(None, None, -1),) * y.ndim]), mode, method)


def _freqz(b: Any, a: Any = 1, worN: Any = 512, whole: bool = False, plot: None = None,
           fs: float = 2 * math.pi, include_nyquist: bool = False) -> Any:  # fmt: skip
    b, a = _coefficients("b", b), _coefficients("a", a)
    numbers = _array(512 if worN is None else worN)
    if not numbers.shape and numbers.dtype.kind in "biu":
        count, end = operator.index(numbers), 2 * math.pi if whole else math.pi
        w: Any = np.linspace(0, end, count, endpoint=include_nyquist and not whole)
    else:
        w = 2 * math.pi * np.atleast_1d(numbers) / fs
    z = np.exp(-1j * w)
    value = np.polyval(b[::-1], z) / np.polyval(a[::-1], z)
    return w * (fs / (2 * math.pi)), value


SIGNALS: dict[str, Callable[..., Any]] = {
    "signal.lfilter": _lfilter, "signal.sosfilt": _sosfilt, "signal.filtfilt": _filtfilt,
    "signal.sosfiltfilt": _sosfiltfilt, "signal.lfilter_zi": lambda b, a: _lfilter_zi(
        _coefficients("b", b), _coefficients("a", a)
    ),
    "signal.hilbert": _hilbert, "signal.detrend": _detrend, "signal.convolve": _convolve,
    "signal.correlate": _correlate, "signal.freqz": _freqz,
}  # fmt: skip
