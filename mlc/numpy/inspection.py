"""What the array API standard asks a namespace about itself."""

from __future__ import annotations

from typing import Any

import numpy as np

__array_api_version__ = "2025.12"

_KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]


class Inspection:
    """Capabilities, devices and dtypes of `mlc.numpy`; the only device is ``"cpu"``."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean masks and sizes that depend on data work outside of jitted functions."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of new arrays."""
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """All devices."""
        return ("cpu",)

    def default_dtypes(self, *, device: str | None = None) -> dict[str, np.dtype[Any]]:
        """The dtypes that creation functions choose when none is named."""
        check_device(device)
        return {
            "real floating": np.dtype(np.float64),
            "complex floating": np.dtype(np.complex128),
            "integral": np.dtype(np.int64),
            "indexing": np.dtype(np.int64),
        }

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, np.dtype[Any]]:
        """The standard's dtypes by name, of one kind or of several."""
        check_device(device)
        if kind is None:
            kind = ("bool", "numeric")
        names: list[str] = []
        for part in (kind,) if isinstance(kind, str) else kind:
            if part not in _KINDS:
                raise ValueError(f"unknown kind {part!r}; kinds are {', '.join(_KINDS)}")
            names += [name for name in _KINDS[part] if name not in names]
        return {name: np.dtype(name) for name in names}


def check_device(device: Any) -> None:
    """Raise ValueError unless ``device`` is the one there is, or None."""
    if device not in (None, "cpu"):
        raise ValueError(f'mlc.numpy has the device "cpu" alone, got {device!r}')


def __array_namespace_info__() -> Inspection:
    """What this namespace can do; see the array API standard."""
    return Inspection()
