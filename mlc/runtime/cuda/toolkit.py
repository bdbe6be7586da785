"""Where NVIDIA's compiler and headers are: in wheels, or in a toolkit that is installed."""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mlc.config import config
from mlc.errors import UnsupportedError

INSTALL = "pip install 'mlc[cuda13]' (or 'mlc[cuda12]' for a driver older than version 580)"


@dataclass(frozen=True)
class Toolkit:
    """The library of NVRTC and the folders of headers that it needs."""

    nvrtc: Path
    includes: tuple[Path, ...]


def toolkit() -> Toolkit:
    """The toolkit of ``mlc.config.cuda_path``, the wheels, or the one in /usr/local/cuda.

    Of several that of a version which the driver of this machine loads code of, if there is one.
    Raises UnsupportedError, which says what to install, where there is none with its headers.
    """
    return _toolkit(config.cuda_path)


@functools.cache
def driver_version() -> int:
    """The version of CUDA that the driver of this machine is for, 13020 is 13.2; 0 without one."""
    found = ctypes.c_int()
    for name in ("libcuda.so.1", "libcuda.so"):
        try:
            failed = ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(found))
        except (OSError, AttributeError):
            continue
        return 0 if failed else found.value
    return 0


@functools.cache
def _toolkit(wanted: Path | None) -> Toolkit:
    without_headers = newer = None
    most = driver_version() // 1000  # code of a newer one cannot be loaded
    for libraries, includes in _candidates(wanted):
        for folder in libraries:
            found = sorted(folder.glob("libnvrtc.so.*"), key=_number)
            if not found:
                continue
            if any((include / "cuda_fp16.h").exists() for include in includes):
                made = Toolkit(found[-1], tuple(path for path in includes if path.is_dir()))
                if not most or _number(found[-1])[:1] <= (most,):
                    return made
                newer = newer or made
            else:
                without_headers = found[-1]
    if newer is not None:
        return newer
    if without_headers is not None:
        raise UnsupportedError(
            f"NVRTC is at {without_headers}, but the headers of CUDA (cuda_fp16.h) are not beside "
            f"it; {INSTALL}"
        )
    raise UnsupportedError(
        f"target 'cuda' needs NVIDIA's compiler NVRTC, and it was not found; {INSTALL}, or set "
        f"MLC_CUDA_PATH to a CUDA toolkit"
    )


def _candidates(wanted: Path | None) -> Iterator[tuple[list[Path], list[Path]]]:
    """Folders of libraries with the folders of headers that go with them."""
    if wanted is not None:
        yield [wanted / "lib64", wanted / "lib"], _headers(wanted)
        return
    spec = find_spec("nvidia")
    for root in map(Path, spec.submodule_search_locations or () if spec else ()):
        for major in ("cu13",):
            yield [root / major / "lib"], _headers(root / major)
        # Before CUDA 13 each wheel had a folder of its own.
        parts = [root / name for name in ("cuda_runtime", "cuda_nvcc", "cuda_cccl")]
        yield [root / "cuda_nvrtc" / "lib"], [h for part in parts for h in _headers(part)]
    installed = Path("/usr/local/cuda")
    yield [installed / "lib64"], _headers(installed)


def _headers(root: Path) -> list[Path]:
    return [root / "include", root / "include" / "cccl"]


def _number(path: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", path.name)))
