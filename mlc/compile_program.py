"""From one tensor program, scheduled by hand or not at all, to something that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .compile import (
    Array,
    CallSpec,
    Clock,
    native_executable,
    prepare_threads,
)
from .compile_device import (
    DEVICE_TARGETS,
    device_assembly,
    device_runner,
    gpu_program,
    program_device_module,
    refuse_llvm,
)
from .dtypes import DType
from .errors import ArgumentError, SourceLocation
from .ir.parts import has_empty_loops
from .ir.program import (
    Buffer,
    Program,
    blocks_of,
    walk,
    writes_of,
)
from .ir.structural import structural_key
from .ir.work import statements_run
from .kernel_code import STATEMENT_NS, KernelCode
from .native_text import NativeText, site_data
from .te.tensor import Constant, Tensor

if TYPE_CHECKING:
    from .backends.cuda.device import DeviceModule
    from .runtime.entry import ArraySpec, EntrySpec
    from .runtime.executor import Executable
    from .schedules.schedule import Schedule

_WORKSPACE_ALIGNMENT = 64


@dataclass(eq=False)
class CompiledProgram:
    """A program compiled for ``target``: what :class:`mlc.compile.Compiled` is for a graph.

    ``constants`` are the arrays of the params in front of the outputs; callers pass the others.
    ``naive`` is the program before ``schedule`` was applied to it.
    """

    program: Program
    target: str
    debug: bool
    naive: Program
    schedule: Any = None
    constants: tuple[Array, ...] = ()
    graph_text: str = "# no graph: this was built from a tensor program"
    timings: dict[str, float] = field(default_factory=dict)
    from_cache: bool = False
    executable: Executable | None = None
    runner: Callable[..., None] | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def inputs(self) -> tuple[Buffer, ...]:
        """The params that the caller passes to be read."""
        params = self.program.params
        return params[: len(params) - self.program.outputs - len(self.constants)]

    @property
    def outputs(self) -> tuple[Buffer, ...]:
        """The params that are written."""
        return self.program.params[len(self.program.params) - self.program.outputs :]

    def run(self, arrays: Sequence[Array], out: Sequence[Array] | None = None) -> list[Array]:
        """The outputs for ``arrays``, which must fit the inputs; written to ``out`` if that is
        given, whose contents the program may read."""
        outputs = list(out) if out is not None else [_empty(b) for b in self.outputs]
        if self.runner is not None:
            self.runner(*arrays, *self.constants, *outputs)
        elif self.executable is not None and not self.executable.spec.outputs:
            self.executable.run([*arrays, *outputs], ())
        else:
            assert self.executable is not None
            self.executable.run(arrays, outputs)
        return outputs

    @property
    def programs(self) -> tuple[Program, ...]:
        """The scheduled program, alone."""
        return (self.program,)

    @cached_property
    def kernels(self) -> tuple[KernelCode, ...]:
        """The one kernel there is."""
        from .schedules.schedule import Schedule

        schedule: Schedule = self.schedule or Schedule(self.program)
        estimate = STATEMENT_NS * statements_run(self.program.body)
        return (KernelCode(self.naive, self.program, schedule, (), estimate),)

    @cached_property
    def flat(self) -> Program:
        """The program after lowering, once its loops are proven to be right. Its params may be
        more, see :func:`mlc.lower.place_buffers.place_buffers`."""
        from .lower.pipeline import lower
        from .lower.prove_loops import prove_loops

        return lower(prove_loops(self.program))

    @property
    def llvm(self) -> str:
        """The LLVM IR of the whole function, of which a card has none."""
        if self.target in DEVICE_TARGETS:
            refuse_llvm(self.name, self.target)
        return self._native_text().text

    @property
    def cuda(self) -> str:
        """The CUDA C of all kernels."""
        return self.device_module.source

    @cached_property
    def device_module(self) -> DeviceModule:
        """The kernels as CUDA C, with their launches."""
        on_device = self.target in DEVICE_TARGETS
        program = self.program if on_device else gpu_program(self.program)[0]
        return program_device_module(program, self.debug and on_device)

    @property
    def asm(self) -> str:
        """The assembly of the whole function; of a card's kernels it is PTX."""
        if self.target in DEVICE_TARGETS:
            return device_assembly(self.device_module)
        from .backends.llvm.llvmlite_binding import emit_assembly
        from .backends.llvm.target import host_target

        return emit_assembly(self.llvm, host_target(), optimize=None)

    def _native_text(self) -> NativeText:
        from .backends.llvm.module import BufferRef, KernelCall, module_text
        from .backends.llvm.target import host_target
        from .lower.place_buffers import span_bytes

        number = {buffer: n for n, buffer in enumerate(self.program.params)}
        workspace, args = 0, []
        for buffer in self.flat.params:
            if buffer in number:
                args.append(BufferRef("param", number[buffer]))
                continue
            args.append(BufferRef("workspace", workspace))
            workspace += -(-span_bytes(buffer) // _WORKSPACE_ALIGNMENT) * _WORKSPACE_ALIGNMENT
        calls = [KernelCall(0, tuple(args))]
        made = module_text([self.flat], calls, host_target(), self.debug)
        sites = list(map(site_data, made.sites))
        return NativeText(made.text, workspace, self.kernels[0].nanoseconds, sites)


def _may_look_outside(program: Program) -> bool:
    """Whether places that the data decide are looked at; operators keep theirs inside."""
    from .te.lookups import program_may_look_outside

    return program.attrs.get("unsafe") is not True and program_may_look_outside(program)


def compile_program(
    program: Program,
    *,
    target: str = "cpu",
    debug: bool = False,
    call: CallSpec | None = None,
    naive: Program | None = None,
    schedule: Any = None,
    constants: Sequence[Array] = (),
    graph_text: str = "",
) -> CompiledProgram:
    """Compile ``program`` as it stands, for ``"cpu"`` or a backend of `backends.base`; for
    ``"cuda"`` and ``"cuda-emulated"`` under the default schedule if it binds no loop.

    Places that the data decide, and that may lie outside, are looked at, ``debug`` or not.
    Raises :class:`ArgumentError` for an unknown target, and for a program that writes a parameter
    that is not one of its outputs.
    """
    _check_outputs(program)
    checked = debug or target == "cpu" and _may_look_outside(program)
    made_of = naive or program
    compiled = CompiledProgram(program, target, checked, made_of, schedule, tuple(constants))
    if graph_text:
        compiled.graph_text = graph_text
    if target in DEVICE_TARGETS:
        compiled.program, made = gpu_program(program, target)
        compiled.schedule = schedule or made
        compiled.device_module  # noqa: B018
        runner = device_runner(target, lambda: compiled.device_module)
        split = len(program.params) - program.outputs
        compiled.runner = lambda *arrays: runner.run(arrays[:split], arrays[split:])
    elif target == "cpu":
        _compile_native(compiled, call or CallSpec(returns="none", out="never"))
    else:
        from .backends.base import backend

        compiled.runner = backend(target).compile(program)
    return compiled


def compile_scheduled(
    schedule: Any,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    *,
    name: str,
    target: str,
    debug: bool,
    call: CallSpec | None = None,
) -> CompiledProgram:
    """Compile the graph from ``inputs`` to ``outputs`` as one program that ``schedule`` (a function
    over programs, such as ``@mlc.schedule`` makes) has transformed. What it raises is raised.

    Where a loop has no iterations there is nothing to schedule: the program stays as it is.
    """
    from .graph.plain_program import plain_program
    from .te.show import graph_text

    if target in DEVICE_TARGETS:
        from .device_grids import program_to_schedule

        naive, constants = program_to_schedule(inputs, outputs, name, target)
    else:
        naive, constants = plain_program(inputs, outputs, name)
    is_empty = has_empty_loops(naive)
    taken = schedule.on(naive) if hasattr(schedule, "on") and not is_empty else None
    program = taken.program if taken is not None else naive if is_empty else schedule(naive)
    arrays = [np.require(_array(t), requirements=("C", "A")) for t in constants]
    return compile_program(
        program,
        target=target,
        debug=debug,
        call=call,
        naive=naive,
        schedule=taken,
        constants=arrays,
        graph_text=graph_text(tuple(outputs)),
    )


def _array(tensor: Tensor) -> Array:
    assert isinstance(tensor.op, Constant)
    return tensor.op.array


def _check_outputs(program: Program) -> None:
    inputs = set(program.params[: len(program.params) - program.outputs])
    written = {buffer for buffer, _ in writes_of(program.body)}
    wrong = [b for b in program.params if b in inputs & written]
    if wrong:
        names = ", ".join(b.name for b in program.params[len(program.params) - program.outputs :])
        raise ArgumentError(
            f"{program.name} writes {wrong[0].name}, but its outputs are {names or 'none'}: the "
            f"parameters that are written come last, and outputs= says how many they are"
        )


def _compile_native(compiled: CompiledProgram, call: CallSpec) -> None:
    from .backends.llvm.target import host_target
    from .runtime import cache as disk
    from .runtime.processors import available_cpus
    from .runtime.sources import installation

    clock = Clock(compiled.timings)
    target = host_target()
    program = compiled.program
    key = disk.content_key(
        installation(),
        "program",
        structural_key(program),
        " ".join(_names(program, compiled.debug)),
        target.key(),
        f"{target.l1_bytes} {target.l2_bytes} {available_cpus()}",
        str(compiled.debug),
    )

    def build(clock: Clock) -> tuple[bytes, dict[str, Any]]:
        from .runtime.image import compile_image

        prepare_threads((program,))
        compiled.flat  # noqa: B018
        clock.stage("lower")
        native = compiled._native_text()
        clock.stage("codegen")
        meta = {
            "workspace": native.workspace,
            "nanoseconds": native.nanoseconds,
            "sites": native.sites,
        }
        image = compile_image(native.text, target, optimize=None)
        clock.stage("llvm")
        return image, meta

    compiled.executable, compiled.from_cache = native_executable(
        key,
        clock,
        build,
        lambda meta: _entry_spec(compiled, call, meta),
        lambda meta: compiled.constants,
        call,
        lambda *site: _lines_of(compiled, *site),
    )


def _lines_of(
    compiled: CompiledProgram, buffer: str, axis: int, extent: int, refusal: Any
) -> Sequence[SourceLocation]:
    from .te.lookups import lines_of_program

    return () if refusal else lines_of_program(compiled.naive, buffer, axis, extent)


def _entry_spec(compiled: CompiledProgram, call: CallSpec, meta: dict[str, Any]) -> EntrySpec:
    """What the native entry checks. It knows contiguous outputs alone: a program with others takes
    them as inputs, and is called from Python."""
    from .runtime.entry import EntrySpec

    inputs = tuple(map(buffer_spec, compiled.inputs))
    outputs = tuple(map(buffer_spec, compiled.outputs))
    plain = {
        "n_constants": len(compiled.constants),
        "workspace_bytes": meta["workspace"],
        "release_gil": meta["nanoseconds"] > 10_000,
    }
    if not outputs or any(o.strides is not None for o in outputs):
        return EntrySpec((*inputs, *outputs), (), returns="none", out="never", **plain)
    return EntrySpec(
        params=inputs if call.params is None else call.params,
        outputs=outputs,
        keywords=call.keywords,
        names=call.names,
        returns=call.returns,
        out=call.out,
        positional_out=call.positional_out,
        **plain,
    )


def buffer_spec(buffer: Buffer) -> ArraySpec:
    """What arrays for the parameter ``buffer`` look like."""
    from .runtime.entry import ArraySpec

    strides = None
    if buffer.strides is not None:
        strides = tuple(s * buffer.dtype.itemsize for s in buffer.strides)
    return ArraySpec(buffer.shape, buffer.dtype.name, strides, buffer.aligned)


def _names(program: Program, places: bool) -> list[str]:
    """What the normal form of a program leaves out and its code holds: names, and in debug mode the
    user's lines."""
    names = [program.name, *(b.name for b in program.params)]
    if places:
        names += [str(program.attrs.get("location"))]
        names += [f"{block.name} {block.location}" for block in blocks_of(program.body)]
        names += [b.name for stmt in walk(program.body) for b in getattr(stmt, "buffers", ())]
    return names


def _empty(buffer: Buffer) -> Array:
    dtype: DType = buffer.dtype
    return np.empty(buffer.shape, dtype.numpy)
