"""What the graph level makes: a module of kernels, each a few stages over shared loops.

::

    Module(inputs, constants, outputs, kernels, slots)   a whole function
    Kernel(stages, shared)                               what runs in one loop nest
    Stage(tensors)                                       one compute after inlining
    Slot(kind, position, nbytes)                         where a tensor lives that crosses kernels
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..ir.rewrite import loads_of
from ..records import dataclass
from ..te.tensor import Call, Compute, Tensor


@dataclass(frozen=True, eq=False)
class Stage:
    """One compute after inlining, or a call. A reduction of several parts has several tensors; so
    has a call, one for each output of its program."""

    tensors: tuple[Tensor, ...]

    @property
    def compute(self) -> Compute:
        """The compute that all the tensors come from."""
        op = self.tensors[0].op
        assert isinstance(op, Compute)
        return op

    @property
    def call(self) -> Call | None:
        """The call that the tensors come from, if it is one."""
        op = self.tensors[0].op
        return op if isinstance(op, Call) else None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensors[0].shape


@dataclass(frozen=True, eq=False)
class Kernel:
    """``stages`` in order of execution; later ones may load tensors of earlier ones. A call is
    alone.

    The first ``shared`` axes of all stages have the same extents, and every load of an earlier
    stage's tensor has exactly the consumer's first ``shared`` axes as its first indices: so all
    stages can run one after the other inside common loops. A kernel of one stage has 0.
    ``outputs`` are read outside the kernel; ``locals`` are made and read by the stages alone.
    """

    name: str
    stages: tuple[Stage, ...]
    shared: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    locals: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Slot:
    """Where a tensor lives: ``position`` is a byte offset into the workspace, or else the number of
    the input, constant or output."""

    kind: Literal["input", "constant", "output", "workspace"]
    position: int
    nbytes: int


@dataclass(frozen=True, eq=False)
class Module:
    """A function as kernels over planned buffers. Every tensor that crosses kernels has a slot.

    Each output is written by exactly one kernel. Only constants that some kernel reads are listed.
    """

    name: str
    inputs: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    kernels: tuple[Kernel, ...]
    slots: Mapping[Tensor, Slot]
    workspace_bytes: int

    @property
    def is_in_place(self) -> bool:
        """Whether the output may be written over an input of its shape: each element is computed
        from those at the same place, at once."""
        stages = [stage for kernel in self.kernels for stage in kernel.stages]
        if len(stages) != 1 or len(self.outputs) != 1:
            return False
        op = stages[0].tensors[0].op
        if not isinstance(op, Compute) or op.reduction is not None:
            return False
        loads = [n for n in loads_of(op.body[0]) if n.source.shape == self.outputs[0].shape]
        return all(i is axis for n in loads for i, axis in zip(n.indices, op.axes, strict=True))

    def __repr__(self) -> str:
        from .show import module_text

        return module_text(self)
