"""Bit generators of NumPy and of Python's library as traced code: the same numbers, drawn natively.

Where the data decide whether something is drawn, or how often, it cannot be drawn before the call.
The state of the generator becomes a part of what native loops and branches carry, and goes back to
the generator after the call.

Sources: M. O'Neill, PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for
Random Number Generation, 2014 (PCG64, XSL-RR); M. Matsumoto and T. Nishimura, Mersenne Twister,
ACM TOMACS 8, 1998.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..ops.bit_streams import pcg64_bits, pcg64_half, twisted_word
from ..ops.update import setitem
from ..tracer.streams import Stream
from ..tracer.tracer import Tracer

Forms = dict[str, Callable[..., Any]]  # methods by name
_WORDS = 624


class Engine(Stream):
    """A bit generator whose state, its attributes, is traced; ``forms`` are the methods of the
    generator over it that are known."""

    __slots__ = ()
    forms: ClassVar[Forms] = {}

    def draw(self, name: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
        form = self.forms.get(name)
        return NotImplemented if form is None else form(self, *args, **options)

    def next64(self) -> Any:
        """The next 64 bits, as uint64."""
        raise NotImplementedError

    def next32(self) -> Any:
        """The next 32 bits, as uint64."""
        raise NotImplementedError

    def next_double(self) -> Any:
        """The next float64 in [0, 1)."""
        raise NotImplementedError


class Pcg64(Engine):
    """``np.random.PCG64``; ``state`` is its state and increment in words, then the 32 bits that are
    left of the last number and whether there are any."""

    __slots__ = ("inc_high", "inc_low")

    def load(self, state: Sequence[Any]) -> None:
        (words,) = state
        self.high, self.low, self.inc_high, self.inc_low, self.half = (words[n] for n in range(5))
        self.has_half = words[5] != 0

    def state(self) -> list[Any]:
        fixed = self.inc_high, self.inc_low
        words = self.high, self.low, *fixed, self.half, self.has_half
        return [np.stack([_as(word, np.uint64) for word in words])]

    def next64(self) -> Any:
        state = self.high, self.low, self.inc_high, self.inc_low
        self.high, self.low, value = pcg64_bits(*state)
        return value

    def next32(self) -> Any:
        state = self.high, self.low, self.inc_high, self.inc_low, self.half, self.has_half
        self.high, self.low, self.half, self.has_half, value = pcg64_half(*state)
        return value

    def next_double(self) -> Any:
        return (self.next64() >> np.uint64(11)).astype(np.float64) * (1 / 9007199254740992.0)


class Mersenne(Engine):
    """The Mersenne Twister of ``np.random.RandomState`` and ``random.Random``.

    NumPy renews all words at once. Here each is renewed right before it is drawn: ``ready`` counts
    those from ``place`` on that are new already.
    """

    __slots__ = ()

    def load(self, state: Sequence[Any]) -> None:
        words, numbers, gauss = state
        self.words = words.astype(np.uint64)
        self.place = numbers[0] % _WORDS
        self.ready = _WORDS - numbers[0]
        self.has_gauss = numbers[1] != 0
        self.gauss = gauss[0]

    def state(self) -> list[Any]:
        numbers = [_as(v, np.int64) for v in (self.place, self.ready, self.has_gauss)]
        gauss = np.reshape(_as(self.gauss, np.float64), (1,))
        return [_as(self.words, np.uint64), np.stack(numbers), gauss]

    def held(self) -> tuple[Any, ...]:
        """The words and the places in them."""
        return self.words, self.place, self.ready

    def keep(self, test: Any, held: tuple[Any, ...]) -> None:
        """Go back to what was ``held`` where ``test`` holds."""
        self.words, self.place, self.ready = (
            np.where(test, old, new) for old, new in zip(held, self.held())
        )

    def next32(self) -> Any:
        words, place, ready = self.words, self.place, self.ready
        word, value = twisted_word(words, place, ready)
        self.words = setitem(words, place, word)
        self.place, self.ready = (place + 1) % _WORDS, np.maximum(ready - 1, 0)
        return value

    def next64(self) -> Any:
        high = self.next32()
        return (high << np.uint64(32)) | self.next32()

    def next_double(self) -> Any:
        high = (self.next32() >> np.uint64(5)).astype(np.float64)
        low = (self.next32() >> np.uint64(6)).astype(np.float64)
        return (high * 67108864.0 + low) * (1 / 9007199254740992.0)


def _as(value: Any, dtype: Any) -> Any:
    return (value if isinstance(value, Tracer) else np.asarray(value)).astype(dtype)
