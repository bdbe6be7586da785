"""What a default schedule needs to know of a processor."""

from __future__ import annotations

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
    has_dot4: bool = False  # whether ``dot4`` is an instruction
    has_dot2: bool = False  # whether one adds products of bfloat16 in float32, two at a time
    has_byte_tiles: bool = False  # whether there are matrix tiles of bytes
    has_half_tiles: bool = False  # and of bfloat16

    def lanes(self, dtype: DType) -> int:
        """Elements of ``dtype`` in one vector register."""
        return max(self.vector_bytes // dtype.itemsize, 1)


LINE_BYTES = 64  # of a cache line
FEW_REGISTERS = 16  # too few to leave some free, or to hold long chains
LARGE_L2 = 2 << 20  # in which there is room to wait, as what lies behind it is slow
TASK_NS = 10_000  # a task handed to a thread should take at least this long
STACK_BYTES = 256 << 10  # tile-local buffers up to this size live on the stack
