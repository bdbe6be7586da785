"""What of CUDA is on this machine, for ``mlc doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from mlc.config import config
from mlc.errors import MlcError
from mlc.runtime.cuda import emulate, nvrtc, toolkit
from mlc.runtime.cuda.card import Card, card

# what was looked at, "ok" or "missing" or "broken", what was found, what to do
Finding = tuple[str, str, str, str]
_NO_DRIVER = "install NVIDIA's driver (nvidia-smi shows it); target='cuda-emulated' needs no card"


def findings() -> Iterator[Finding]:
    """The compiler of emulated kernels, NVRTC, CuPy, the driver and each card."""
    try:
        yield "emulation", "ok", f"target 'cuda-emulated' compiles with {emulate.compiler()}", ""
    except MlcError:
        advice = "apt install g++ (or dnf install gcc-c++), or set MLC_CXX to a C++ compiler"
        yield "emulation", "missing", "no C++ compiler for target 'cuda-emulated'", advice
    try:
        where = toolkit.toolkit().nvrtc
        found = nvrtc.architectures()
        text = f"{nvrtc.nvrtc_version()} at {where}, for sm_{found[0]} to sm_{found[-1]}"
        yield "nvrtc", "ok", text, ""
    except MlcError as error:
        yield "nvrtc", "missing", error.message.partition(";")[0], toolkit.INSTALL
    if find_spec("cupy") is None:
        yield "cupy", "missing", "optional: target 'cuda' launches through it", toolkit.INSTALL
        return
    import cupy

    yield "cupy", "ok", f"{cupy.__version__}{_package()}", ""
    try:
        driver = cupy.cuda.runtime.driverGetVersion()
        on = card()
    except Exception as error:
        said = error.message if isinstance(error, MlcError) else str(error)
        yield "gpu", "missing", said.partition("; install")[0], _NO_DRIVER
        return
    yield "driver", "ok", f"for CUDA up to {driver // 1000}.{driver % 1000 // 10}", ""
    for number in range(cupy.cuda.runtime.getDeviceCount()):
        yield _card(on, number)
    yield from _trial(on)


def _package() -> str:
    for name in ("cupy-cuda13x", "cupy-cuda12x"):
        try:
            version(name)
        except PackageNotFoundError:
            continue
        return f" ({name})"
    return ""


def _card(on: Card, number: int) -> Finding:
    facts = on.cupy.cuda.runtime.getDeviceProperties(number)
    name = facts["name"].decode()
    arch = on.arch(number)
    text = f"{number}: {name}, {arch}, {facts['totalGlobalMem'] / 2**30:.0f} GiB"
    try:
        known = nvrtc.architectures()
    except MlcError:
        return "gpu", "ok", text, ""
    if int("".join(filter(str.isdigit, arch))) not in known:
        advice = f"use an NVRTC that knows {arch}: {toolkit.INSTALL}"
        return "gpu", "broken", f"{text}, for which this NVRTC does not compile", advice
    return "gpu", "ok", text, ""


def _trial(on: Card) -> Iterator[Finding]:
    """Which kernels are made, where all cards are of a kind that has some of its own."""
    from mlc.runtime.cuda.trial import ANY, ARCHITECTURE, trial

    if on.common_arch() != ARCHITECTURE:
        return
    if config.cuda_architecture:
        text = f"made for {config.cuda_architecture}, as mlc.config.cuda_architecture says"
        yield "gpu kernels", "ok", text, ""
        return
    try:
        found = trial(on)
    except MlcError as error:
        yield "gpu kernels", "missing", error.message.partition(";")[0], toolkit.INSTALL
        return
    if not found.said:
        yield "gpu kernels", "ok", f"made for {ARCHITECTURE}, which a trial found right here", ""
        return
    text = f"made for any card, since a trial of {ARCHITECTURE} failed: {found.said}"
    advice = (
        "use a newer driver; python -m mlc cache clear --trials has it tried anew, "
        f"MLC_CUDA_ARCHITECTURE={ANY} no more"
    )
    yield "gpu kernels", "missing", text, advice
