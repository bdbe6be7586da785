"""The benchmarks of cards: checked at small sizes without one, and the rest over a stand-in."""

from __future__ import annotations

import json
import sys
import time
import types
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from benchmarks.gpu import cases, isolated, measuring, peers, session
from benchmarks.gpu.__main__ import _confirm, main
from benchmarks.gpu.cases import CASES, selected
from benchmarks.gpu.checking import check, confirmed

from .backends.cuda.conftest import needs_compiler

FAST = [
    "chain of 8",
    "softmax f16",
    "sum of columns",
    "transpose",
    "product f16 8192",
    "scan of rows",
]


@needs_compiler
def test_results_are_checked_without_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    with mlc.config.override(emulated_checks=False):
        assert main(["--emulated", *FAST]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == len(FAST) + 1
    assert told[-1] == "6 of 6 are right; nothing was timed"


@needs_compiler
def test_a_wrong_result_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (case,) = selected(["add f16"])
    wrong = cases.Case(
        case.name, case.group, case.function, case.shapes, case.small, case.flops,
        dtype=case.dtype, ours=lambda: lambda a, b: a + b * 1.25,
    )  # fmt: skip
    monkeypatch.setattr("benchmarks.gpu.__main__.selected", lambda words: [wrong])
    with mlc.config.override(emulated_checks=False):
        assert main(["--emulated"]) == 1
    assert "where rounding explains" in capsys.readouterr().out
    exact = np.arange(3)
    with pytest.raises(ArithmeticError, match=r"^1 of 3 elements are wrong$"):
        check(case, case.small, np.array([0, 1, 3]), exact)
    with pytest.raises(ArithmeticError, match=r"^shape \(2,\) where NumPy has \(3,\)$"):
        check(case, case.small, exact[:2], exact)


@pytest.mark.skipif(find_spec("cupy") is not None, reason="there may be a card")
def test_without_a_card_nothing_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    told = capsys.readouterr().err
    assert told.startswith("nothing was measured: target 'cuda' launches kernels through CuPy")
    assert "python -m benchmarks.gpu --emulated checks the results" in told


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy in CuPy's place, and the processor in mlc's."""
    nothing = types.SimpleNamespace(free_all_blocks=lambda: None)
    runtime = types.SimpleNamespace(
        deviceSynchronize=lambda: None, getDevice=lambda: 0, driverGetVersion=lambda: 13000,
        getDeviceProperties=lambda number: {"name": b"a stand-in"},
    )  # fmt: skip
    random = types.SimpleNamespace(standard_normal=lambda shape, dtype: np.ones(shape, dtype))
    made: Any = types.ModuleType("cupy")
    made.__dict__.update(
        {n: getattr(np, n) for n in ("asarray", "zeros", "float32", "matmul", "add", "minimum")},
        maximum=np.maximum, asnumpy=np.asarray, random=random, __version__="0",
        cuda=types.SimpleNamespace(runtime=runtime), get_default_memory_pool=lambda: nothing,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "cupy", made)

    def on_processor(case: Any, args: Any) -> peers.Prepared:
        function = mlc.jit(case.function)
        return peers.Prepared(lambda: function(*args), lambda result: None, np.asarray)

    def broken(case: Any, args: Any) -> peers.Prepared:
        raise RuntimeError("no such thing")

    there = {
        "mlc": peers.Peer("mlc", (), on_processor), "cupy": peers.PEERS["cupy"],
        "jax": peers.Peer("jax", (), broken), "triton": peers.Peer("triton", ("no_such",), broken),
    }  # fmt: skip
    there["cupy"] = peers.Peer("cupy", (), there["cupy"].prepare)
    for module in (peers, measuring):
        monkeypatch.setattr(module, "PEERS", there)
    monkeypatch.setattr(measuring, "COPY_BYTES", 1 << 12)
    monkeypatch.setattr(measuring, "PRODUCT_SIZE", 16)
    monkeypatch.setattr(measuring, "SAMPLE_SECONDS", 1e-4)
    monkeypatch.setattr(measuring, "call_seconds", lambda: {"mlc": 4e-6, "cupy": 5e-6})
    monkeypatch.setattr("mlc.runtime.cuda.card.card", lambda: None)


def test_what_is_measured(
    cupy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (case,) = selected(["chain of 8"])
    few = cases.Case(case.name, case.group, case.function, ((64,), (64,)), case.small, case.flops)
    monkeypatch.setattr("benchmarks.gpu.__main__.selected", lambda words: [few])
    assert main(["--json", str(tmp_path / "gpu.json"), "--seconds", "0.01"]) == 0
    data = json.loads((tmp_path / "gpu.json").read_text())
    (row,) = data["cases"]
    assert (row["bytes"], row["flops"]) == (3 * 256, 8 * 64)
    assert row["failures"] == {"jax": "RuntimeError: no such thing"}
    assert set(row["seconds"]) == {"copy", "product", "mlc", "cupy"}
    assert set(row["faster_than"]) == {"cupy"}
    mine = row["seconds"]["mlc"]
    assert row["bytes_per_second"] == pytest.approx(3 * 256 / mine)
    assert row["of_copy"] == pytest.approx(3 * 256 / mine * row["seconds"]["copy"] / (2 << 12))
    assert row["of_product"] == pytest.approx(512 / mine * row["seconds"]["product"] / (2 * 16**3))
    assert data["machine"]["product"] == "float16 by CuPy" and data["call_seconds"]["mlc"] == 4e-6
    told = capsys.readouterr().out
    assert "a call: mlc 4.00 us, cupy 5.00 us" in told
    assert "jax did not run: RuntimeError: no such thing" in told


def test_a_peer_that_compiles_for_long_costs_no_result(
    cupy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(case: Any, args: Any) -> peers.Prepared:
        time.sleep(60)
        raise AssertionError("it was to be stopped")

    for name in "torch", "torch.compile":
        monkeypatch.setitem(measuring.PEERS, name, peers.Peer(name, (), slow))
    case = replace(selected(["chain of 8"])[0], shapes=((64,), (64,)))
    over = measuring.ceilings()
    began = time.monotonic()
    found = measuring.run_case(case, ["mlc", "torch", "torch.compile"], over, 0.01, 0.5)
    assert time.monotonic() - began < 30
    assert set(found.series) == {"copy", "product", "mlc"}
    assert list(found.failures) == ["torch", "torch.compile"]
    assert all("TimeoutError: not ready after" in text for text in found.failures.values())


def test_who_is_made_for_processors_alone_is_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = types.ModuleType("torch")
    torch.__spec__ = ModuleSpec("torch", None)
    torch.cuda = types.SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    for sees in False, True:
        torch.cuda.is_available = lambda sees=sees: sees
        peers.torch_sees_cards.cache_clear()
        assert peers.PEERS["torch"].is_installed() == sees
    peers.torch_sees_cards.cache_clear()


def test_the_table() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    for case in CASES:
        assert len(case.shapes) == len(case.small)
        assert case.flops(case.small) >= 0 and case.depth(case.shapes) >= 1
    (product,) = selected(["product f32 4096"])
    assert product.flops(product.shapes) == 2 * 4096**3


@needs_compiler
def test_cases_run_in_processes_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = tmp_path / "gpu.json"
    chosen = ["add f16", "transpose"]
    assert main(["--emulated", "--isolated", "--json", str(where), *chosen]) == 0
    data = json.loads(where.read_text())
    assert [row["outcome"] for row in data["cases"]] == ["ran", "ran"]
    assert all(row["errors"]["mlc"] <= 1 for row in data["cases"])
    assert "2 of 2 cases ran, 0 failed" in capsys.readouterr().out


def test_what_crashes_or_hangs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "benchmarks" / "gpu"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent):  # before another that is installed
        (package / "__init__.py").touch()
    (folder / "__main__.py").write_text(
        "import os, sys, time\n"
        "name = sys.argv[-1]\n"
        "if name == 'add': os.abort()\n"
        "if name == 'gelu': time.sleep(60)\n"
        "print('mlc.errors.DeviceMemoryError: no room', file=sys.stderr)\n"
        "sys.exit(1)\n"
    )
    monkeypatch.chdir(tmp_path)
    where = tmp_path / "gpu.json"
    cases_run = [next(case for case in CASES if case.name == n) for n in ("add", "gelu", "stencil")]
    assert isolated.run_isolated(cases_run, [], where, budget=60, limit=2) == 3
    told = capsys.readouterr().out.splitlines()
    assert told[0].split(maxsplit=1)[1] == "crashed: SIGABRT"
    assert told[1].split(maxsplit=1)[1] == "too slow: stopped after 2 s"
    assert "out of memory: mlc.errors.DeviceMemoryError: no room" in told[2]
    assert [row["outcome"] for row in json.loads(where.read_text())["cases"]] == [
        "crashed", "too slow", "out of memory",
    ]  # fmt: skip
    assert isolated.run_isolated(cases_run, [], where, budget=0, limit=2) == 0
    assert json.loads(where.read_text())["left_out"] == ["add", "gelu", "stencil"]


@needs_compiler
def test_two_targets_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (case,) = selected(["add f16"])
    assert confirmed(case, "cuda-emulated") == "the same bits"
    where = tmp_path / "gpu.json"
    assert _confirm([case], where, "cuda-emulated") == 0
    assert json.loads(where.read_text())["cases"][0]["agreement"] == "the same bits"
    assert _confirm([case], where, "no such target") == 1
    assert "1 of 1 agree" in (told := capsys.readouterr().out) and "0 of 1 agree" in told


@needs_compiler
def test_a_session_goes_on_where_it_was(tmp_path: Path) -> None:
    where = tmp_path / "gpu.json"
    told: list[str] = []
    chosen = [*selected(["decoding bf16 keys 4096"]), *selected(["transpose"])]
    for _ in range(2):
        assert session.run_session(chosen, ["--emulated"], where, 600, 60, told.append) == 0
    (confirmed_row,) = json.loads((tmp_path / "gpu_confirmed.json").read_text())["cases"]
    assert confirmed_row["outcome"] == "ran"
    names = [row["name"] for row in json.loads(where.read_text())["cases"]]
    assert names == [case.name for case in chosen]
    assert sum(line.endswith("ran before") for line in told) == 3
    hopper = [case for case in CASES if case.architecture]
    assert session.first_things_first(CASES)[: len(hopper) - 1][0].architecture == "sm_90a"


def test_small_sizes_for_hopper_are_made_as_large_ones_are() -> None:
    """By boxes, and by blocks that go through several tiles: what is confirmed is what is timed."""
    (case,) = (c for c in CASES if c.name == "product f16 4096 sm_90a")
    with case.setting():
        lowered = mlc.jit(case.function, target="cuda").lower(*case.inputs(case.small))
        module = lowered.compiled.device_module
    (launch,) = module.launches
    tiles = case.small[0][0] // 64 * (case.small[1][1] // 64)
    assert module.architecture == "sm_90a" and "load_box_" in module.source
    assert 2 * launch.grid[0] * launch.grid[1] == tiles
