"""From a graph of tensors to something that runs: the way of one function through the compiler."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .compile_device import DEVICE_TARGETS
from .config import check_environment
from .errors import ArgumentError, BoundsError, SourceLocation, refused
from .records import dataclass
from .schedules.tuned import has_records
from .te.key import graph_key, topological
from .te.tensor import Constant, Placeholder, Tensor

# A process that finds its kernels on disk neither schedules nor prints any.
if TYPE_CHECKING:
    from .backends.cuda.device import DeviceModule
    from .backends.llvm.target import Target
    from .graph.kernel import Module
    from .ir.program import Program
    from .kernel_code import KernelCode
    from .runtime.entry import ArraySpec, EntrySpec
    from .runtime.executor import Executable
    from .schedules.tuned import Tuned

Array = np.ndarray[Any, Any]
TARGETS = ("cpu", "interpret", "numpy", *DEVICE_TARGETS)


@dataclass(eq=False)
class Compiled:
    """A compiled graph. Texts of the levels are made when they are asked for.

    ``timings`` holds seconds per stage, in order. ``from_cache`` says that machine code came from
    disk.
    """

    name: str
    target: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    debug: bool
    timings: dict[str, float]
    from_cache: bool = False
    executable: Executable | None = None
    runner: Callable[[Sequence[Array]], list[Array]] | None = None
    sites: list[Any] = field(default_factory=list)
    tuned: Tuned = field(default_factory=dict)  # stored traces, by workload key

    def run(self, arrays: Sequence[Array], out: Sequence[Array] | None = None) -> list[Array]:
        """The outputs for ``arrays``, which must fit the inputs; written to ``out`` if that is
        given."""
        if self.runner is not None:
            results = self.runner(arrays)
            if out is None:
                return results
            for place, result in zip(out, results, strict=True):
                place[...] = result
            return list(out)
        assert self.executable is not None
        outputs = list(out) if out is not None else [_empty(t) for t in self.outputs]
        self.executable.run(arrays, self.executable.spec.as_called(outputs))
        return outputs

    @cached_property
    def module(self) -> Module:
        """The fused graph with its buffers."""
        from .graph.pipeline import build_module

        if self.target not in DEVICE_TARGETS:
            return build_module(self.inputs, self.outputs, self.name)
        from .compile_device import module_for_cards

        return module_for_cards(self.inputs, self.outputs, self.name, self.target)

    @cached_property
    def kernels(self) -> tuple[KernelCode, ...]:
        """The kernels in order of execution."""
        if self.target in DEVICE_TARGETS:
            from .compile_device import gpu_kernels

            return gpu_kernels(self.module.kernels, self.target)
        from .kernel_code import schedule_kernel

        return tuple(schedule_kernel(kernel, self.tuned) for kernel in self.module.kernels)

    def shared_kernels(self) -> Sequence[KernelCode]:
        """The kernels for machine code: those that differ in names alone were scheduled once, and
        large families of those that differ in numbers, too."""
        from .kernel_code import schedule_kernels

        kernels = self.module.kernels
        if len(kernels) < 8 or self.tuned:
            return schedule_kernels(kernels, self.tuned)
        from .kernel_families import families

        return schedule_kernels(kernels, self.tuned, families(kernels))

    @property
    def programs(self) -> tuple[Program, ...]:
        """The kernels as scheduled programs."""
        return tuple(kernel.scheduled for kernel in self.kernels)

    @property
    def graph_text(self) -> str:
        """The traced operators, one a line."""
        from .te.show import graph_text

        return graph_text(self.outputs)

    @property
    def llvm(self) -> str:
        """The LLVM IR of the whole function, of which a card has none."""
        if self.target in DEVICE_TARGETS:
            from .compile_device import refuse_llvm

            refuse_llvm(self.name, self.target)
        from .native_text import native_text

        return native_text(self.module, self.kernels, self.debug).text

    @property
    def cuda(self) -> str:
        """The CUDA C of all kernels."""
        return self.device_module.source

    @cached_property
    def device_module(self) -> DeviceModule:
        """The kernels as CUDA C, with their launches."""
        from .compile_device import gpu_kernel, graph_device_module
        from .graph.pipeline import build_module

        if self.target in DEVICE_TARGETS:
            return graph_device_module(self.module, self.kernels, compile_graph, self.debug)
        module = build_module(self.inputs, self.outputs, self.name, row_blocks=False)
        return graph_device_module(module, tuple(map(gpu_kernel, module.kernels)), compile_graph)

    @property
    def asm(self) -> str:
        """The assembly of the whole function; of a card's kernels it is PTX."""
        if self.target in DEVICE_TARGETS:
            from .compile_device import device_assembly

            return device_assembly(self.device_module)
        from .backends.llvm.llvmlite_binding import emit_assembly
        from .backends.llvm.target import host_target

        return emit_assembly(self.llvm, host_target(), optimize=None)


