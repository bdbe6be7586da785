"""Where NVIDIA's compiler and headers are: in wheels, or in a toolkit that is installed."""

from __future__ import annotations

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

    Raises UnsupportedError, which says what to install, where there is none with its headers.
    """
    return _toolkit(config.cuda_path)


@functools.cache
def _toolkit(wanted: Path | None) -> Toolkit:
    without_headers = None
    for libraries, includes in _candidates(wanted):
        for folder in libraries:
            found = sorted(folder.glob("libnvrtc.so.*"), key=_number)
            if not found:
                continue
            if any((include / "cuda_fp16.h").exists() for include in includes):
                return Toolkit(found[-1], tuple(path for path in includes if path.is_dir()))
            without_headers = found[-1]
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
