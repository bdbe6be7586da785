"""Kernels as one CUDA C source, with their launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...ir.program import Buffer
from ...lower.cuda.kernel import DeviceKernel, DeviceProgram
from ...lower.cuda.touching import buffers_written
from ...lower.place_buffers import span_bytes
from .device import Argument, DeviceModule, Launch
from .expressions import Text, c_type
from .scalars import functions_for
from .statements import Names, Statements

ALIGNMENT = 256  # bytes, of what lies in the workspace


@dataclass(frozen=True, eq=False)
class Part:
    """A device program as a part of a module: what its params are."""

    program: DeviceProgram
    arguments: Mapping[Buffer, Argument]


def device_module(name: str, parts: Sequence[Part], workspace_bytes: int = 0) -> DeviceModule:
    """The kernels of ``parts``, in order. Their temporaries lie after the first ``workspace_bytes``
    of the workspace."""
    texts: list[str] = []
    launches: list[Launch] = []
    intrinsics: dict[str, str] = {}
    names = Names()
    total = workspace_bytes
    for part in parts:
        places = dict(part.arguments)
        offset = -(-workspace_bytes // ALIGNMENT) * ALIGNMENT
        for buffer in part.program.temporaries:
            places[buffer] = Argument("workspace", offset)
            offset += -(-span_bytes(buffer) // ALIGNMENT) * ALIGNMENT
            total = max(total, offset)
        for kernel in part.program.kernels:
            title = names.fresh(f"{kernel.name}_kernel")
            text, called = kernel_text(kernel, title)
            texts.append(text)
            intrinsics.update(called)
            arguments = tuple(places[b] for b in kernel.params)
            launches.append(
                Launch(title, kernel.grid, kernel.block, kernel.shared_bytes, arguments)
            )
    body = "\n\n".join([*intrinsics.values(), *texts])
    functions = functions_for(body)
    source = f"{functions}\n\n{body}\n" if functions else f"{body}\n"
    return DeviceModule(name, source, tuple(launches), total)


def kernel_text(kernel: DeviceKernel, title: str) -> tuple[str, dict[str, str]]:
    """The kernel as a function named ``title``, and the texts of the intrinsics that it calls."""
    printer = Statements(Names((title,)))
    written = buffers_written(kernel.body)
    params = []
    for buffer in kernel.params:
        name = printer.identifiers.fresh(buffer.name)
        printer.names[buffer] = Text(name)
        const = "" if buffer in written else "const "
        params.append(f"{const}{c_type(buffer.dtype)} *__restrict__ {name}")
    for thread in reversed(kernel.threads):
        name = printer.bind(thread.var, thread.extent)
        printer.line(f"const int {name} = {thread.tag};")
    for buffer, offset in kernel.shared:
        name = printer.identifiers.fresh(buffer.name)
        printer.names[buffer] = Text(name)
        printer.line(f"MLC_SHARED({c_type(buffer.dtype)}, {name}, {offset});")
    printer.statement(kernel.body)
    x, y, z = kernel.block
    head = f'extern "C" __global__ void __launch_bounds__({x * y * z})'
    signature = f"{title}({', '.join(params)}) {{"
    if len(head) + len(signature) > 99:
        inside = ",\n    ".join(params)
        signature = f"{title}(\n    {inside}) {{"
    return "\n".join([f"{head} {signature}", *printer.lines, "}"]), printer.intrinsics


def program_module(name: str, program: DeviceProgram, params: Sequence[Buffer]) -> DeviceModule:
    """A module of one program, whose caller passes an array for each of ``params``."""
    arguments = {buffer: Argument("array", n) for n, buffer in enumerate(params)}
    return device_module(name, [Part(program, arguments)])
