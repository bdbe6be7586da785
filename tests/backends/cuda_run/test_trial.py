"""Kernels for Hopper alone are used where a child process has found that they do right."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import mlc
from mlc import card_trial
from mlc.command.cache import _image_sizes
from mlc.command.line import main
from mlc.compile_device import architecture_for
from mlc.dtypes import float32
from mlc.runtime.cuda import findings, trial
from mlc.runtime.cuda.card import Card

from .fake_cupy import FakeCuPy

TRY = trial.trial  # before the stand-in takes its place
RIGHT = "print('begun'); print('right')"
DIES = "import os; print('begun', flush=True); os.kill(os.getpid(), 4)"
HANGS = "import time; print('begun', flush=True); time.sleep(60)"
FEWER = """\
import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given.pop("path")
from mlc import card_trial
card_trial.PRODUCTS = card_trial.PRODUCTS[:1]
"""
# The rows of the second operand of each product come in reverse.
WRONG = f"""\
{FEWER}
make = card_trial.build
def build(*given, **more):
    run = make(*given, **more)
    return lambda a, b, c: run(a, b[::-1].copy(), c)
card_trial.build = build
card_trial.main(**given)
"""


@pytest.fixture
def hopper(cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCuPy:
    """A machine of two cards of that kind, whose trials are emulated, and an empty cache."""
    cupy.capabilities[:] = ("90", "90")
    monkeypatch.setattr(trial, "trial", TRY)
    monkeypatch.setattr(trial, "TARGET", "cuda-emulated")
    monkeypatch.setattr(trial.nvrtc, "nvrtc_version", lambda: "13.5")
    emulated = functools.partial(trial._try, [])  # the child has no cards to choose from
    monkeypatch.setattr(trial, "_try", lambda numbers: emulated())
    monkeypatch.setattr(mlc.config, "cache_dir", tmp_path)
    return cupy


def no_child(numbers: list[int]) -> trial.Trial:
    raise AssertionError("the answer was to come from the cache")


def asked_of(cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch) -> str:
    """What another process with that machine makes kernels for."""
    on = Card(cupy)
    monkeypatch.setattr("mlc.runtime.cuda.card.card", lambda: on)
    return architecture_for("cuda")


def test_a_card_that_does_right_is_asked_once(
    hopper: FakeCuPy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "BOOT", f"{FEWER}card_trial.main(**given)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asked_of(hopper, monkeypatch) == "sm_90a"
        monkeypatch.setattr(trial, "_try", no_child)
        assert asked_of(hopper, monkeypatch) == "sm_90a"
    hopper.cuda.runtime.driverGetVersion = lambda: 13030
    with pytest.raises(AssertionError, match="was to come from the cache"):
        asked_of(hopper, monkeypatch)


@pytest.mark.parametrize(
    ("child", "said"),
    [
        (DIES, "the process that tried it failed, SIGILL"),
        (HANGS, "the process that tried it failed, it did not end within 1 s"),
        (WRONG, r"a 128 x 128 x 128 product of float16 is up to \S+ from the exact result"),
    ],
)
def test_a_card_that_does_wrong_gets_kernels_for_any(
    child: str, said: str, hopper: FakeCuPy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "BOOT", child)
    monkeypatch.setattr(trial, "SECONDS", 1.0 if child is HANGS else 120.0)
    whole = (
        f"^a trial of what only sm_90a has failed on the card here: {said}; kernels are made for "
        "any card instead, and products of 16-bit floats are slower; set "
        "MLC_CUDA_ARCHITECTURE=sm_80 to have it tried no more, or sm_90a to use it nevertheless; "
        "python -m mlc cache clear --trials has it tried anew$"
    )
    x = np.ones((1536, 1536), np.float16)
    with pytest.warns(mlc.DeviceWarning, match=whole):
        module = mlc.jit(np.matmul, target="cuda").lower(x, x).compiled.device_module
    assert module.architecture == "" and "wgmma" not in module.source and "mma" in module.source
    monkeypatch.setattr(trial, "_try", no_child)
    with pytest.warns(mlc.DeviceWarning, match=whole):
        assert asked_of(hopper, monkeypatch) == "sm_80"
    with warnings.catch_warnings():  # a process says it once
        warnings.simplefilter("error")
        assert architecture_for("cuda") == "sm_80"


def test_what_was_found_can_be_forgotten(
    hopper: FakeCuPy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "_try", lambda numbers: trial.Trial("it is too hot"))
    with pytest.warns(mlc.DeviceWarning, match="too hot"):
        assert asked_of(hopper, monkeypatch) == "sm_80"
    mlc.jit(lambda x: x + 1)(np.ones(3))
    monkeypatch.setattr(trial, "_try", lambda numbers: trial.Trial())
    with pytest.warns(mlc.DeviceWarning, match="too hot"):
        assert asked_of(hopper, monkeypatch) == "sm_80"
    before = len(_image_sizes())
    assert main(["cache", "clear", "--trials"]) == 0
    assert "trials of cards: 1 removed" in capsys.readouterr().out
    assert len(_image_sizes()) == before - 1 > 0
    assert asked_of(hopper, monkeypatch) == "sm_90a"


@pytest.mark.parametrize(
    ("child", "said"),
    [
        ("raise SystemExit('no card is free')", "failed, exit code 1: no card is free"),
        ("print('begun'); print('unknown its memory is full')", "here: its memory is full;"),
        ("print('begun')", "here: it said nothing;"),
    ],
)
def test_what_tells_nothing_of_the_card_is_not_kept(
    child: str, said: str, hopper: FakeCuPy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(trial, "BOOT", child)
        with pytest.warns(mlc.DeviceWarning, match=said):
            assert asked_of(hopper, monkeypatch) == "sm_80"
    monkeypatch.setattr(trial, "BOOT", RIGHT)
    assert asked_of(hopper, monkeypatch) == "sm_90a"


def test_who_is_not_asked(hopper: FakeCuPy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_try", no_child)
    assert architecture_for("cuda", [float32]) == "sm_90a"
    double = mlc.jit(lambda x: x * 2, target="cuda")
    assert "__global__" in str(double.lower(np.ones(8, np.float32)).cuda)
    for wanted in ("sm_80", "sm_90a"):
        with mlc.config.override(cuda_architecture=wanted):
            assert asked_of(hopper, monkeypatch) == wanted
    hopper.capabilities[:] = ("80", "90")
    assert asked_of(hopper, monkeypatch) == ""


def test_the_doctor_says_which_it_is(hopper: FakeCuPy, monkeypatch: pytest.MonkeyPatch) -> None:
    def line() -> tuple[str, str, str, str]:
        (found,) = findings._trial(Card(hopper))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(trial, "BOOT", "print('begun'); print('wrong it is off')")
        patch.setattr(mlc.config, "cache", False)
        assert line() == (
            "gpu kernels", "missing",
            "made for any card, since a trial of sm_90a failed: it is off",
            "use a newer driver; python -m mlc cache clear --trials has it tried anew, "
            "MLC_CUDA_ARCHITECTURE=sm_80 no more",
        )  # fmt: skip
    monkeypatch.setattr(trial, "BOOT", RIGHT)
    right = "made for sm_90a, which a trial found right here"
    assert line() == ("gpu kernels", "ok", right, "")
    with mlc.config.override(cuda_architecture="sm_80"):
        told = "made for sm_80, as mlc.config.cuda_architecture says"
        assert line() == ("gpu kernels", "ok", told, "")


@pytest.mark.parametrize("product", card_trial.PRODUCTS, ids=str)
def test_a_trial_is_of_what_only_hopper_has(
    product: card_trial.Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def build(program: mlc.ir.program.Program, target: str):  # type: ignore[no-untyped-def]
        made.append(str(program))
        return lambda a, b, c: None

    monkeypatch.setattr(card_trial, "build", build)
    with mlc.config.override(cuda_architecture="sm_90a"):
        got, exact = card_trial.multiplied(product, "cuda")
    assert "wgmma" in made[0] and ("load_box" in made[0]) == (not product.skipped)
    assert ("software_pipeline_cluster" in made[0]) == (product.processors > 1)
    assert not np.array_equal(got, exact.astype(got.dtype))


@pytest.mark.parametrize("product", card_trial.PRODUCTS, ids=str)
def test_a_trial_takes_the_right_products_for_exact(
    product: card_trial.Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_is = lambda program, machine: SimpleNamespace(program=program)
    monkeypatch.setattr(card_trial, "default_gpu_schedule", as_it_is)
    got, exact = card_trial.multiplied(product, "cpu")
    np.testing.assert_array_equal(got, exact.astype(got.dtype))
