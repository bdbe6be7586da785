"""scipy.fft and scipy.fftpack of traced arrays, by np.fft: transforms of Fourier, and cosine
transforms by them.

Cosine transforms are those of a line and its mirror image (J. Makhoul, "A fast cosine transform in
one and two dimensions", 1980)::

    rfft([x, x[::-1]])[k] = exp(i pi k / 2n) dct(x)[k]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .shapeless import strong

_OF_LINES = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_OF_PLANES = ("fft2", "ifft2", "rfft2", "irfft2")
_OF_ALL = ("fftn", "ifftn", "rfftn", "irfftn")


def _array(x: Any) -> Any:
    """``x`` of a dtype that is transformed as it is: float16 as float32, as SciPy does it."""
    x = strong(x) if hasattr(type(x), "__mlc_lift__") else np.asarray(x)
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _of_line(name: str) -> Callable[..., Any]:
    of_numpy = getattr(np.fft, name)

    def call(x: Any, n: Any = None, axis: Any = -1, norm: Any = None, overwrite_x: bool = False,
             workers: Any = None, *, plan: None = None) -> Any:  # fmt: skip
        return of_numpy(_array(x), n, axis, norm)

    return call


def _of_axes(name: str, usual: tuple[int, ...] | None) -> Callable[..., Any]:
    of_numpy = getattr(np.fft, name)

    def call(x: Any, s: Any = None, axes: Any = usual, norm: Any = None, overwrite_x: bool = False,
             workers: Any = None, *, plan: None = None) -> Any:  # fmt: skip
        s, axes = ((v,) if isinstance(v, int) else v for v in (s, axes))
        if s is not None and axes is None:
            axes = tuple(range(-len(s), 0))
        return of_numpy(_array(x), s, axes, norm)

    return call


def _dct(x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None,
         overwrite_x: bool = False, workers: Any = None) -> Any:  # fmt: skip
    if type == 3:  # the inverse of the other, but for a factor
        return _inverse(x, n, axis, norm, _scale("dct", norm, backward=lambda n: 2 * n))
    _check("dct", type)
    x, last = _line(x, n, axis)
    count = x.shape[-1]
    turned = np.exp(-0.5j * np.pi / count * np.arange(count)).astype(_complex_of(x))
    both = np.concatenate([x, x[..., ::-1]], axis=-1)
    found = np.real(np.fft.rfft(both)[..., :count] * turned)
    if norm == "ortho":
        found = found * _first(1 / math.sqrt(4 * count), 1 / math.sqrt(2 * count), found)
    else:
        found = found * _scale("dct", norm, forward=lambda n: 0.5 / n)(count)
    return np.moveaxis(found, -1, last)


def _idct(x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None,
          overwrite_x: bool = False, workers: Any = None) -> Any:  # fmt: skip
    if type == 3:
        inverse = {"forward": "backward", "ortho": "ortho"}.get(norm, "forward")
        return _dct(x, 2, n, axis, inverse)
    _check("idct", type)
    return _inverse(x, n, axis, norm, _scale("idct", norm, forward=lambda n: 2 * n))


def _inverse(x: Any, n: Any, axis: Any, norm: Any, scale: Callable[[int], float]) -> Any:
    x, last = _line(x, n, axis)
    count = x.shape[-1]
    if norm == "ortho":
        x = x * _first(math.sqrt(4 * count), math.sqrt(2 * count), x)
    turned = np.exp(0.5j * np.pi / count * np.arange(count)).astype(_complex_of(x))
    half = np.concatenate([x * turned, np.zeros((*x.shape[:-1], 1), turned.dtype)], axis=-1)
    found = np.fft.irfft(half, 2 * count)[..., :count]
    return np.moveaxis(found if norm == "ortho" else found * scale(count), -1, last)


def _first(first: float, rest: float, like: Any) -> Any:
    """Factors for the first of a line, and for the rest."""
    return np.where(np.arange(like.shape[-1]) == 0, first, rest).astype(like.dtype)


def _line(x: Any, n: Any, axis: Any) -> tuple[Any, int]:
    """``x`` in floats, with ``axis`` last and ``n`` long; and which one it was."""
    x = _array(x)
    if x.dtype.kind == "c":
        raise UnsupportedError(
            "cosine transforms of complex arrays cannot be traced; take those of x.real and x.imag"
        )
    x = np.moveaxis(x if x.dtype.kind == "f" else x.astype(np.float64), axis, -1)
    size = x.shape[-1]
    if n is not None and n < size:
        x = x[..., :n]
    elif n is not None and n > size:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - size)])
    return x, axis


def _complex_of(x: Any) -> Any:
    return np.complex64 if x.dtype == np.float32 else np.complex128


def _scale(name: str, norm: Any, **scales: Callable[[int], float]) -> Callable[[int], float]:
    """By what ``norm`` multiplies, for the lengths of lines."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(
            f'scipy.fft.{name}: norm is "backward", "ortho" or "forward", got {norm!r}'
        )
    return scales.get(norm or "backward", lambda n: 1.0)


def _check(name: str, kind: Any) -> None:
    if kind != 2:
        raise UnsupportedError(
            f"scipy.fft.{name} of type {kind} cannot be traced; those of types 2 and 3 can"
        )


def _of_pack(name: str, usual: Any) -> Callable[..., Any]:
    """A function of scipy.fftpack, along one axis or several: without a norm."""
    of_numpy = getattr(np.fft, name)
    if usual == -1:
        return lambda x, n=None, axis=-1, overwrite_x=False: of_numpy(_array(x), n, axis)
    of_axes = _of_axes(name, usual)
    return lambda x, shape=None, axes=usual, overwrite_x=False: of_axes(x, shape, axes)


def _packed_cosine(inverse: bool) -> Callable[..., Any]:
    """scipy.fftpack.dct, or idct, which multiplies by nothing where there is no norm."""

    def call(x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None,
             overwrite_x: bool = False) -> Any:  # fmt: skip
        if norm is None and inverse:
            type = {2: 3, 3: 2}.get(type, type)
        return (_idct if inverse and norm is not None else _dct)(x, type, n, axis, norm)

    return call


FOURIER: dict[str, Callable[..., Any]] = {
    **{f"fft.{name}": _of_line(name) for name in _OF_LINES},
    **{f"fft.{name}": _of_axes(name, (-2, -1)) for name in _OF_PLANES},
    **{f"fft.{name}": _of_axes(name, None) for name in _OF_ALL},
    **{f"fftpack.{name}": _of_pack(name, -1) for name in ("fft", "ifft")},
    **{f"fftpack.{name}": _of_pack(name, (-2, -1)) for name in ("fft2", "ifft2")},
    **{f"fftpack.{name}": _of_pack(name, None) for name in ("fftn", "ifftn")},
    "fftpack.dct": _packed_cosine(False), "fftpack.idct": _packed_cosine(True),
    "fft.dct": _dct, "fft.idct": _idct,
    "fft.fftfreq": lambda n, d=1.0, **_: np.fft.fftfreq(n, d),
    "fft.rfftfreq": lambda n, d=1.0, **_: np.fft.rfftfreq(n, d),
}  # fmt: skip
