"""From a graph or a program to CUDA kernels that run: on a card, or emulated by the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .dtypes import DType, bfloat16, float16
from .errors import ArgumentError, SourceLocation
from .ir.program import Buffer, Evaluate, Program, blocks_of, reads_of, walk, writes_of
from .schedules.tuned import has_records

if TYPE_CHECKING:
    from .backends.cuda.device import Check, DeviceModule
    from .graph.kernel import Kernel, Module
    from .kernel_code import KernelCode
    from .lower.cuda.bound_rows import Rows
    from .lower.cuda.kernel import DeviceProgram
    from .runtime.cuda.card import Card
    from .schedules.defaults.gpu import GpuMachine
    from .schedules.tuned import Host, Tuned
    from .te.tensor import Tensor

Array = np.ndarray[Any, Any]
DEVICE_TARGETS = ("cuda", "cuda-emulated")
PRECISIONS = ("tf32",)
HALVES = frozenset({float16, bfloat16})
_ALIGNMENT = 16  # bytes: the widest access of a thread
_PROCESSORS = {"sm_90a": 132}  # of the cards of an architecture


class DeviceTarget(str):
    """The name of a target, with the ``precision`` that was asked for: ``"tf32"``, or ``""``."""

    precision = ""


def with_precision(target: str, precision: str | None) -> str:
    """``target``, which multiplies in ``precision``. Raises :class:`ArgumentError` for what is not
    known, and where nothing multiplies so."""
    if precision is None:
        return target
    if precision not in PRECISIONS:
        known = ", ".join(map(repr, PRECISIONS))
        raise ArgumentError(f"precision is None or one of {known}, got {precision!r}")
    if target not in DEVICE_TARGETS:
        raise ArgumentError(
            f"precision={precision!r} is for tensor cores, and target {target!r} has none; leave "
            f"it out, or use target='cuda' or 'cuda-emulated'"
        )
    made = DeviceTarget(target)
    made.precision = precision
    return made


def architecture_for(target: str, dtypes: Iterable[DType] = HALVES) -> str:
    """What kernels that read ``dtypes`` may be made for alone: what
    `mlc.config.cuda_architecture` says or, for target "cuda", what all cards of this machine are,
    and do right; "" for any card."""
    from .config import config

    if config.cuda_architecture:
        return config.cuda_architecture
    on = _card_for(target)
    if on is None:
        return ""
    if HALVES.isdisjoint(dtypes):  # kernels that are for one kind of card alone have 16-bit floats
        return on.common_arch()
    from .runtime.cuda.trial import trusted_architecture

    return trusted_architecture(on)


def machine_for(target: str, dtypes: Iterable[DType] = HALVES) -> GpuMachine:
    """What the default schedules of programs that read ``dtypes`` ask about a target."""
    from .schedules.defaults.gpu import GpuMachine

    architecture, on = architecture_for(target, dtypes), _card_for(target)
    machine = GpuMachine(precision=getattr(target, "precision", ""), architecture=architecture)
    count = _PROCESSORS.get(architecture, machine.processors) if on is None else on.processors()
    return replace(machine, processors=count)


def _card_for(target: str) -> Card | None:
    """What kernels of a target will run on; None where that is the emulator, or nothing is known:
    texts are made without a card, too."""
    from .errors import UnsupportedError
    from .runtime.cuda import card

    if target != "cuda":
        return None
    try:
        return card.card()
    except UnsupportedError:
        return None


def module_for_cards(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], name: str, target: str
) -> Module:
    """The kernels that compute ``outputs`` from ``inputs`` for cards."""
    from .graph.graph import graph_of
    from .graph.pipeline import build_module

    precision = getattr(target, "precision", "")
    nodes = graph_of(inputs, outputs).nodes
    read = {t.dtype for t in (*inputs, *(t for node in nodes for t in node.tensors))}
    architecture = architecture_for(target, read)
    return build_module(inputs, outputs, name, False, precision, architecture)


def device_host(target: str) -> Host:
    """What stored results of tuning for ``target`` are compared with: the current card, or the
    emulator on this processor. UnsupportedError where there is no card."""
    from .schedules.tuned import Host

    precision = getattr(target, "precision", "")
    more = f" {precision}" if precision else ""
    if target == "cuda-emulated":
        from .kernel_code import tuning_host

        family = f"{target}{more}"
        return Host(isa=family, target=f"{family} on {tuning_host().target}", family=family)
    from .runtime.cuda.card import card

    on = card()
    device = on.device()
    family = f"{target} {on.arch(device)}{more}"
    return Host(isa=family, target=f"{family} on {on.name(device)}", family=family)


def gpu_kernels(kernels: Sequence[Kernel], target: str) -> tuple[KernelCode, ...]:
    """The kernels of a graph under stored schedules, where there are any for the current card, or
    else under the default ones."""
    tuned = _stored_traces(kernels, target) if has_records() else {}
    return tuple(gpu_kernel(kernel, target, tuned=tuned) for kernel in kernels)


def _stored_traces(kernels: Sequence[Kernel], target: str) -> Tuned:
    from .errors import UnsupportedError
    from .kernel_code import naive_program
    from .schedules.tuned import tuned_traces, workload_key

    try:
        host = device_host(target)
    except UnsupportedError:
        return {}  # texts are made without a card, too
    return tuned_traces([workload_key(naive_program(k)[0], host.isa) for k in kernels], host)


def _tuned_schedule(program: Program, target: str, tuned: Tuned) -> Any:
    """The schedule that ``tuned`` has for a program, whose threads are proven to be apart; None if
    there is none."""
    from .errors import ScheduleError, TuningWarning, warn
    from .lower.cuda.prove_threads import prove_threads
    from .schedules.tuned import tuned_schedule, workload_key

    trace = tuned.get(workload_key(program, device_host(target).isa))
    schedule = None if trace is None else tuned_schedule(program, trace, program.name)
    if schedule is not None:
        try:
            prove_threads(schedule.program)
        except ScheduleError as error:
            warn(
                f"the stored schedule of {program.name} is not used: {error.message}; the default "
                "schedule is used; tune it again",
                TuningWarning,
            )
            return None
    return schedule


def gpu_kernel(
    kernel: Kernel, target: str = "cuda", many_sizes: bool = False, tuned: Tuned | None = None
) -> KernelCode:
    """A kernel of a graph under its schedule in ``tuned``, stored traces by workload key, or under
    the default schedule for graphics processors. With ``many_sizes`` it stays one, and numbers that
    are told at the call say that no place is out of bounds, and what an operator has written for
    grids is not taken."""
    from .ir.work import statements_run
    from .kernel_code import STATEMENT_NS, KernelCode, grid_of, naive_program

    naive, arguments = naive_program(kernel)
    call = kernel.stages[0].call
    if many_sizes:
        naive = replace(naive, attrs={**naive.attrs, "unsafe": True})
    elif call is not None:
        naive = replace(naive, grid=grid_of(call))
    if naive.grid is None and calls_library(naive):  # the processor runs it
        from .schedules.schedule import Schedule

        scheduled, schedule = naive, Schedule(naive)
    elif tuned and (found := _tuned_schedule(naive, target, tuned)) is not None:
        scheduled, schedule = found.program, found
    else:
        scheduled, schedule = gpu_program(naive, target, many_sizes)
    cost = STATEMENT_NS * statements_run(naive.body)
    return KernelCode(naive, scheduled, schedule, arguments, cost, is_call=call is not None)


def gpu_program(
    program: Program, target: str = "cuda", many_sizes: bool = False
) -> tuple[Program, Any]:
    """``program`` with its loops on a grid, as they are bound already, as an operator has written
    it, or by the default schedule; and that schedule. With ``many_sizes`` its kernels are told how
    many rows arrays have."""
    from .schedules.defaults.gpu import default_gpu_schedule

    read = {load.dtype for load in reads_of(program.body)}
    one = not many_sizes
    machine = replace(machine_for(target, read), splits=one, boxes=one)
    schedule = default_gpu_schedule(program, machine)
    return schedule.program, schedule


def calls_library(program: Program) -> bool:
    """Whether it calls a function that no card has."""
    from .ir.intrinsic import is_intrinsic
    from .lower.cuda.kernel import BARRIER

    called = {s.name for s in walk(program.body) if isinstance(s, Evaluate)}
    return any(name != BARRIER and not is_intrinsic(name) for name in called)


def _on_host(
    program: Program, compile_graph: Callable[..., Any]
) -> Callable[[Sequence[Array], Sequence[Array]], None]:
    """``program``, which calls libraries, compiled for the processor when it first runs."""
    from .te import call, placeholder

    @cache
    def made() -> Any:
        params = program.params[: len(program.params) - program.outputs]
        whole = [placeholder(b.shape, b.dtype, name=b.name) for b in params]
        results = call(program, *whole)
        several = isinstance(results, tuple)
        return compile_graph(whole, results if several else [results], name=program.name)

    def run(given: Sequence[Array], results: Sequence[Array]) -> None:
        given = [np.require(array, requirements=("C", "A")) for array in given]
        made().run(given, results)

    return run


def graph_device_module(
    module: Module,
    kernels: Sequence[KernelCode],
    compile_graph: Callable[..., Any],
    debug: bool = False,
    rows: tuple[Rows, int] | None = None,
) -> DeviceModule:
    """The CUDA C of a graph. The caller's arrays are inputs, constants and outputs, in order.
    ``compile_graph`` compiles what calls functions of libraries for the processor. With ``debug``,
    indices that data decide are looked at. ``rows`` are extents that are told at the call, and the
    number of the input that tells them."""
    from .backends.cuda.device import Argument, HostArray, HostCall
    from .backends.cuda.module import HostPart, Part, checks_of, device_module
    from .lower.cuda.pipeline import lower_cuda

    first = {"input": 0, "constant": len(module.inputs)}
    first["output"] = first["constant"] + len(module.constants)
    parts: list[Part | HostPart] = []
    for kernel, code in zip(module.kernels, kernels, strict=True):
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
        program = code.scheduled
        call = kernel.stages[0].call
        if call is not None and calls_library(program):
            lie = [
                HostArray(places.get(b), tuple(b.shape), b.dtype.numpy, b.strides)
                for b in program.params
            ]
            split = len(lie) - program.outputs
            given, results = tuple(lie[:split]), tuple(lie[split:])
            step = HostCall(program.name, 0, given, results, _on_host(call.program, compile_graph))
            parts.append(HostPart(step))
            continue
        told: Rows | None = None
        if rows is not None:
            number = Argument("array", rows[1])
            here = (buffer for buffer, place in places.items() if place == number)
            told = replace(rows[0], sizes=next(here, rows[0].sizes))
            places[told.sizes] = number
        lowered = lower_cuda(code.scheduled, rows=told)
        lowered = replace(lowered, temporaries=(*lowered.temporaries, *scratch))
        checks = checks_of(code.scheduled)
        if debug:
            of_grid = code.program.grid is not None
            lowered, more = _with_checks(lowered, code.scheduled if of_grid else code.program)
            checks.update(more)
        parts.append(Part(lowered, places, checks))
    return device_module(module.name, parts, module.workspace_bytes)


def device_assembly(module: DeviceModule) -> str:
    """The PTX of a module by NVRTC, which needs no card: for the architecture that it is made for,
    or that of `mlc.config.cuda_architecture`, or of the current card, or else of "sm_80"."""
    from .config import config
    from .errors import UnsupportedError
    from .runtime.cuda.card import card
    from .runtime.cuda.nvrtc import ptx_text

    arch = module.architecture or config.cuda_architecture
    if not arch:
        try:
            arch = card().arch(card().device())
        except UnsupportedError:
            arch = "sm_80"
    return ptx_text(module, arch)


def refuse_llvm(name: str, target: str) -> NoReturn:
    """Raises UnsupportedError for the LLVM IR of a card's kernels."""
    from .errors import UnsupportedError

    raise UnsupportedError(
        f"{name} is compiled for target {target!r}, whose kernels are CUDA C and never LLVM IR; "
        ".cuda prints them, .asm what NVRTC makes of them, and target='cpu' has .llvm"
    )