@dataclass(frozen=True, eq=False)
class CallSpec:
    """How Python calls the function: see :class:`mlc.runtime.entry.EntrySpec` for the fields."""

    params: tuple[Any, ...] | None = None
    outputs: tuple[Any, ...] | None = None
    keywords: tuple[str, ...] = ()
    names: tuple[str | None, ...] = ()
    returns: Any = "array"
    out: Any = "optional"
    positional_out: bool = False
    statics: tuple[object, ...] = ()
    held: tuple[tuple[Any, str, object], ...] = ()  # see `mlc.runtime.signature.Signature`
    unflatten: Callable[..., object] | None = None
    numbers: tuple[int | None, ...] = ()
    sizes: tuple[int | None, ...] = ()


def compile_graph(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    *,
    name: str = "main",
    target: str = "cpu",
    debug: bool = False,
    call: CallSpec | None = None,
) -> Compiled:
    """Compile the graph that leads from ``inputs`` (placeholders) to ``outputs``.

    ``target`` is ``"cpu"``, ``"cuda"``, or ``"cuda-emulated"`` for CUDA kernels on the processor;
    ``"interpret"`` and ``"numpy"`` are the reference backends. ``debug`` adds bounds checks, on the
    processor, where they are added too if an expression that is not of our operators may look
    outside of an array. Raises :class:`ArgumentError` for an unknown target.
    """
    if target not in TARGETS:
        raise ArgumentError(f"unknown target {target!r}; expected one of {', '.join(TARGETS)}")
    check_environment()
    if call is None:
        call = CallSpec(returns="array" if len(outputs) == 1 else "tuple")
    from .ops.foreign import may_look_outside

    checked = debug or target == "cpu" and may_look_outside(outputs)
    compiled = Compiled(name, target, tuple(inputs), tuple(outputs), checked, {})
    if target == "cpu":
        _compile_native(compiled, call)
    elif target in DEVICE_TARGETS:
        compiled.runner = _device_runner(compiled)
    else:
        compiled.runner = _reference_runner(compiled)
    return compiled


class Clock:
    """Adds up seconds per stage."""

    def __init__(self, timings: dict[str, float]) -> None:
        self.timings = timings
        self.last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.timings[name] = self.timings.get(name, 0.0) + now - self.last
        self.last = now


def _names(compiled: Compiled) -> str:
    """What the graph's key leaves out and errors of checked code say: how arrays are called."""
    if not compiled.debug:
        return ""
    return f"debug {' '.join(tensor.name for tensor in topological(compiled.outputs))}"


def _compile_native(compiled: Compiled, call: CallSpec) -> None:
    """Machine code from the disk cache, or from the compiler."""
    from .backends.llvm.target import host_target
    from .runtime import cache as disk
    from .runtime.processors import available_cpus
    from .runtime.sources import installation

    clock = Clock(compiled.timings)
    target = host_target()
    key = disk.content_key(
        installation(),
        graph_key(compiled.inputs, compiled.outputs),
        target.key(),
        f"{target.l1_bytes} {target.l2_bytes} {available_cpus()}",
        _names(compiled),
    )
    if has_records():
        compiled.tuned = _stored_traces(compiled, key)
        if compiled.tuned:
            key = disk.content_key(key, *(f"{k} {t}" for k, t in sorted(compiled.tuned.items())))
    compiled.executable, compiled.from_cache = native_executable(
        key,
        clock,
        lambda clock: _build_image(compiled, target, clock),
        lambda meta: _entry_spec(compiled, call, meta),
        lambda meta: _constants(compiled, meta["constants"]),
        call,
        lambda *site: _lines_of(compiled, *site),
    )


