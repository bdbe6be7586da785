"""From a candidate for a card to kernels, in another process."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from ...backends.cuda.device import DeviceModule
from ...ir.intrinsic import intrinsic_named, is_intrinsic
from ...ir.program import Evaluate, Program, walk
from .building import Built
from .frames import Header, pack
from .shipping import program_bytes, program_of

if TYPE_CHECKING:
    from ..workload import Workload

_MAGIC = b"MLCD"


def device_request(program: Program, workload: Workload) -> bytes:
    """The request to build a scheduled program for the card that is current here. It travels as it
    is or, where it holds what cannot travel, as CUDA C."""
    shipped = program_bytes(program)
    if shipped is None:
        return device_text_request(program, workload)
    calls = {s.name for s in walk(program.body) if isinstance(s, Evaluate)}
    header = {**_header(workload), "kind": "device program"}
    return pack({**header, "intrinsics": sorted(filter(is_intrinsic, calls))}, shipped)


def device_text_request(program: Program, workload: Workload) -> bytes:
    """The same, lowered to CUDA C here: for programs whose intrinsics only this process knows.
    Raises what lowering and the proof of its threads raise."""
    return pack({**_header(workload), "kind": "device text"}, _device_bytes(program))


def _header(workload: Workload) -> Header:
    target, arch = str(workload.target), ""
    if target == "cuda":
        from ...runtime.cuda.card import card

        arch = card().arch(card().device())
    return {"do": "build", "target": target, "arch": arch, "isa": workload.host.isa}


def built_for_device(header: Header, blobs: list[bytes]) -> Built:
    """The kernels of a request, compiled: their machine code is in the disk cache from then on,
    where the process that runs them finds it."""
    content = blobs[0]
    if header["kind"] == "device program":
        for name in header["intrinsics"]:
            intrinsic_named(name)  # says so where only another process knows it
        content = _device_bytes(program_of(blobs[0]))
    module = device_module_of(content)
    if header["target"] == "cuda-emulated":
        from ...runtime.cuda.emulate import load

        load(module)
    else:
        from ...runtime.cuda.nvrtc import compile_module

        compile_module(module, header["arch"])
    return Built("ok", image=content, meta={"workspace": 0, "target": header["isa"]})


def _device_bytes(program: Program) -> bytes:
    from ...compile_device import program_device_module

    return _MAGIC + pickle.dumps(program_device_module(program), pickle.HIGHEST_PROTOCOL)


def is_for_device(image: bytes) -> bool:
    """Whether an image is one of :func:`built_for_device`."""
    return image.startswith(_MAGIC)


def device_module_of(image: bytes) -> DeviceModule:
    """The kernels of an image and their launches. It must come from a process that is trusted."""
    found = pickle.loads(image[len(_MAGIC) :])
    assert isinstance(found, DeviceModule)
    return found
