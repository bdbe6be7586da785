"""What must hold of every CUDA module, with or without a card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlc.backends.cuda.device import DeviceModule
from mlc.runtime.cuda.banks import Counter, SharedAccess, counting

__all__ = ["Counter", "SharedAccess", "assert_compiles", "counting", "has_card"]

ARCHITECTURES = ("sm_80", "sm_90a")


def has_card() -> bool:
    """Whether target "cuda" can run here: there are CuPy, a driver and a card."""
    from mlc.errors import UnsupportedError
    from mlc.runtime.cuda.card import card

    try:
        return card().count() > 0
    except UnsupportedError:
        return False


def assert_compiles(
    module: DeviceModule | Any, architectures: Sequence[str] = ARCHITECTURES
) -> None:
    """NVRTC turns the kernels of ``f.lower(x)``, or those of a module, into machine code that has
    each of them; CompileError where it does not, UnsupportedError where NVRTC is not installed."""
    from mlc.runtime.cuda.nvrtc import compile_module

    if not isinstance(module, DeviceModule):
        module = module.compiled.device_module
    for arch in architectures:
        cubin = compile_module(module, arch)
        assert cubin.startswith(b"\x7fELF"), f"{module.name}: no ELF file for {arch}"
        for launch in module.launches:
            name = f".text.{launch.kernel}\0".encode()
            assert name in cubin, f"{module.name}: no kernel {launch.kernel} for {arch}"
