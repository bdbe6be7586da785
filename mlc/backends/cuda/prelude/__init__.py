"""What stands in front of the text of every CUDA kernel: one text for a card, one for emulation.

``device.cuh``, ``tensor_cores.cuh`` and ``boxes.cuh`` wrap each intrinsic and all inline PTX in a
function of ours; ``emulated.h``, ``emulated_tensor_cores.h`` and ``emulated_boxes.h`` declare the
same names for the processor, and ``emulator.cpp`` runs them. ``mixed.h`` is a part of both.
"""

from __future__ import annotations

import functools
from pathlib import Path

_PARTS = ("device.cuh", "mixed.h", "tensor_cores.cuh", "boxes.cuh")
FOLDER = Path(__file__).parent


@functools.cache
def text(name: str) -> str:
    """The content of a file of this folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def device_source(source: str, name: str) -> str:
    """One text for NVRTC; lines of errors are those of ``source``, in a file called ``name``."""
    parts = (f'#line 1 "{file}"\n{text(file)}' for file in _PARTS)
    return "\n".join([*parts, f'#line 1 "{name}.cu"', source])


def emulated_source(source: str, name: str) -> str:
    """One text for a C++ compiler that has this folder among those of its headers."""
    return f'#include "emulated.h"\n#line 1 "{name}.cu"\n{source}'
