"""Steps of bit generators, each as one operator: what draws numbers traces them by the hundred.

Sources: see `mlc.control.engines`.
"""

from __future__ import annotations

from typing import Any

from .. import te
from ..dtypes import uint64
from ..ir.expr import Expr, cast, const, select
from .op import op

_HIGH_FACTOR, _LOW_FACTOR = 0x2360ED051FC65DA4, 0x4385DF649FCCF645  # of PCG64's step
_UPPER, _LOWER, _TWIST = 0x80000000, 0x7FFFFFFF, 0x9908B0DF


def _word(value: int) -> Expr:
    return const(value, uint64)


_HALF, _LOW = _word(32), _word(0xFFFFFFFF)


def _number(expr: Expr, name: str) -> Any:
    return te.compute((), lambda: expr, name=name)


def _stepped(high: Any, low: Any, inc_high: Any, inc_low: Any) -> tuple[Any, Any, Any]:
    now, more = low[()], inc_low[()]
    new_low = _number(now * _word(_LOW_FACTOR) + more, "low")
    carry = cast(new_low[()] < more, uint64)
    factors = high[()] * _word(_LOW_FACTOR) + now * _word(_HIGH_FACTOR)
    product = _product_high(now, _LOW_FACTOR)
    new_high = _number(product + carry + inc_high[()] + factors, "high")
    mixed, turn = new_high[()] ^ new_low[()], new_high[()] >> _word(58)
    back = (_word(64) - turn) & _word(63)
    return new_high, new_low, _number((mixed >> turn) | (mixed << back), "bits")


def _product_high(a: Expr, b: int) -> Expr:
    """The upper 64 bits of the product of a uint64 and a number of 64 bits."""
    high, low = a >> _HALF, a & _LOW
    top, bottom = _word(b >> 32), _word(b & 0xFFFFFFFF)
    middle = high * bottom + ((low * bottom) >> _HALF)
    other = low * top + (middle & _LOW)
    return high * top + (middle >> _HALF) + (other >> _HALF)


@op
def pcg64_bits(high: Any, low: Any, inc_high: Any, inc_low: Any) -> Any:
    """The state of PCG64 after its next step, in two words, and the 64 bits that it gives."""
    return _stepped(high, low, inc_high, inc_low)


@op
def pcg64_half(
    high: Any, low: Any, inc_high: Any, inc_low: Any, half: Any, has_half: Any
) -> Any:  # fmt: skip
    """The same, with what is left of the last 64 bits and whether anything is, and the next 32
    bits."""
    new_high, new_low, bits = _stepped(high, low, inc_high, inc_low)
    had, kept = has_half[()], half[()]
    return (
        _number(select(had, high[()], new_high[()]), "high"),
        _number(select(had, low[()], new_low[()]), "low"),
        _number(select(had, kept, bits[()] >> _HALF), "half"),
        _number(~had, "has_half"),
        _number(select(had, kept, bits[()] & _LOW), "bits"),
    )


@op
def twisted_word(words: Any, place: Any, ready: Any) -> Any:
    """The word at ``place`` of the Mersenne Twister, renewed unless it is ``ready``, and the 32
    bits that it gives."""
    count = words.shape[0]

    def at(away: int) -> Expr:
        return words[((place[()] + away) % count,)]

    mixed = (at(0) & _word(_UPPER)) | (at(1) & _word(_LOWER))
    new = at(397) ^ (mixed >> _word(1)) ^ ((mixed & _word(1)) * _word(_TWIST))
    word = _number(select(ready[()] > 0, at(0), new), "word")
    return word, _number(_tempered(word[()]), "bits")


def _tempered(word: Expr) -> Expr:
    word = word ^ (word >> _word(11))
    word = word ^ ((word << _word(7)) & _word(0x9D2C5680))
    word = word ^ ((word << _word(15)) & _word(0xEFC60000))
    return word ^ (word >> _word(18))
