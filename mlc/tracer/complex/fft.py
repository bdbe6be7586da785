"""np.fft: Fourier transforms by the loops that NumPy has for them (pocketfft).

As in NumPy float32 and the floats of 16 bits are transformed in float32, and everything else in
float64.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError, UnsupportedError
from ...ops.linalg import library
from ...ops.op import implements
from .calls import FUNCTIONS, made, parts_of
from .value import COMPLEX, Complex, combined

_NORMS = {None: "backward", "backward": "backward", "ortho": "ortho", "forward": "forward"}
_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _stands_for(function: Any) -> Callable[[Any], Any]:
    def register(implementation: Any) -> Any:
        FUNCTIONS[function] = implementation
        implements(function)(implementation)
        return implementation

    return register


def _norm(name: str, norm: Any) -> str:
    if norm not in _NORMS:
        raise ArgumentError(
            f'np.fft.{name}: norm is "backward", "ortho" or "forward", got {norm!r}'
        )
    return _NORMS[norm]


def _line(name: str, a: Any, axis: Any) -> tuple[Any, Any, int]:
    """(the parts of ``a`` in the dtype to work in, the axis last; the axis)."""
    real, imag = parts_of(np.asarray(a) if isinstance(a, (list, tuple)) else a)
    shape = np.shape(real)
    try:
        axis = operator.index(axis)
    except TypeError:
        raise ArgumentError(f"np.fft.{name}: axis must be an integer, got {axis!r}") from None
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(
            f"np.fft.{name}: axis {axis} is out of range for an array of {len(shape)} dimensions"
        )
    dtype = np.result_type(real.dtype, 1.0) if real.dtype.itemsize > 2 else real.dtype
    is_half = dtype == np.float16 or dtype.name == "bfloat16"
    if not is_half:
        dtype = np.dtype("float64") if real.dtype.kind not in "f" else dtype
    if dtype not in COMPLEX and not is_half:
        raise UnsupportedError(f"np.fft.{name} of {dtype} is not supported; use .astype('float32')")
    work = np.dtype("float32") if is_half else dtype
    moved = []
    for part in (real, imag):
        if not isinstance(part, float):
            part = part if part.dtype == work else part.astype(work)
            part = np.moveaxis(part, axis, -1)
        moved.append(part)
    return moved[0], moved[1], axis % len(shape)


def _length(name: str, n: Any, given: int) -> int:
    n = given if n is None else operator.index(n)
    if n < 1:
        raise ArgumentError(f"np.fft.{name}: invalid number of data points ({n}) specified")
    return int(n)


def _factor(norm: str, n: int, is_inverse: bool, dtype: Any) -> Any:
    if norm == "ortho":
        return np.reciprocal(np.sqrt(n, dtype=dtype))
    scaled = (norm == "backward") == is_inverse
    return np.reciprocal(n, dtype=dtype) if scaled else dtype.type(1)


def _run(function: str, types: str, x: Any, factor: Any, length: int) -> Any:
    return library(
        x, factor, functions=(function,), cores=((length,),), refusal="", in_place=False,
        module="fft", types=types,
    )  # fmt: skip


def _complex_line(name: str, a: Any, n: Any, axis: Any, norm: Any) -> Any:
    real, imag, axis = _line(name, a, axis)
    length = _length(name, n, real.shape[-1])
    is_inverse = name == "ifft"
    factor = _factor(_norm(name, norm), length, is_inverse, real.dtype)
    if not real.shape[-1] or 0 in real.shape:
        zero = np.zeros((*real.shape[:-1], length), real.dtype)
        return _back(made(zero, zero), axis)
    pair = made(real, imag).joined()
    types = "Ff->F" if real.dtype == np.float32 else "Dd->D"
    return _back(_split(_run(name, types, pair, factor, length)), axis)


def _back(a: Any, axis: int) -> Any:
    """``a`` with its last axis where it belongs."""
    return np.moveaxis(a, -1, axis)


def _split(pair: Any) -> Complex:
    found: Complex = combined(pair[..., 0], pair[..., 1])
    return found


@_stands_for(np.fft.fft)
def fft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    """np.fft.fft."""
    return _complex_line("fft", a, n, axis, norm)


@_stands_for(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    """np.fft.ifft."""
    return _complex_line("ifft", a, n, axis, norm)


@_stands_for(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    """np.fft.rfft."""
    if getattr(a, "dtype", np.dtype(float)).kind == "c":
        raise TypeError("np.fft.rfft takes real arrays; use np.fft.fft, or take x.real")
    real, _, axis = _line("rfft", a, axis)
    length = _length("rfft", n, real.shape[-1])
    factor = _factor(_norm("rfft", norm), length, False, real.dtype)
    count = length // 2 + 1
    if 0 in real.shape:
        zero = np.zeros((*real.shape[:-1], count), real.dtype)
        return _back(made(zero, zero), axis)
    types = "ff->F" if real.dtype == np.float32 else "dd->D"
    function = "rfft_n_odd" if length % 2 else "rfft_n_even"
    return _back(_split(_run(function, types, real, factor, count)), axis)


@_stands_for(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    """np.fft.irfft."""
    if getattr(getattr(a, "dtype", None), "name", "") == "bfloat16":
        a = a.astype(np.float64)  # which NumPy finds for it, here alone
    real, imag, axis = _line("irfft", a, axis)
    length = _length("irfft", 2 * (real.shape[-1] - 1) if n is None else n, 0)
    factor = _factor(_norm("irfft", norm), length, True, real.dtype)
    if 0 in real.shape:
        found = np.zeros((*real.shape[:-1], length), real.dtype)
    else:
        pair = made(real, imag).joined()
        types = "Ff->f" if real.dtype == np.float32 else "Dd->d"
        found = _run("irfft", types, pair, factor, length)
    if getattr(a, "dtype", None) == np.float16:
        found = found.astype(np.float16)
    return np.moveaxis(found, -1, axis)


@_stands_for(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    """np.fft.hfft."""
    return irfft(np.conjugate(a), n, axis, _SWAPPED[_norm("hfft", norm)])


@_stands_for(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    """np.fft.ihfft."""
    return np.conjugate(rfft(a, n, axis, _SWAPPED[_norm("ihfft", norm)]))


def _lines(
    name: str, a: Any, s: Any, axes: Any, is_inverse_real: bool = False
) -> tuple[list[Any], Sequence[int]]:
    """(lengths, axes) of a transform over several axes."""
    shape = np.shape(a)
    if axes is None:
        axes = range(-len(s), 0) if s is not None else range(len(shape))
    axes = [operator.index(d) for d in axes]
    if not all(-len(shape) <= d < len(shape) for d in axes):
        raise ShapeError(f"np.fft.{name}: axes {tuple(axes)} are out of range for shape {shape}")
    if s is None:
        lengths = [shape[d] for d in axes]
        if is_inverse_real and lengths:
            lengths[-1] = 2 * (shape[axes[-1]] - 1)
    else:
        lengths = [shape[d] if k == -1 else k for d, k in zip(axes, s)]
        if len(s) != len(axes):
            raise ArgumentError(f"np.fft.{name}: shape and axes have different lengths")
    return lengths, axes


def _several(name: str, one: Any, a: Any, s: Any, axes: Any, norm: Any) -> Any:
    lengths, axes = _lines(name, a, s, axes)
    for n, axis in reversed(list(zip(lengths, axes, strict=True))):
        a = one(a, n, axis, norm)
    return a


@_stands_for(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """np.fft.fftn."""
    return _several("fftn", fft, a, s, axes, norm)


@_stands_for(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """np.fft.ifftn."""
    return _several("ifftn", ifft, a, s, axes, norm)


@_stands_for(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    """np.fft.fft2."""
    return _several("fft2", fft, a, s, axes, norm)


@_stands_for(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    """np.fft.ifft2."""
    return _several("ifft2", ifft, a, s, axes, norm)


@_stands_for(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """np.fft.rfftn."""
    lengths, axes = _lines("rfftn", a, s, axes)
    a = rfft(a, lengths[-1], axes[-1], norm)
    for n, axis in reversed(list(zip(lengths[:-1], axes[:-1], strict=True))):
        a = fft(a, n, axis, norm)
    return a


@_stands_for(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    """np.fft.rfft2."""
    return rfftn(a, s, axes, norm)


@_stands_for(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """np.fft.irfftn."""
    lengths, axes = _lines("irfftn", a, s, axes, is_inverse_real=True)
    for n, axis in zip(lengths[:-1], axes[:-1], strict=True):
        a = ifft(a, n, axis, norm)
    return irfft(a, lengths[-1], axes[-1], norm)


@_stands_for(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    """np.fft.irfft2."""
    return irfftn(a, s, axes, norm)
