"""Kernels as one CUDA C source, with their launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ...intrinsics.boxes import PREFIX, ROW_BYTES
from ...ir.program import Buffer, Evaluate, Program, walk
from ...lower.cuda.apply_atomics import ATOMICS
from ...lower.cuda.bound_rows import grid_for
from ...lower.cuda.kernel import BoxMap, DeviceKernel, DeviceProgram
from ...lower.cuda.touching import buffers_written
from ...lower.place_buffers import span_bytes
from .device import Argument, Check, DeviceModule, HostCall, Launch, TensorMap
from .functions import Text, c_type
from .handing import handed_on
from .scalars import functions_for
from .statements import Names, Statements

ALIGNMENT = 256  # bytes, of what lies in the workspace
_BEGIN = """extern "C" __global__ void mlc_begin_kernel(int64_t *record) {
  record[0] = 0;
}"""


@dataclass(frozen=True, eq=False)
class Part:
    """A device program as a part of a module: what its params are."""

    program: DeviceProgram
    arguments: Mapping[Buffer, Argument]
    checks: Mapping[str, Check] = field(default_factory=dict)  # by the name of a buffer


@dataclass(frozen=True, eq=False)
class HostPart:
    """A step of the processor as a part of a module; ``before`` of it is found out."""

    call: HostCall


def device_module(
    name: str, steps: Sequence[Part | HostPart], workspace_bytes: int = 0
) -> DeviceModule:
    """The kernels and calls of ``steps``, in order. Temporaries of kernels lie after the first
    ``workspace_bytes`` of the workspace."""
    parts = [step for step in steps if isinstance(step, Part)]
    host_calls: list[HostCall] = []
    texts: list[str] = []
    launches: list[Launch] = []
    intrinsics: dict[str, str] = {}
    names = Names()
    total = workspace_bytes
    record = Argument("workspace", _end(parts, workspace_bytes))
    may_fail = False
    checks = [check for part in parts for check in part.checks.values()]
    if checks:
        total = record.number + 16
        texts.append(_BEGIN)
        launches.append(Launch("mlc_begin_kernel", (1, 1, 1), (1, 1, 1), 0, (record,)))
    for part in steps:
        if isinstance(part, HostPart):
            host_calls.append(replace(part.call, before=len(launches)))
            texts.append(f"// {part.call.name}: a library of the processor")
            continue
        places = dict(part.arguments)
        offset = -(-workspace_bytes // ALIGNMENT) * ALIGNMENT
        for buffer in part.program.temporaries:
            places[buffer] = Argument("workspace", offset)
            offset += -(-span_bytes(buffer) // ALIGNMENT) * ALIGNMENT
            total = max(total, offset)
        for kernel in part.program.kernels:
            title = names.fresh(f"{kernel.name}_kernel")
            used = tuple(b for b in kernel.params if b.name not in part.checks)
            kernel = replace(kernel, params=used)  # nothing is stored to what checks
            numbers = {buffer: checks.index(check) + 1 for buffer, check in part.checks.items()}
            text, called, is_checked = kernel_text(kernel, title, numbers, may_fail)
            may_fail = may_fail or is_checked
            texts.append(text)
            intrinsics.update(called)
            arguments: tuple[Argument | TensorMap, ...] = tuple(places[b] for b in kernel.params)
            arguments += tuple(_tensor_map(each, places[each.buffer]) for each in kernel.maps)
            arguments += (record,) * is_checked
            needed = None if kernel.tests is None else partial(grid_for, kernel)
            room = kernel.shared_bytes
            launch = Launch(title, kernel.grid, kernel.block, room, arguments, needed)
            launches.append(replace(launch, cluster=kernel.cluster))
    body = "\n\n".join([*intrinsics.values(), *texts])
    functions = functions_for(body)
    source = f"{functions}\n\n{body}\n" if functions else f"{body}\n"
    at = record.number if checks else 0
    calls = tuple(host_calls)
    needs = "sm_90a" if any(called.startswith(("wgmma_", PREFIX)) for called in intrinsics) else ""
    return DeviceModule(name, source, tuple(launches), total, tuple(checks), at, calls, needs)


def _end(parts: Sequence[Part], start: int) -> int:
    """Where the temporaries of all parts end."""
    ends = [start]
    for part in parts:
        end = -(-start // ALIGNMENT) * ALIGNMENT
        for buffer in part.program.temporaries:
            end += -(-span_bytes(buffer) // ALIGNMENT) * ALIGNMENT
        ends.append(end)
    return -(-max(ends) // ALIGNMENT) * ALIGNMENT


def kernel_text(
    kernel: DeviceKernel,
    title: str,
    checks: Mapping[str, int] | None = None,
    after_checks: bool = False,
) -> tuple[str, dict[str, str], bool]:
    """The kernel as a function named ``title``, the texts of the intrinsics that it calls, and
    whether its last parameter is where failed ``checks`` are noted: numbers of stores to buffers of
    these names whose index leaves the buffer. ``after_checks`` says that earlier kernels may have
    noted one already: nothing is done then."""
    printer = Statements(Names((title,)), checks or {})
    printer.slots.cluster = kernel.cluster
    written = buffers_written(kernel.body)
    calls = (s.name for s in walk(kernel.body) if isinstance(s, Evaluate))
    printer.waits = any(name not in ATOMICS for name in calls)
    params = []
    for buffer in kernel.params:
        name = printer.identifiers.fresh(buffer.name)
        printer.names[buffer] = Text(name)
        const = "" if buffer in written else "const "
        params.append(f"{const}{c_type(buffer.dtype)} *__restrict__ {name}")
    for each in kernel.maps:
        name = printer.identifiers.fresh(f"{each.buffer.name}_boxes")
        printer.slots.maps[each] = name
        params.append(f"const __grid_constant__ MlcBoxes {name}")
    for thread in reversed(kernel.threads):
        name = printer.bind(thread.var, thread.extent)
        printer.line(f"const int {name} = {thread.tag};")
    printer.mixed = kernel.mixed
    printer.handed = handed_on(kernel.body)
    for buffer, offset in kernel.shared:
        name = printer.identifiers.fresh(buffer.name)
        printer.names[buffer] = Text(name)
        printer.line(f"MLC_SHARED({c_type(buffer.dtype)}, {name}, {offset});")
        if buffer is kernel.slots:
            printer.slots.name = name
    begin = len(printer.lines)
    printer.statement(kernel.body)
    printer.without_waits()
    printer.unwrap(begin)
    if after_checks and not (printer.is_checked and printer.waits):
        printer.is_checked = True
        printer.lines.insert(begin, "  if (mlc_record[0] != 0) return;")
    if printer.is_checked:
        params.append("int64_t *__restrict__ mlc_record")
    x, y, z = kernel.block
    head = f'extern "C" __global__ void __launch_bounds__({x * y * z})'
    head += f" MLC_CLUSTER({kernel.cluster})" * (kernel.cluster > 1)
    signature = f"{title}({', '.join(params)}) {{"
    if len(head) + len(signature) > 99:
        inside = ",\n    ".join(params)
        signature = f"{title}(\n    {inside}) {{"
        if len(head) + len(title) > 98:
            signature = f"\n{signature}"
    text = "\n".join(
        [
            f"// {_described(kernel)}",
            f"{head} {signature}".replace(" \n", "\n"),
            *printer.lines,
            "}",
        ]
    )
    return text, printer.intrinsics, printer.is_checked


def _tensor_map(each: BoxMap, array: Argument) -> TensorMap:
    """The description of the array, whose first element ``array`` is."""
    buffer, size = each.buffer, each.buffer.dtype.itemsize
    shape = buffer.shape[::-1]
    strides: list[int] = []
    for d, step in enumerate(buffer.element_strides[-2::-1], 1):
        before = (strides[-1] if strides else size) * shape[d - 1]
        strides.append(-(-before // ROW_BYTES) * ROW_BYTES if shape[d] == 1 else step * size)
    return TensorMap(array, buffer.dtype.name, shape, tuple(strides), each.extents[::-1])


def _described(kernel: DeviceKernel) -> str:
    """What a kernel does and how it is launched, in a line."""

    def product(extents: tuple[int, int, int], what: str) -> str:
        used = [str(n) for d, n in enumerate(extents) if d == 0 or max(extents[d:]) > 1]
        return f"{' x '.join(used)} {what}{'' if max(extents) == 1 else 's'}"

    text = f"{product(kernel.grid, 'block')} of {product(kernel.block, 'thread')}"
    if kernel.shared_bytes:
        text += f", {kernel.shared_bytes} bytes shared"
    return f"{', '.join(kernel.blocks)}: {text}" if kernel.blocks else text


def program_module(
    program: Program, lowered: DeviceProgram, checks: Mapping[str, Check] | None = None
) -> DeviceModule:
    """A module of one program, whose caller passes an array for each of its params; ``checks`` are
    those of the program unless they are given."""
    arguments = {buffer: Argument("array", n) for n, buffer in enumerate(program.params)}
    checks = checks_of(program) if checks is None else checks
    return device_module(program.name, [Part(lowered, arguments, checks)])


def checks_of(program: Program) -> dict[str, Check]:
    """What an index outside of a buffer means to the caller, by the name of the buffer."""
    where = program.attrs.get("location")
    refusals = program.attrs.get("refusals", {})
    return {name: Check(error, text, where) for name, (error, text) in refusals.items()}