def _with_checks(
    lowered: DeviceProgram, program: Program
) -> tuple[DeviceProgram, dict[str, Check]]:
    """``lowered``, which looks at indices that data decide, and what it means where one is outside;
    blocks of ``program`` know their lines."""
    from .backends.cuda.device import Check
    from .ir.rewrite import loads_of
    from .lower.cuda.check_accesses import check_accesses

    lines: dict[str, SourceLocation | None] = {}
    for block in blocks_of(program.body):
        for source, indices in (*((n.source, n.indices) for n in reads_of(block)),
                                *writes_of(block.body)):  # fmt: skip
            if any(map(loads_of, indices)):
                lines.setdefault(source.name, block.location)
    lowered, found = check_accesses(lowered, program.attrs.get("refusals", ()))
    checks = {}
    for looked in found:
        sentence = (
            f"index {{index}} is out of bounds for axis {looked.axis} of {looked.buffer} with "
            f"size {looked.extent}"
        )
        checks[looked.guard] = Check("BoundsError", sentence, lines.get(looked.buffer))
    return lowered, checks


def program_device_module(program: Program, debug: bool = False) -> DeviceModule:
    """The CUDA C of one program, once its threads are proven to be apart. The caller's arrays are
    its params."""
    from .backends.cuda.module import checks_of, program_module
    from .lower.cuda.pipeline import lower_cuda
    from .lower.cuda.prove_threads import prove_threads

    lowered, checks = lower_cuda(program), checks_of(program)
    if debug:
        lowered, more = _with_checks(lowered, program)
        checks.update(more)
    made = program_module(program, lowered, checks)
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
