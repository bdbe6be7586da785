"""What a call by name is: an intrinsic, which are kept here, or a loop of a NumPy gufunc. Every
pass asks, and most programs call nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import ArgumentError

if TYPE_CHECKING:
    from .intrinsic import Intrinsic

GUFUNC = "mlc_gufunc_"  # before the names of their loops
_registry: dict[str, Intrinsic] = {}
# Families of ready-made intrinsics, whose names tell their sizes: any of them is there once named.
_FAMILIES = {
    "amx_": "intrinsics.tile_products",
    "fma_f32_": "intrinsics.register_tiles",
    "load_box_": "intrinsics.boxes",
    "mma_": "intrinsics.mma",
    "transpose_block_": "intrinsics.transpose_blocks",
    "wgmma_": "intrinsics.boxes",
}


def register(intrinsic: Intrinsic, override: bool = False) -> Intrinsic:
    """Makes ``intrinsic`` known by its name. The same definition may come again: the intrinsic that
    is known already is returned then. Another one needs ``override``."""
    before = known(intrinsic.name)
    if before is not None and not override:
        if before.definition_key == intrinsic.definition_key:
            for target, content in intrinsic.implementations.items():
                before.implement(target, content)
            return before
        other = "of other threads or operands"
        if before.meaning_key != intrinsic.meaning_key:
            other = "with another meaning"
        raise ArgumentError(
            f"an intrinsic {intrinsic.name!r} {other} exists; choose another name, or "
            f"say override=True"
        )
    _registry[intrinsic.name] = intrinsic
    return intrinsic


def known(name: str) -> Intrinsic | None:
    """The intrinsic of this name, if it has been made before."""
    return _registry.get(name)


def is_intrinsic(name: str) -> bool:
    """Whether an intrinsic has this name."""
    return name in _registry or _ready_made(name) is not None


def intrinsic_named(name: str) -> Intrinsic:
    """The intrinsic called ``name``; :class:`ArgumentError` if there is none."""
    found = _registry.get(name) or _ready_made(name)
    if found is None:
        names = ", ".join(sorted(_registry)) or "none"
        raise ArgumentError(f"there is no intrinsic {name!r}; known are: {names}")
    return found


def _ready_made(name: str) -> Intrinsic | None:
    """One of a family, made and known from now on; None if the name is of no family."""
    for prefix, module in _FAMILIES.items():
        if name.startswith(prefix):
            package = __package__.rpartition(".")[0]
            found: Intrinsic | None = import_module(f"{package}.{module}").named(name)
            return found
    return None


def is_gufunc(name: str) -> bool:
    """Whether a library function is a loop of a NumPy gufunc."""
    return name.startswith(GUFUNC)


def all_intrinsics() -> tuple[Intrinsic, ...]:
    """Every intrinsic that is known, in order of registration."""
    return tuple(_registry.values())
