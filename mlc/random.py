"""``mlc.random``: random numbers that are functions of a key, inside jitted functions and outside.

::

    key = mlc.random.key(7)
    x = mlc.random.normal(key, (3, 4))            # the same at each call, on any machine
    one, two = mlc.random.split(key)              # independent keys for two further draws
    rng = mlc.random.Generator(key)               # or NumPy's way: each draw takes a new key
    y = rng.uniform(0, 1, size=5)

A key is an array of two numbers of uint32, so it can be an argument, a result or a part of a tree.
Element i of a result depends on the key and on i alone: not on the number of threads, nor on how
many elements are asked for. Use each key for one draw, and `split` it first if you need more.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import ArgumentError, UnsupportedError
from .jit import jit
from .ops.op import CURRENT
from .ops.random import random_words
from .tracer.dispatch import call_function

_DRAW, _SPLIT, _FOLD = 0, 0x9E3779B9, 0x7F4A7C15  # streams of counters that do not meet
_MASK = (1 << 64) - 1
Shape = int | tuple[int, ...]
_FLOATS = ("float16", "float32", "float64")


def key(seed: Any) -> Any:
    """The key for a seed: an integer of any size (its low 64 bits count), or a traced one."""
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        low = int(seed) & _MASK
        return np.array([low >> 32, low & 0xFFFFFFFF], np.uint32)
    if getattr(seed, "shape", None) != () or np.dtype(seed.dtype).kind not in "iu":
        raise ArgumentError(f"a seed is an integer, got {seed!r}")
    return _halves(seed.astype(np.uint64).reshape((1,)))[0]


@jit(static_argnames=("num",))
def split(key: Any, num: int = 2) -> Any:
    """``num`` new keys, uint32[num, 2], independent of each other and of ``key``."""
    return _halves(random_words(key, 0, count=_count("num", num), stream=_SPLIT))


@jit
def fold_in(key: Any, number: Any) -> Any:
    """A new key for ``key`` and an integer, such as the number of a step."""
    number = np.asarray(number) if isinstance(number, int) else number
    return _halves(random_words(key, number, count=1, stream=_FOLD))[0]


@jit(static_argnames=("shape",))
def bits(key: Any, shape: Shape = ()) -> Any:
    """Random words of uint64."""
    return _words(key, shape)


@jit(static_argnames=("shape", "dtype"))
def uniform(
    key: Any, shape: Shape = (), dtype: Any = np.float64, low: Any = 0.0, high: Any = 1.0
) -> Any:
    """Numbers of ``[low, high)``, all multiples of 2**-53 (2**-24, 2**-11) of the span equally
    likely."""
    kind = _float(dtype)
    unit = _unit(_words(key, shape), kind)
    if type(low) is float and type(high) is float and (low, high) == (0.0, 1.0):
        return unit
    return (unit * (high - low) + low).astype(kind)


@jit(static_argnames=("shape", "dtype"))
def normal(
    key: Any, shape: Shape = (), dtype: Any = np.float64, loc: Any = 0.0, scale: Any = 1.0
) -> Any:
    """Normally distributed numbers of mean ``loc`` and standard deviation ``scale``.

    By the method of Box and Muller; float64 from 106 random bits, so up to 8.5 deviations from the
    mean, narrower floats from 64 bits, up to 6.6.
    """
    kind = _float(dtype)
    sizes = _sizes(shape)
    if kind == np.float64:
        words = random_words(key, 0, count=2 * math.prod(sizes), stream=_DRAW)
        first, second = words[0::2], words[1::2]
        radius = 1.0 - _unit(first, kind)
        angle = _unit(second, kind)
    else:
        words = random_words(key, 0, count=math.prod(sizes), stream=_DRAW)
        scale32 = np.float32(2.0**-32)
        radius = ((words >> np.uint64(32)).astype(np.float32) + np.float32(0.5)) * scale32
        angle = (words & np.uint64(0xFFFFFF)).astype(np.float32) * np.float32(2.0**-24)
    wide = np.sqrt(-2 * np.log(radius)) * np.cos(2 * math.pi * angle)
    return (wide.reshape(sizes) * scale + loc).astype(kind)


@jit(static_argnames=("shape", "dtype"))
def exponential(key: Any, shape: Shape = (), dtype: Any = np.float64, scale: Any = 1.0) -> Any:
    """Exponentially distributed numbers of mean ``scale``."""
    kind = _float(dtype)
    return (-np.log1p(-_unit(_words(key, shape), kind)) * scale).astype(kind)


@jit(static_argnames=("shape", "dtype"))
def integers(key: Any, low: Any, high: Any = None, shape: Shape = (), dtype: Any = np.int64) -> Any:
    """Integers of ``[low, high)``, or of ``[0, low)`` without ``high``.

    A random word modulo the span: no value is more likely than another by over span / 2**64.
    """
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        raise ArgumentError(f"integers: dtype is an integer one, got {kind}")
    first, last = (0, low) if high is None else (low, high)
    if all(isinstance(v, (int, np.integer)) for v in (first, last)) and first >= last:
        raise ArgumentError(f"integers: low is below high, got {first} and {last}")
    if isinstance(first, int) and isinstance(last, int):
        span = _as_word(last - first)
    else:
        span = _as_word(last) - _as_word(first)
    return (_words(key, shape) % span + _as_word(first)).astype(kind)


@jit(static_argnames=("shape",))
def bernoulli(key: Any, p: Any = 0.5, shape: Shape = ()) -> Any:
    """True with probability ``p``."""
    return _unit(_words(key, shape), np.dtype(np.float64)) < p


@jit(static_argnames=("axis",))
def permutation(key: Any, x: Any, axis: int = 0) -> Any:
    """``x`` with its parts along ``axis`` in random order."""
    order = np.argsort(random_words(key, 0, count=x.shape[axis], stream=_DRAW), stable=True)
    return call_function(np.take, (x, order), {"axis": axis})


class Generator:
    """Draws as those of `numpy.random.Generator`: each takes a key of its own.

    ``seed`` is an integer or a key. A generator is for one place: made outside of a jitted function
    it cannot draw inside, where it would draw once and for all; pass a key, and make one of it
    there.
    """

    def __init__(self, seed: Any) -> None:
        self._key = key(seed) if isinstance(seed, (int, np.integer)) else seed
        self._drawn = 0
        self._trace = CURRENT.get()

    def next_key(self) -> Any:
        """A key that was not used yet."""
        if CURRENT.get() is not self._trace:
            raise UnsupportedError(
                "a random generator made outside of a jitted function would draw the same numbers "
                "at each call; pass a key (mlc.random.key, mlc.random.split) as an argument and "
                "make the generator inside: mlc.random.Generator(key)"
            )
        self._drawn += 1
        return fold_in(self._key, self._drawn)

    def random(self, size: Shape = (), dtype: Any = np.float64) -> Any:
        """Numbers of ``[0, 1)``."""
        return uniform(self.next_key(), size, dtype)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Shape = ()) -> Any:
        """Numbers of ``[low, high)``."""
        return uniform(self.next_key(), size, np.float64, low, high)

    def standard_normal(self, size: Shape = (), dtype: Any = np.float64) -> Any:
        """Normally distributed numbers of mean 0 and deviation 1."""
        return normal(self.next_key(), size, dtype)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Shape = ()) -> Any:
        """Normally distributed numbers."""
        return normal(self.next_key(), size, np.float64, loc, scale)

    def exponential(self, scale: Any = 1.0, size: Shape = ()) -> Any:
        """Exponentially distributed numbers of mean ``scale``."""
        return exponential(self.next_key(), size, np.float64, scale)

    def integers(self, low: Any, high: Any = None, size: Shape = (), dtype: Any = np.int64) -> Any:
        """Integers of ``[low, high)``, or of ``[0, low)``."""
        return integers(self.next_key(), low, high, size, dtype)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        """``x``, or the integers below it, in random order."""
        return permutation(self.next_key(), np.arange(x) if isinstance(x, int) else x, axis)

    def spawn(self, count: int) -> list[Generator]:
        """Generators that are independent of this one and of each other."""
        return [Generator(part) for part in split(self.next_key(), count)]


def default_rng(seed: Any) -> Generator:
    """`Generator` under NumPy's name; the seed must be given."""
    return Generator(seed)


