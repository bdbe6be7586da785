"""What lowering makes of a device program: kernels, each as what one thread does.

::

    DeviceProgram(kernels, temporaries)   kernels in order, and the global memory between them
    DeviceKernel(name, params, body)      one launch over a grid of blocks of threads
    Thread(tag, var, extent)              one direction of the grid or of a block
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...ir.expr import Expr, Var
from ...ir.program import Buffer, Scope, Stmt

BARRIER = "barrier"  # the name that a call has when all threads of a block wait
BOUNDARY = "boundary"  # a place where a barrier may be put
SLOTS_BEGIN, SLOT_FILL = "slots_begin", "slot_fill"  # of what boxes fill in turns
SLOT_WAIT, SLOT_LEAVE = "slot_wait", "slot_leave"
CLUSTER_BARRIER = "cluster_barrier"  # of all threads of a cluster of blocks
PRODUCTS_WAIT = "products_wait"  # until so many go on; and what of the others is in registers
WARP = 32  # threads of a warp
MOST_THREADS = 1024
SHARED_BYTES = 227 << 10  # that a block can ask for
PRIVATE = frozenset({Scope.LOCAL, Scope.REGISTER, Scope.STACK})
PER_BLOCK = frozenset({Scope.SHARED, Scope.WARP})


@dataclass(frozen=True, eq=False)
class Thread:
    """``var`` counts the threads of a block, or the blocks of the grid, in one direction."""

    tag: str  # "threadIdx.x", "blockIdx.y"
    var: Var
    extent: int

    @property
    def is_block(self) -> bool:
        """Whether it counts blocks of the grid."""
        return self.tag.startswith("blockIdx")


@dataclass(frozen=True)
class BoxMap:
    """Boxes of ``extents`` are loaded from ``buffer``."""

    buffer: Buffer
    extents: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class DeviceKernel:
    """``body`` is what the thread does that the variables of ``threads`` name.

    What it allocates is private to a thread. ``shared`` are the buffers that the threads of a block
    have in common, with their places in the pool of the block, in bytes. A call named
    ``BARRIER`` stands where no thread of a block is missing. ``slots``, one of ``shared``, are
    the mbarriers of what boxes of ``maps`` fill in turns. ``mixed`` are those of ``shared`` whose
    rows, of so many bytes, are mixed. Where rows are told at the call, ``tests`` are (the number
    of a row, which size it must be below) of all that is written; see `bound_rows`. So many
    blocks along x as ``cluster`` says have boxes in common.
    """

    name: str
    params: tuple[Buffer, ...]
    body: Stmt
    threads: tuple[Thread, ...]
    shared: tuple[tuple[Buffer, int], ...] = ()
    shared_bytes: int = 0
    blocks: tuple[str, ...] = ()  # the names of the blocks that it was made of
    maps: tuple[BoxMap, ...] = ()
    slots: Buffer | None = None
    mixed: Mapping[Buffer, int] = field(default_factory=dict)
    tests: tuple[tuple[Expr, int], ...] | None = None
    cluster: int = 1

    def extent(self, tag: str) -> int:
        """The threads in one direction."""
        return next((t.extent for t in self.threads if t.tag == tag), 1)

    @property
    def grid(self) -> tuple[int, int, int]:
        """The blocks of the grid by x, y, z."""
        x, y, z = (self.extent(f"blockIdx.{d}") for d in "xyz")
        return x, y, z

    @property
    def block(self) -> tuple[int, int, int]:
        """The threads of a block by x, y, z."""
        x, y, z = (self.extent(f"threadIdx.{d}") for d in "xyz")
        return x, y, z

    @property
    def ranges(self) -> dict[Var, int]:
        """The extents of the variables of the threads."""
        return {t.var: t.extent for t in self.threads}


@dataclass(frozen=True, eq=False)
class DeviceProgram:
    """``kernels`` run in order on one stream. ``temporaries`` are global memory that they need
    besides the params of the program."""

    kernels: tuple[DeviceKernel, ...]
    temporaries: tuple[Buffer, ...]
