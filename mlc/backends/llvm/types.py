"""LLVM's spelling of our types and numbers, and the value that carries them.

In registers bool is ``i1``; float16 and bfloat16 are the ``i16`` of their bits, so that no
processor feature is needed to move them about. In memory bool is a byte."""

from __future__ import annotations

import struct
from functools import cache

from ...dtypes import ALL, DType, bfloat16, boolean, float16, float32, float64, int8

_SCALAR = {d: "double" if d is float64 else "float" if d is float32 else f"i{d.bits}" for d in ALL}


class Value:
    """An operand: its ``text``, its ``dtype``, and ``lanes``, 0 for the same number in all lanes.

    ``type`` is the LLVM type. ``const`` is the number itself where it is known, else None.
    """

    __slots__ = ("const", "dtype", "lanes", "text", "type")

    def __init__(
        self, text: str, dtype: DType, lanes: int = 0, const: bool | int | float | None = None
    ) -> None:
        self.text = text
        self.dtype = dtype
        self.lanes = lanes
        self.const = const
        self.type = type_of(dtype, lanes)

    def __repr__(self) -> str:
        return f"{self.type} {self.text}"


@cache
def type_of(dtype: DType, lanes: int = 0) -> str:
    """The LLVM type of ``lanes`` values in a register, or of one when ``lanes`` is 0."""
    return f"<{lanes} x {_SCALAR[dtype]}>" if lanes else _SCALAR[dtype]


def memory_type(dtype: DType, lanes: int = 0) -> str:
    """The LLVM type of the same values in memory."""
    return type_of(int8 if dtype is boolean else dtype, lanes)


@cache
def mangled(dtype: DType, lanes: int = 0) -> str:
    """The suffix of an overloaded intrinsic: ``f32``, ``v16f32``, ``i64``."""
    short = {"double": "f64", "float": "f32"}.get(_SCALAR[dtype], _SCALAR[dtype])
    return f"v{lanes}{short}" if lanes else short


@cache
def is_half(dtype: DType) -> bool:
    """Whether arithmetic of ``dtype`` goes through float32."""
    return dtype is float16 or dtype is bfloat16


def literal(value: bool | int | float, dtype: DType) -> str:
    """``value``, which ``dtype`` holds exactly, in LLVM's notation."""
    if dtype is boolean:
        return "true" if value else "false"
    if dtype is float64 or dtype is float32:
        (bits,) = struct.unpack("<Q", struct.pack("<d", value))
        if dtype is float32:  # a NaN may carry more bits than a float has
            bits &= ~0x1FFFFFFF
        return f"0x{bits:016X}"
    if dtype is bfloat16:
        (wide,) = struct.unpack("<I", struct.pack("<f", value))
        value = wide >> 16
    elif dtype is float16:
        (value,) = struct.unpack("<H", struct.pack("<e", value))
    value = int(value)
    return str(value - (1 << dtype.bits) if value >> (dtype.bits - 1) > 0 else value)


def constant(value: bool | int | float, dtype: DType, lanes: int = 0) -> Value:
    """A known number, once or in every lane."""
    text = literal(value, dtype)
    if lanes:
        text = f"splat ({type_of(dtype)} {text})"
    return Value(text, dtype, lanes, value)


def vector_constant(values: list[int], dtype: DType) -> Value:
    """A known number for each lane."""
    element = type_of(dtype)
    text = ", ".join(f"{element} {literal(v, dtype)}" for v in values)
    return Value(f"<{text}>", dtype, len(values))


def shuffle_mask(lanes: list[int]) -> str:
    """Which lane goes where, as the third operand of ``shufflevector``."""
    return f"<{len(lanes)} x i32> <{', '.join(f'i32 {lane}' for lane in lanes)}>"
