"""From a graph or a program to CUDA kernels that run: on a card, or emulated by the processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir.program import Buffer, Program
from .ir.work import statements_run
from .kernel_code import STATEMENT_NS, KernelCode, naive_program

if TYPE_CHECKING:
    from .backends.cuda.device import DeviceModule
    from .graph.kernel import Kernel, Module

Array = np.ndarray[Any, Any]
DEVICE_TARGETS = ("cuda", "cuda-emulated")
_ALIGNMENT = 16  # bytes: the widest access of a thread


def gpu_kernel(kernel: Kernel) -> KernelCode:
    """A kernel of a graph under the default schedule for graphics processors."""
    naive, arguments = naive_program(kernel)
    scheduled, schedule = gpu_program(naive)
    cost = STATEMENT_NS * statements_run(naive.body)
    is_call = kernel.stages[0].call is not None
    return KernelCode(naive, scheduled, schedule, arguments, cost, is_call=is_call)


def gpu_program(program: Program) -> tuple[Program, Any]:
    """``program`` with its loops on a grid, as they are bound already or by the default schedule;
    and that schedule."""
    from .schedules.defaults.gpu import default_gpu_schedule

    schedule = default_gpu_schedule(program)
    return schedule.program, schedule


def graph_device_module(module: Module, kernels: Sequence[KernelCode]) -> DeviceModule:
    """The CUDA C of a graph. The caller's arrays are inputs, constants and outputs, in order."""
    from .backends.cuda.device import Argument
    from .backends.cuda.module import Part, checks_of, device_module
    from .lower.cuda.pipeline import lower_cuda

    first = {"input": 0, "constant": len(module.inputs)}
    first["output"] = first["constant"] + len(module.constants)
    parts = []
    for code in kernels:
        places: dict[Buffer, Argument] = {}
        scratch: list[Buffer] = []
        for buffer, tensor in zip(code.scheduled.params, code.arguments, strict=True):
            slot = module.slots.get(tensor)
            if slot is None:
                scratch.append(buffer)  # written by a call, and read by nobody
            elif slot.kind == "workspace":
                places[buffer] = Argument("workspace", slot.position)
            else:
                places[buffer] = Argument("array", first[slot.kind] + slot.position)
        lowered = lower_cuda(code.scheduled)
        lowered = replace(lowered, temporaries=(*lowered.temporaries, *scratch))
        parts.append(Part(lowered, places, checks_of(code.scheduled)))
    return device_module(module.name, parts, module.workspace_bytes)


def program_device_module(program: Program) -> DeviceModule:
    """The CUDA C of one program, once its threads are proven to be apart. The caller's arrays are
    its params."""
    from .backends.cuda.module import program_module
    from .lower.cuda.pipeline import lower_cuda
    from .lower.cuda.prove_threads import prove_threads

    made = program_module(program, lower_cuda(program))
    prove_threads(program)
    return made


class Emulation:
    """Kernels that run on the processor, over NumPy arrays."""

    def __init__(self, make: Callable[[], DeviceModule]) -> None:
        self._make = make

    @cached_property
    def _kernels(self) -> Any:
        from .runtime.cuda.emulate import load

        return load(self._make())

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Fills ``outputs``, which may be read as well; both as the kernels number them."""
        held = [_aligned(array) for array in (*inputs, *outputs)]
        sizes = [array.nbytes for array in held]
        whole = all(array.flags.c_contiguous for array in held)
        module = self._kernels.module
        memory = np.full(module.workspace_bytes + 1024, 0xFF, np.uint8) if module.checks else None
        workspace = 0 if memory is None else memory.ctypes.data + 1023 & ~1023
        self._kernels([a.ctypes.data for a in held], workspace, sizes if whole else ())
        if memory is not None:
            first = workspace - memory.ctypes.data + module.record
            module.raise_failed(memory[first : first + 16])
        for place, array in zip(outputs, held[len(inputs) :], strict=True):
            if place is not array:
                place[...] = array


def device_runner(target: str, make: Callable[[], DeviceModule]) -> Any:
    """What runs the kernels of a module: ``run(inputs, outputs)``."""
    if target == "cuda-emulated":
        return Emulation(make)
    from .runtime.cuda.host import OnCard

    return OnCard(make)


def _aligned(array: Array) -> Array:
    """``array``, or a copy of it where threads can read several elements at once."""
    if array.ctypes.data % _ALIGNMENT == 0 or not array.flags.c_contiguous:
        return array
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
