"""The machine code of a graph as text: the LLVM IR of its kernels, and where its constants lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import DType
from .ir.program import Buffer, Program
from .kernel_code import KernelCode
from .records import dataclass
from .te.key import topological
from .te.tensor import Constant, Tensor

if TYPE_CHECKING:
    from .backends.llvm.module import BufferRef
    from .graph.kernel import Module

Array = np.ndarray[Any, Any]


def constant_places(
    outputs: Sequence[Tensor], constants: Sequence[Tensor]
) -> list[int | dict[str, Any]]:
    """Where the constants of a module come from: the n-th constant of the graph, or data made by
    folding. (What is computed before the first call has a dtype and a shape alone.)"""
    captured = [t for t in topological(outputs) if isinstance(t.op, Constant)]
    number = {t: n for n, t in enumerate(captured)}
    places: list[int | dict[str, Any]] = []
    for tensor in constants:
        assert isinstance(tensor.op, Constant)
        if tensor in number:
            places.append(number[tensor])
        else:
            # A shared library, which the dynamic linker does not load while it loads LLVM.
            from binascii import b2a_base64

            raw = np.ascontiguousarray(tensor.op.array).tobytes()
            data = b2a_base64(raw, newline=False).decode()
            places.append({"dtype": tensor.dtype.name, "shape": tensor.shape, "data": data})
    return places


def constant_arrays(
    outputs: Sequence[Tensor], places: Sequence[int | dict[str, Any]]
) -> list[Array]:
    """The arrays for what :func:`constant_places` said, C-contiguous and aligned."""
    from .dtypes import as_dtype

    if not places:
        return []
    captured = [t.op.array for t in topological(outputs) if isinstance(t.op, Constant)]
    arrays = []
    for place in places:
        if isinstance(place, int):
            array = captured[place]
        elif "data" not in place:
            array = _aligned(place["shape"], as_dtype(place["dtype"]).numpy)
        else:
            from binascii import a2b_base64

            raw = np.frombuffer(a2b_base64(place["data"]), as_dtype(place["dtype"]).numpy)
            array = raw.reshape(place["shape"]).copy()
        arrays.append(np.require(array, requirements=("C", "A")))
    return arrays


def _aligned(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Memory that begins with a cache line."""
    size = math.prod(shape) * dtype.itemsize
    block = np.zeros(size + 64, np.uint8)
    first = -block.ctypes.data % 64
    made: Array = block[first : first + size].view(dtype).reshape(shape)
    return made


@dataclass(frozen=True)
class NativeText:
    """LLVM IR with what the runtime has to know: bytes of workspace, a rough time, debug sites; the
    constants that `mlc_ahead` computes, behind the module's, and its bytes of workspace; parts of
    the module that are modules of their own."""

    text: str
    workspace: int
    nanoseconds: float
    sites: list[Any]
    kept: tuple[Buffer, ...] = ()
    ahead: int = 0
    parts: tuple[str, ...] = ()


def native_text(
    module: Module,
    kernels: Sequence[KernelCode],
    debug: bool,
    stage: Callable[[str], None] = lambda name: None,
    hand_on: Callable[[str], None] | None = None,
) -> NativeText:
    """The LLVM IR of a module; scratch of each kernel lies after what kernels hand each other.

    ``stage`` is told what was done last. ``hand_on`` gets parts that are modules of their own while
    what is behind them is lowered and written; without it there are none.
    """
    from .backends.llvm.module import BufferRef, KernelCall, KernelTexts
    from .backends.llvm.target import host_target
    from .graph.memory import ALIGNMENT

    texts = KernelTexts(host_target(), debug, hand_on)
    for n, code in enumerate(kernels, 1):
        code.flat  # noqa: B018
        stage("lower")
        texts.add(code.flat)
        if n < len(kernels):
            texts.hand_on()
        stage("codegen")
    first = {"input": 0, "constant": len(module.inputs)}
    last = first["constant"] + len(module.constants)
    kept = [b for code in kernels if code.separated is not None for b in code.separated.kept]
    numbers = {buffer: BufferRef("param", last + n) for n, buffer in enumerate(kept)}
    first["output"] = last + len(kept)
    workspace = module.workspace_bytes
    calls: list[KernelCall] = []
    before: list[KernelCall] = []
    behind = 0
    table: list[int] = []  # words that kernels read which differ in numbers alone
    for n, (kernel, code) in enumerate(zip(module.kernels, kernels, strict=True)):
        places: dict[Tensor, BufferRef] = {}
        for tensor in (*kernel.inputs, *kernel.outputs):
            slot = module.slots[tensor]
            inside = slot.kind == "workspace"
            at = slot.position if inside else first[slot.kind] + slot.position
            places[tensor] = BufferRef("workspace" if inside else "param", at)
        pairs = zip(code.scheduled.params, code.arguments, strict=True)
        known = {b: places[tensor] for b, tensor in pairs if tensor in places} | numbers
        if code.numbers:
            first_number = len(kernel.inputs)
            for buffer, values in zip(code.scheduled.params[first_number:], code.numbers):
                known[buffer] = BufferRef("table", 8 * len(table))
                table += words(values, buffer.dtype)

        def arguments(
            program: Program, offset: int, known: dict[Buffer, BufferRef]
        ) -> tuple[tuple[BufferRef, ...], int]:
            args = []
            for buffer in program.params:
                if buffer in known:
                    args.append(known[buffer])
                    continue
                from .lower.place_buffers import span_bytes  # of scratch, which most have none of

                args.append(BufferRef("workspace", offset))
                offset += -(-span_bytes(buffer) // ALIGNMENT) * ALIGNMENT
            return tuple(args), offset

        args, end = arguments(code.flat, module.workspace_bytes, known)
        calls.append(KernelCall(n, args))
        workspace = max(workspace, end)
        if code.flat_ahead is not None:
            args, end = arguments(code.flat_ahead, 0, known)
            before.append(KernelCall(len(kernels) + len(before), args))
            texts.add(code.flat_ahead)
            behind = max(behind, end)
    made = texts.module(calls, before, table)
    return NativeText(
        made.text,
        workspace,
        sum(code.nanoseconds for code in kernels),
        list(map(site_data, made.sites)),
        tuple(kept),
        behind,
        tuple(texts.parts),
    )


def words(values: Sequence[int | float], dtype: DType) -> list[int]:
    """The elements of an array as words of 8 bytes, the last one filled up."""
    raw = np.array(values, dtype.numpy).tobytes()
    return np.frombuffer(raw + bytes(-len(raw) % 8), np.int64).tolist()


def site_data(site: Any) -> list[Any]:
    """A debug site as plain data."""
    place = site.location
    where = None if place is None else [place.filename, place.line, place.function]
    return [site.buffer, site.axis, site.extent, where, site.refusal]