def _lines_of(compiled: Compiled, *site: Any) -> tuple[SourceLocation, ...]:
    from .te.lookups import lines_of_graph

    return lines_of_graph(compiled.outputs, *site)


def _constants(compiled: Compiled, places: list[Any]) -> list[Array]:
    if not places:
        return []
    from .native_text import constant_arrays

    return constant_arrays(compiled.outputs, places)


def _stored_traces(compiled: Compiled, key: str) -> Tuned:
    """The stored schedules that apply to the kernels of a graph. Which kernels those are, which
    takes long to find out, is kept in the disk cache."""
    from .kernel_code import captured, naive_program, tuning_host
    from .runtime import cache as disk
    from .runtime.collector import collector_held_back
    from .runtime.sources import loaded_sources
    from .schedules.tuned import tuned_traces, workload_key

    host = tuning_host()
    entry_key = disk.content_key(key, "workloads")
    entry = disk.get(entry_key)
    if entry is not None:
        workloads = entry.meta["workloads"]
    else:
        with collector_held_back():
            programs = map(naive_program, compiled.module.kernels)
            workloads = [workload_key(p, host.isa, captured(given)) for p, given in programs]
        disk.put(entry_key, b"", {"workloads": workloads}, loaded_sources())
    return tuned_traces(workloads, host)


def native_executable(
    key: str,
    clock: Clock,
    build: Callable[[Clock], tuple[bytes, dict[str, Any]]],
    spec_for: Callable[[dict[str, Any]], EntrySpec],
    constants_for: Callable[[dict[str, Any]], Sequence[Array]],
    call: CallSpec,
    lines_of: Callable[..., Sequence[SourceLocation]],
) -> tuple[Executable, bool]:
    """What the disk cache has under ``key``, or else what ``build`` makes, ready to run; and
    whether it came from the cache. The next two callables get the facts that belong to the image;
    ``lines_of`` gets a check that failed, and says what lines of the user's it may belong to."""
    from .runtime import cache as disk
    from .runtime.sources import loaded_sources

    clock.stage("key")
    entry = disk.get(key)
    clock.stage("cache")
    if entry is not None:
        image, meta = entry.image, entry.meta
        clock.stage("load")
    else:
        image, meta = _built(build, clock)
        disk.put(key, image, meta, loaded_sources())
        clock.stage("store")
    from .runtime.executor import Executable  # beside LLVM already, where that has run first

    sites = meta["sites"]

    def on_error(code: int) -> None:
        raise _bounds_error(made, sites, lines_of)

    made = Executable(
        image,
        spec_for(meta),
        constants_for(meta),
        statics=call.statics,
        held=call.held,
        on_error=on_error,
        unflatten=call.unflatten,
    )
    if "ahead" in meta:
        made.run_ahead(meta["ahead"])
    clock.stage("load")
    return made, entry is not None


def _built(
    build: Callable[[Clock], tuple[bytes, dict[str, Any]]], clock: Clock
) -> tuple[bytes, dict[str, Any]]:
    from .backends.llvm.library import prepare
    from .backends.llvm.target import host_target
    from .runtime.collector import collector_held_back
    from .runtime.processors import available_cpus

    if available_cpus() > 1:
        prepare(host_target())
    with collector_held_back():
        return build(clock)


def _build_image(compiled: Compiled, target: Target, clock: Clock) -> tuple[bytes, dict[str, Any]]:
    from .backends.llvm.library import hand_on
    from .native_text import constant_places, native_text
    from .runtime.image import compile_image
    from .runtime.processors import available_cpus

    module = compiled.module
    clock.stage("graph")
    kernels = compiled.kernels if compiled.debug else compiled.shared_kernels()
    prepare_threads(kernel.scheduled for kernel in kernels)
    clock.stage("schedule")
    beside = hand_on(target, available_cpus())
    native = native_text(module, kernels, compiled.debug, clock.stage, beside)
    clock.stage("codegen")
    meta: dict[str, Any] = {
        "workspace": native.workspace,
        "nanoseconds": native.nanoseconds,
        "constants": constant_places(compiled.outputs, module.constants),
        "sites": native.sites,
        "in place": module.is_in_place,
    }
    if native.kept:
        meta["constants"] += [{"dtype": b.dtype.name, "shape": b.shape} for b in native.kept]
        meta["ahead"] = native.ahead
    image = compile_image(native.text, target, parts=native.parts)
    clock.stage("llvm")
    return image, meta


