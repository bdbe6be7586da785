"""Ready-made intrinsics are there once they are named: stored schedules name them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlc.dtypes import bfloat16, float16
from mlc.intrinsics import boxes, mma
from mlc.intrinsics.wgmma import wgmma, wgmma_store
from mlc.ir import call_names
from mlc.ir.intrinsic import intrinsic_named, is_intrinsic


@pytest.fixture
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry as a new process has it."""
    monkeypatch.setattr(call_names, "_registry", {})
    for module in (mma, boxes):
        module._make_all.cache_clear()
    yield
    for module in (mma, boxes):
        module._make_all.cache_clear()


def test_those_of_cards_are_made_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    tile, wide = mma.mma("tf32", 8, "km", "nk"), wgmma(bfloat16, 128, 64)
    names = [tile.fill, tile.load_a, tile.load_b, tile.product, tile.store, tile.scale,
             wide.fill, wide.product, wide.store, wgmma_store(32), wgmma_store(128, float16),
             boxes.load_box(float16, 72),
             boxes.wgmma_boxes(float16, 256, "km", "kn").product]  # fmt: skip
    meanings = [intrinsic_named(name).meaning_key for name in names]
    for name, meaning in zip(names, meanings):
        monkeypatch.setattr(call_names, "_registry", {})
        for module in (mma, boxes):
            module._make_all.cache_clear()
        assert intrinsic_named(name).meaning_key == meaning, name


@pytest.mark.usefixtures("nothing_made")
def test_other_names_are_none() -> None:
    for name in ("mma_mine", "wgmma_64x100x16_float16", "load_box_7x64_float16",
                 "load_box_8x64_float32", "load_box_264x64_float16"):  # fmt: skip
        assert not is_intrinsic(name)
