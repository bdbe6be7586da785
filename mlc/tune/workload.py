"""Workload: one program to tune, what it is compared with, and arguments to run it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compile_device import DEVICE_TARGETS, calls_library, device_host, gpu_program
from ..dtypes import boolean
from ..errors import ArgumentError, UnsupportedError
from ..ir.program import Allocate, Buffer, For, LoopKind, Program, walk
from ..kernel_code import captured, schedule_kernel, tuning_host
from ..schedules.schedule import Schedule
from ..schedules.tuned import workload_key
from ..te.tensor import Tensor

if TYPE_CHECKING:
    from ..compile import Compiled
    from ..kernel_code import KernelCode
    from ..schedules.tuned import Host

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Workload:
    """``program`` is naive, ``default`` the same as it runs without tuning; their params agree.

    ``key`` names the program up to names on the kind of processor it runs on. ``count`` says how
    often it occurs in what is tuned, ``source`` prints the steps of the default schedule.
    ``inputs`` are the arrays it was called with, where they are known. The params number
    ``constants`` are the same arrays in every call: what depends on them alone is done once.
    ``whole`` makes the program of the function that consists of this one kernel, as a schedule
    above that function sees it. ``target`` is what it is compiled for.
    """

    name: str
    program: Program
    default: Program
    key: str
    count: int = 1
    source: str = ""
    inputs: tuple[Array, ...] | None = None
    constants: tuple[int, ...] = ()
    whole: Callable[[], Program] | None = None
    target: str = "cpu"

    @property
    def is_on_device(self) -> bool:
        """Whether it runs as kernels of a card, be it an emulated one."""
        return self.target in DEVICE_TARGETS

    @property
    def host(self) -> Host:
        """What its times are of, as stored results name it: this machine, or the current card."""
        return device_host(self.target) if self.is_on_device else tuning_host()

    def arguments(self) -> list[Array]:
        """Arrays for the params that are read: those of a real call, or drawn by chance, always the
        same."""
        if self.inputs is not None:
            return list(self.inputs)
        rng = np.random.default_rng(0)
        return [random_array(buffer, rng) for buffer in self.read_params]

    @property
    def read_params(self) -> tuple[Buffer, ...]:
        """The params in front of the outputs."""
        return self.program.params[: len(self.program.params) - self.program.outputs]

    @property
    def outputs(self) -> tuple[Buffer, ...]:
        """The params that are written."""
        return self.program.params[len(self.program.params) - self.program.outputs :]

    def __repr__(self) -> str:
        return f"<workload {self.name}, {self.key[:12]}>"


def random_array(buffer: Buffer, rng: np.random.Generator) -> Array:
    """An array for ``buffer``: floats around 0, integers that are small, places of the layout that
    it asks for."""
    dtype, shape = buffer.dtype.numpy, buffer.shape
    if buffer.dtype is boolean:
        drawn: Any = rng.integers(0, 2, shape).astype(dtype)
    elif dtype.kind in "iu":
        drawn = rng.integers(0, 2, shape).astype(dtype)
    else:
        drawn = rng.uniform(-1, 1, shape).astype(dtype)
    if buffer.strides is None or not drawn.size:
        return np.ascontiguousarray(drawn).reshape(shape)
    steps = list(zip(shape, buffer.strides, strict=True))
    first = -sum((n - 1) * s for n, s in steps if s < 0)
    memory = np.zeros(1 + sum((n - 1) * abs(s) for n, s in steps), dtype)
    strides = tuple(s * dtype.itemsize for s in buffer.strides)
    view: Array = np.ndarray(shape, dtype, memory, first * dtype.itemsize, strides)
    view[...] = drawn
    return view


def program_key(program: Program, constants: Sequence[int] = ()) -> str:
    """What tells ``program`` from others, up to names, on the kind of processor this is;
    ``constants`` are the params that are the same arrays in every call."""
    from ..backends.llvm.target import host_target

    return workload_key(program, host_target().key(), constants)


def workload_of(
    program: Program, default: Program | None = None, source: str = "", target: str = "cpu"
) -> Workload:
    """The workload of one program; unless ``default`` says otherwise it runs as it is written or,
    on a card, where loops are bound to threads, by the default schedule."""
    if target not in DEVICE_TARGETS:
        return Workload(program.name, program, default or program, program_key(program), 1, source)
    if default is None:
        default, schedule = gpu_program(program, target)
        source = str(schedule)
    try:
        isa = device_host(target).isa
    except UnsupportedError:
        isa = str(target)  # without a card there are no results to be stored or found
    key = workload_key(program, isa)
    return Workload(program.name, program, default, key, 1, source, target=target)


def workloads_of(
    what: Any, arrays: Sequence[Array] | None = None, target: str | None = None
) -> list[Workload]:
    """What there is to tune in ``what``, each kernel once.

    ``what`` is a compiled function (:class:`Compiled` or :class:`CompiledProgram`), something built
    by `mlc.build`, a tensor program, a schedule (whose program is what others have to beat), or a
    list of te tensors. ``arrays`` are those it is called with: outputs may be among them for
    programs. ``target`` is what programs, schedules and tensors are compiled for, the processor
    unless it is named; the others know it themselves. Kernels of a card that call libraries, or
    that an operator has written for a grid with no number left open, have nothing to tune.
    """
    if isinstance(what, Program):
        return [_with_inputs(workload_of(what, target=target or "cpu"), arrays)]
    if isinstance(what, Schedule):
        made = workload_of(what.original, what.program, what.source(), target or "cpu")
        return [_with_inputs(made, arrays)]
    if isinstance(what, (Tensor, list, tuple)):
        from ..build import build

        return workloads_of(build(what, target=target or "cpu"), arrays)
    compiled = getattr(what, "_compiled", what)
    if not hasattr(compiled, "kernels"):
        raise ArgumentError(
            "expected a jitted function, a tensor program, a schedule, te tensors or what "
            f"mlc.build made, got {type(what).__name__}"
        )
    if hasattr(compiled, "module"):
        return _of_graph(compiled, arrays)
    (code,) = compiled.kernels
    made = workload_of(code.program, code.scheduled, str(code.schedule), compiled.target)
    if compiled.constants and arrays is not None:
        arrays = [*arrays[: len(compiled.inputs)], *compiled.constants]
    return [_with_inputs(made, arrays)]


def _with_inputs(workload: Workload, arrays: Sequence[Array] | None) -> Workload:
    if not arrays:
        return workload
    wanted = workload.read_params
    given = [np.asarray(a) for a in arrays[: len(wanted)]]
    for buffer, array in zip(wanted, given, strict=False):
        if array.shape != buffer.shape or array.dtype != buffer.dtype.numpy:
            raise ArgumentError(
                f"the argument for {buffer.name} of {workload.name} has shape {array.shape} and "
                f"dtype {array.dtype}, expected {buffer.shape} and {buffer.dtype}"
            )
    if len(given) < len(wanted):
        raise ArgumentError(
            f"{workload.name} reads {len(wanted)} arrays "
            f"({', '.join(b.name for b in wanted)}), got {len(given)}"
        )
    return replace(workload, inputs=tuple(given))


def _of_graph(compiled: Compiled, arrays: Sequence[Array] | None) -> list[Workload]:
    """One workload for each kernel of another structure, with what it reads in a real call."""
    found: dict[str, Workload] = {}
    values = None if arrays is None else _Values(compiled, arrays)
    for kernel, code in zip(compiled.module.kernels, compiled.kernels, strict=True):
        pairs = zip(code.scheduled.params, code.arguments, strict=False)
        if any(buffer.dtype is not tensor.dtype for buffer, tensor in pairs):
            # Moves of words: what is tuned is the program over elements.
            code = schedule_kernel(kernel, words=False)
        default = without_scratch(code)
        on_device = compiled.target in DEVICE_TARGETS
        inputs = None if values is None else values.through(kernel, code, default)
        if on_device and _is_decided(code.program):
            continue
        made = workload_of(code.program, default, str(code.schedule), compiled.target)
        if constants := () if code.is_call or on_device else captured(kernel.inputs):
            key = program_key(code.program, constants)
            made = replace(made, key=key, constants=constants)
        if made.key in found:
            old = found[made.key]
            found[made.key] = replace(old, count=old.count + 1)
        else:
            found[made.key] = replace(made, inputs=inputs)
    return list(found.values())


def _is_decided(program: Program) -> bool:
    """Whether there is nothing for a card's schedule to decide: threads are bound already, or a
    library is called."""
    if program.grid is not None:
        return False
    loops = (stmt for stmt in walk(program.body) if isinstance(stmt, For))
    return calls_library(program) or any(loop.kind is LoopKind.BOUND for loop in loops)


def without_scratch(code: KernelCode) -> Program:
    """The scheduled program of a kernel with its scratch memory allocated inside."""
    program = code.scheduled
    names = {buffer.name for buffer in code.program.params}
    scratch = tuple(b for b in program.params if b.name not in names)
    if not scratch:
        return program
    params = tuple(b for b in program.params if b.name in names)
    return replace(program, params=params, body=Allocate(scratch, program.body))


class _Values:
    """What the tensors of a graph are in one call, computed kernel by kernel."""

    def __init__(self, compiled: Compiled, arrays: Sequence[Array]) -> None:
        module = compiled.module
        self.target = compiled.target
        self.last = module.kernels[-1] if module.kernels else None
        self.values: dict[Tensor, Array] = dict(zip(module.inputs, arrays, strict=True))
        for tensor in module.constants:
            self.values[tensor] = np.asarray(tensor.op.array, order="C")  # type: ignore[union-attr]

    def through(self, kernel: Any, code: KernelCode, default: Program) -> tuple[Array, ...]:
        """What the kernel reads; what it makes is there for later ones, if there are any."""
        from ..compile_program import compile_program

        reads, writes = kernel.inputs, kernel.outputs
        if code.is_call:
            count = len(code.program.params) - code.program.outputs
            reads, writes = code.arguments[:count], code.arguments[count:]
        arrays = tuple(self.values[t] for t in reads)
        if kernel is self.last:
            return arrays
        target = "cpu" if calls_library(default) else self.target
        made = compile_program(default, target=target).run(arrays)
        self.values.update(zip(writes, made, strict=True))
        return arrays