def prepare_threads(programs: Iterable[Program]) -> None:
    """Have the code of the thread pool compiled on another core, while those of ``programs`` are
    lowered, if any has parallel loops."""
    from .kernel_code import has_parallel_loops

    if any(map(has_parallel_loops, programs)):
        from .runtime.threads import prepare_pool

        prepare_pool()


def _entry_spec(compiled: Compiled, call: CallSpec, meta: dict[str, Any]) -> EntrySpec:
    from .runtime.entry import EntrySpec

    params = call.params
    if params is None:
        params = tuple(array_spec(t) for t in compiled.inputs)
    return EntrySpec(
        params=params,
        outputs=call.outputs or tuple(array_spec(t) for t in compiled.outputs),
        keywords=call.keywords,
        names=call.names,
        n_constants=len(meta["constants"]),
        workspace_bytes=meta["workspace"],
        release_gil=meta["nanoseconds"] > 10_000,
        returns=call.returns,
        out=call.out,
        positional_out=call.positional_out,
        inplace_ok=meta.get("in place", False),
        numbers=call.numbers,
        sizes=call.sizes,
    )


def array_spec(tensor: Tensor) -> ArraySpec:
    """What arrays for ``tensor`` look like."""
    from .runtime.entry import ArraySpec

    strides, aligned = None, True
    if isinstance(tensor.op, Placeholder):
        aligned = tensor.op.aligned
        if tensor.op.strides is not None:
            strides = tuple(s * tensor.dtype.itemsize for s in tensor.op.strides)
    return ArraySpec(tensor.shape, tensor.dtype.name, strides, aligned)


def _bounds_error(
    executable: Executable, sites: Sequence[Any], lines_of: Callable[..., Sequence[SourceLocation]]
) -> Exception:
    """What the record that a failed check left behind says."""
    number, index = (ctypes.c_int64 * 2).from_address(executable.image.address("mlc_error_record"))
    buffer, axis, extent, place, refusal = sites[number - 1]
    # Code from the disk cache may have been compiled for a file that was changed since.
    lines = lines_of(buffer, axis, extent, refusal)
    where = lines[0] if len(lines) == 1 else None if place is None else SourceLocation(*place)
    if refusal is not None:
        error, sentence = refusal
        return refused(error, sentence, index, where)
    message = f"index {index} is out of bounds for axis {axis} of {buffer} with size {extent}"
    if where is None and lines:
        message += f"; one of these lines asks for it: {', '.join(map(str, lines))}"
    return BoundsError(message, where)


def _device_runner(compiled: Compiled) -> Callable[[Sequence[Array]], list[Array]]:
    from .compile_device import device_runner

    runner = device_runner(compiled.target, lambda: compiled.device_module)
    constants = [t.op.array for t in compiled.module.constants]  # type: ignore[union-attr]
    constants = [np.require(array, requirements=("C", "A")) for array in constants]

    def run(arrays: Sequence[Array]) -> list[Array]:
        outputs = [_empty(tensor) for tensor in compiled.outputs]
        runner.run([*arrays, *constants], outputs)
        return outputs

    return run


def _reference_runner(compiled: Compiled) -> Callable[[Sequence[Array]], list[Array]]:
    """The unscheduled programs on a reference backend, kernel by kernel."""
    from .backends.base import backend

    engine = backend(compiled.target)
    module = compiled.module
    kernels = []
    for kernel, code in zip(module.kernels, compiled.kernels, strict=True):
        arguments = code.arguments if code.is_call else (*kernel.inputs, *kernel.outputs)
        kernels.append((arguments, engine.compile(code.program)))

    def run(arrays: Sequence[Array]) -> list[Array]:
        values = dict(zip(module.inputs, arrays, strict=True))
        for tensor in module.constants:
            assert isinstance(tensor.op, Constant)
            values[tensor] = tensor.op.array
        for arguments, function in kernels:
            for tensor in arguments:
                if tensor not in values:
                    values[tensor] = _empty(tensor)
            function(*(values[t] for t in arguments))
        return [values[t] for t in module.outputs]

    return run


def _empty(tensor: Tensor) -> Array:
    return np.empty(tensor.shape, tensor.dtype.numpy)