def _sizes(shape: Any) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape or ())
    return tuple(_count("shape", size) for size in sizes)


def _count(name: str, value: Any) -> int:
    if not isinstance(value, (int, np.integer)) or value < 0:
        raise ArgumentError(f"{name} holds sizes known while tracing, got {value!r}")
    return int(value)


def _float(dtype: Any) -> np.dtype[Any]:
    kind = np.dtype(dtype)
    if kind.name not in _FLOATS:
        raise ArgumentError(f"dtype is one of {', '.join(_FLOATS)}, got {kind}")
    return kind


def _words(key: Any, shape: Any) -> Any:
    sizes = _sizes(shape)
    return random_words(key, 0, count=math.prod(sizes), stream=_DRAW).reshape(sizes)


def _unit(words: Any, kind: np.dtype[Any]) -> Any:
    """Multiples of the spacing below 1, from the high bits of ``words``."""
    digits = {2: 11, 4: 24, 8: 53}[kind.itemsize]
    return (words >> np.uint64(64 - digits)).astype(kind) * kind.type(2.0**-digits)


def _halves(words: Any) -> Any:
    """uint64[n] as uint32[n, 2], the high half first."""
    parts = [words >> np.uint64(32), words & np.uint64(0xFFFFFFFF)]
    return np.stack(parts, axis=1).astype(np.uint32)


def _as_word(value: Any) -> Any:
    """An integer, or an array of some, modulo 2**64."""
    if isinstance(value, int):
        return np.uint64(value & _MASK)
    return value.astype(np.uint64)
