"""What ``mlc doctor`` says of CUDA."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mlc.config import config
from mlc.runtime.cuda import card, findings
from mlc.runtime.cuda.toolkit import INSTALL

from .fake_cupy import FakeCuPy, Problem


def test_two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = FakeCuPy()
    cupy.__version__ = "14.2.0"  # type: ignore[attr-defined]
    cupy.cuda.runtime.driverGetVersion = lambda: 13020
    cupy.cuda.runtime.getDeviceProperties = lambda number: {
        "name": b"card", "totalGlobalMem": 80 << 30
    }  # fmt: skip
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(findings, "find_spec", lambda name: True)
    monkeypatch.setattr(findings, "card", lambda: card.Card(cupy))
    monkeypatch.setattr(findings.nvrtc, "architectures", lambda: (80, 90))
    monkeypatch.setattr(findings.nvrtc, "nvrtc_version", lambda: "13.5")
    found = list(findings.findings())[-4:]
    assert found == [
        ("cupy", "ok", "14.2.0", ""),
        ("driver", "ok", "for CUDA up to 13.2", ""),
        ("gpu", "ok", "0: card, sm_90a, 80 GiB", ""),
        ("gpu", "ok", "1: card, sm_80, 80 GiB", ""),
    ]
    monkeypatch.setattr(findings.nvrtc, "architectures", lambda: (100, 120))
    assert list(findings.findings())[-1] == (
        "gpu", "broken", "1: card, sm_80, 80 GiB, for which this NVRTC does not compile",
        f"use an NVRTC that knows sm_80: {INSTALL}",
    )  # fmt: skip


def test_nothing_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "find_spec", lambda name: None)
    with config.override(cxx="no-such-compiler", cuda_path=tmp_path):
        found = {what: (status, advice) for what, status, _, advice in findings.findings()}
    assert found == {
        "emulation": (
            "missing",
            "apt install g++ (or dnf install gcc-c++), or set MLC_CXX to a C++ compiler",
        ),
        "nvrtc": ("missing", INSTALL),
        "cupy": ("missing", INSTALL),
    }


def test_cupy_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = FakeCuPy()
    cupy.__version__ = "14.2.0"  # type: ignore[attr-defined]

    def fail() -> int:
        raise Problem("cudaErrorInsufficientDriver: the driver is insufficient")

    cupy.cuda.runtime.driverGetVersion = fail
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(findings, "find_spec", lambda name: True)
    last = list(findings.findings())[-1]
    assert last[:3] == ("gpu", "missing", "cudaErrorInsufficientDriver: the driver is insufficient")
    assert last[3].startswith("install NVIDIA's driver")
