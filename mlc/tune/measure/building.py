"""From a candidate to an image, in another process: a request is bytes, and so is the reply."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import ScheduleError
from ...ir.intrinsic import is_intrinsic
from ...ir.notation import identifier
from ...ir.program import Buffer, Evaluate, Program, walk
from ..outcome import Status
from .frames import Header, pack, unpack
from .shipping import program_bytes, program_of

if TYPE_CHECKING:
    from ..candidate import Candidate
    from ..workload import Workload

_ALIGNMENT = 64


@dataclass(frozen=True)
class Built:
    """The result of a build. ``meta`` holds ``workspace``, its bytes, and ``target``."""

    status: Status
    detail: str = ""
    image: bytes = b""
    meta: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_bytes(self) -> bytes:
        """The result as one message."""
        return pack(self.to_header(), self.image)

    def to_header(self) -> Header:
        """All but the image."""
        return {
            "status": self.status,
            "detail": self.detail,
            "meta": self.meta,
            "seconds": self.seconds,
        }

    @staticmethod
    def from_bytes(message: bytes) -> Built:
        """What :meth:`to_bytes` gave."""
        header, blobs = unpack(message)
        return Built.from_parts(header, blobs)

    @staticmethod
    def from_parts(header: Header, blobs: list[bytes]) -> Built:
        """From the two parts of a message."""
        return Built(
            header["status"],
            header["detail"],
            blobs[0] if blobs else b"",
            header.get("meta", {}),
            header.get("seconds", 0.0),
        )


def request_for(
    candidate: Candidate, workload: Workload, naive: str, is_child: bool = False
) -> bytes:
    """What a builder has to know: the scheduled program where it was made here already, as its
    script or, for a child of this process, as it is; else the naive program's script and the
    trace, which is replayed where it is built."""
    if candidate.kind != "trace" or workload.is_on_device:
        return plain_request(candidate.program(workload), workload)
    program = candidate.drawn
    if program is None or calls_intrinsics(program):
        header: Header = {"do": "build", "name": workload.program.name, "kind": "trace"}
        header["constants"] = workload.constants
        return pack(header, naive.encode(), candidate.trace.encode())
    shipped = program_bytes(program) if is_child else None
    if shipped is not None:
        return pack({"do": "build", "kind": "program", "constants": workload.constants}, shipped)
    return script_request(program, workload.constants)


def plain_request(program: Program, workload: Workload) -> bytes:
    """The request to build a program of a workload as it stands."""
    if workload.is_on_device:
        from .device import device_request

        return device_request(program, workload)
    return script_request(program, workload.constants)


def own_request(program: Program, workload: Workload) -> bytes:
    """The same with as much done here as needs what only this process knows: intrinsics."""
    if workload.is_on_device:
        from .device import device_text_request

        return device_text_request(program, workload)
    return lowered_request(program, workload.constants)


def script_request(program: Program, constants: Sequence[int] = ()) -> bytes:
    """The request to build a program as it stands. What depends on the params number
    ``constants`` alone becomes a function of its own, ``mlc_ahead``."""
    if calls_intrinsics(program):
        return lowered_request(program, constants)
    header = {"do": "build", "name": program.name, "kind": "script", "constants": constants}
    return pack(header, program.script().encode())


def calls_intrinsics(program: Program) -> bool:
    """Whether the program calls intrinsics, which another process need not know."""
    return any(isinstance(s, Evaluate) and is_intrinsic(s.name) for s in walk(program.body))


def lowered_request(program: Program, constants: Sequence[int] = ()) -> bytes:
    """The same after lowering: for programs whose script another process cannot read, since it
    calls intrinsics that only this one knows."""
    text, workspace = native_text(program, constants)
    return pack({"do": "build", "kind": "llvm", "workspace": workspace}, text.encode())


def build(request: bytes) -> bytes:
    """The reply to a request, made in this very process: :class:`Built` as bytes."""
    return Built.from_parts(*answer(*unpack(request))).to_bytes()


def answer(header: Header, blobs: list[bytes]) -> tuple[Header, list[bytes]]:
    """The same for a request that was taken apart."""
    start = time.perf_counter()
    try:
        made = _built(header, blobs)
    except ScheduleError as error:
        made = Built("refused", error.message)
    except MemoryError as error:
        made = Built("out of memory", f"while it was built: {error or 'no memory left'}")
    except RecursionError as error:
        made = Built("build failed", f"RecursionError: {error}")
    except Exception as error:
        # The compiler may fail on a candidate in any way; others go on.
        detail = getattr(error, "message", str(error))
        made = Built("build failed", f"{type(error).__name__}: {detail}".partition("\n")[0])
    head = made.to_header()
    head["seconds"] = time.perf_counter() - start
    return head, [made.image]


def _built(header: Header, blobs: list[bytes]) -> Built:
    from ...backends.llvm.target import host_target
    from ...runtime.image import compile_image

    constants = header.get("constants", ())
    match header["kind"]:
        case "device program" | "device text":
            from .device import built_for_device

            return built_for_device(header, blobs)
        case "trace":
            from ...schedules.schedule import Schedule

            naive, trace = traced_back(blobs[0].decode(), header["name"]), blobs[1].decode()
            scheduled = Schedule.from_json(naive, trace).program
            text, workspace = native_text(scheduled, constants)
        case "script":
            program = traced_back(blobs[0].decode(), header["name"])
            text, workspace = native_text(program, constants)
        case "program":
            text, workspace = native_text(program_of(blobs[0]), constants)
        case "llvm":
            text, workspace = blobs[0].decode(), header["workspace"]
        case other:
            raise ValueError(f"a request of the kind {other!r}")
    image = compile_image(text, host_target())
    return Built("ok", image=image, meta={"workspace": workspace, "target": host_target().key()})


def native_text(program: Program, constants: Sequence[int] = ()) -> tuple[str, int]:
    """The LLVM IR of ``program`` as ``mlc_main`` over its params, and the bytes of its workspace.

    If there is something that depends on the params number ``constants`` alone, ``mlc_ahead``, over
    the same params and workspace, is called before, and leaves it in the workspace."""
    from ...backends.llvm.module import BufferRef, KernelCall, module_text
    from ...backends.llvm.target import host_target
    from ...lower.pipeline import lower
    from ...lower.place_buffers import span_bytes
    from ...lower.prove_loops import prove_loops
    from ...lower.separate_constants import separate_constants

    parts = separate_constants(program, [program.params[n] for n in constants])
    main = program if parts is None else parts.main
    places = {buffer: BufferRef("param", n) for n, buffer in enumerate(program.params)}
    workspace = 0

    def placed(buffer: Buffer) -> BufferRef:
        nonlocal workspace
        if buffer not in places:
            places[buffer] = BufferRef("workspace", workspace)
            workspace += -(-span_bytes(buffer) // _ALIGNMENT) * _ALIGNMENT
        return places[buffer]

    flat = [lower(prove_loops(part)) for part in (main, *((parts.ahead,) if parts else ()))]
    calls = [KernelCall(n, tuple(map(placed, part.params))) for n, part in enumerate(flat)]
    made = module_text(flat, calls[:1], host_target(), ahead=calls[1:])
    return made.text, workspace


@functools.lru_cache(maxsize=8)
def traced_back(script: str, name: str) -> Program:
    """The program whose script this is."""
    import numpy as np

    from ... import script as notation

    names: dict[str, Any] = {"T": notation, "np": np}
    exec(compile(script, f"<script of {name}>", "exec"), names)
    found = names[identifier(name)]
    assert isinstance(found, Program)
    return found


_WARM = """@T.program
def warm(a: T.Buffer((8,)), b: T.Buffer((8,))):
    for i in T.grid(8):
        with T.block("b"):
            vi = T.axis.spatial(8, i)
            b[vi] = a[vi] + 1.0
"""


def warm_up() -> None:
    """Import what a build needs, before there is a limit to its time."""
    from ...schedules.schedule import Schedule

    schedule = Schedule(traced_back(_WARM, "warm"))
    schedule.split(schedule.loops("b")[0], factors=[None, 4])
    header = {"do": "build", "name": "warm", "kind": "trace"}
    build(pack(header, _WARM.encode(), schedule.to_json().encode()))
