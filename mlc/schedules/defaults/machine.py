"""What a default schedule needs to know of a processor."""

from __future__ import annotations

from typing import Any

from ...dtypes import DType
from ...records import dataclass


@dataclass(frozen=True)
class Machine:
    """Sizes in bytes, except ``registers`` (vector registers) and ``threads``."""

    vector_bytes: int = 64
    registers: int = 32
    l1: int = 32 << 10
    l2: int = 1 << 20
    past_bytes: int = 0  # larger results are written past the caches; 0: none is
    threads: int = 2
    shuffles_apart: bool = True  # whether lanes are picked beside two multiply-adds in a cycle
    looks_ahead: bool = False  # whether it reads rows ahead of the code well by itself
    shares_lines: bool = False  # whether vectors that overlap in memory are loaded but once
    has_dot4: bool = False  # whether ``dot4`` is an instruction
    has_dot2: bool = False  # whether one adds products of bfloat16 in float32, two at a time
    has_byte_tiles: bool = False  # whether there are matrix tiles of bytes
    has_half_tiles: bool = False  # and of bfloat16

    def lanes(self, dtype: DType) -> int:
        """Elements of ``dtype`` in one vector register."""
        return max(self.vector_bytes // dtype.itemsize, 1)


def machine_of(target: Any, threads: int) -> Machine:
    """What ``target`` is to a default schedule whose loops ``threads`` share."""
    return Machine(
        threads=threads,
        vector_bytes=target.vector_bits // 8,
        registers=target.vector_registers,
        l1=target.l1_bytes,
        l2=target.l2_bytes,
        past_bytes=target.past_bytes,
        shuffles_apart=target.shuffles_apart,
        looks_ahead=target.looks_ahead,
        shares_lines=target.shares_lines,
        has_dot4=target.has_dot4,
        has_dot2=target.has_dot2,
        has_byte_tiles=target.has_byte_tiles,
        has_half_tiles=target.has_half_tiles,
    )


LINE_BYTES = 64  # of a cache line
FEW_REGISTERS = 16  # too few to leave some free, or to hold long chains
LARGE_L2 = 2 << 20  # in which there is room to wait, as what lies behind it is slow
TASK_NS = 10_000  # a task handed to a thread should take at least this long
STACK_BYTES = 256 << 10  # tile-local buffers up to this size live on the stack
