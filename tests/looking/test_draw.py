"""Pictures are well-formed, with the right number of boxes, and the right cells coloured."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.errors import ArgumentError, ScheduleError
from mlc.ir.program import Block, For, walk
from mlc.looking.svg import Picture
from mlc.schedules.schedule import Schedule

from .programs import gathered, product
from .walks import mm_relu, walked

SVG = "{http://www.w3.org/2000/svg}"


@T.program
def small(A: T.Buffer((16, 16)), B: T.Buffer((16, 16)), Y: T.Buffer((16, 16))):
    """Y = A @ B."""
    for i, j, k in T.grid(16, 16, 16):
        with T.block("Y"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                Y[vi, vj] = 0.0
            Y[vi, vj] += A[vi, vk] * B[vk, vj]


@T.program
def conv(A: T.Buffer((1, 1, 8, 8)), K: T.Buffer((2, 1, 3, 3)), Y: T.Buffer((1, 2, 6, 6))):
    """A convolution without padding."""
    for o, i, j, di, dj in T.grid(2, 6, 6, 3, 3):
        with T.block("Y"):
            vo, vi, vj, vdi, vdj = T.remap("SSSRR", [o, i, j, di, dj])
            with T.init():
                Y[0, vo, vi, vj] = 0.0
            Y[0, vo, vi, vj] += A[0, 0, vi + vdi, vj + vdj] * K[vo, 0, vdi, vdj]


@T.program
def shifted(A: T.Buffer((10,)), B: T.Buffer((10,))):
    """Each element is the one before; four at a time, and only two in the end."""
    for i, j in T.grid(3, 4):
        with T.block("B"):
            vi = T.axis.spatial(10, i * 4 + j)
            T.where(i * 4 + j < 10)
            B[vi] = T.select(vi > 0, A[vi - 1], 0.0)


def rects(picture: Picture, kind: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(picture.svg)
    assert root.tag == f"{SVG}svg"
    return [r for r in root.iter(f"{SVG}rect") if r.get("class", "").startswith(kind)]


def texts(picture: Picture) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")]


def cells(picture: Picture, kind: str, side: float) -> list[float]:
    """How many cells of each grid have this kind, in order of the grids."""
    frames = [float(r.get("x", 0)) for r in rects(picture, "grid")]
    counts = [0.0] * len(frames)
    for r in rects(picture, kind):
        owner = max(n for n, x in enumerate(frames) if float(r.get("x", 0)) >= x - 0.01)
        counts[owner] += float(r.get("width", 0)) / side
    return [round(n, 3) for n in counts]


def test_a_box_for_each_loop_and_block() -> None:
    program = walked().program
    picture = mlc.draw(program)
    loops = [n for n in walk(program.body) if isinstance(n, For)]
    blocks = [n for n in walk(program.body) if isinstance(n, Block)]
    assert len(rects(picture, "loop ")) == len(loops) == 6
    assert len(rects(picture, "loop vectorized")) == 1
    assert len(rects(picture, "block")) == len(blocks) == 3
    assert len(rects(picture, "memory")) == 1
    shown = texts(picture)
    assert "for j_1 in range(4)" in shown
    assert "vj = j_0 * 4 + j_1" in shown
    assert shown.count("reduce 128") == 1
    assert "Y[vi, vj] += A[vi, vk] * B[vk, vj]" in shown
    assert {"serial", "vectorized", "block"} <= set(shown)


def test_boxes_hold_what_is_inside() -> None:
    picture = walked().draw()
    found = rects(picture, "loop ") + rects(picture, "block")

    def edges(r: ElementTree.Element) -> tuple[float, float, float, float]:
        x, y, w, h = (float(r.get(key, 0)) for key in ("x", "y", "width", "height"))
        return x, y, x + w, y + h

    root = ElementTree.fromstring(picture.svg)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for a in map(edges, found):
        assert a[0] >= 0 and a[1] >= 0 and a[2] <= width and a[3] <= height
        for b in map(edges, found):
            is_apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            a_in_b = b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]
            b_in_a = a[0] <= b[0] and a[1] <= b[1] and b[2] <= a[2] and b[3] <= a[3]
            assert is_apart or a_in_b or b_in_a


def test_the_picture_of_the_course() -> None:
    """One j: an element of Y, a row of A, which the next j reads again, and a column of B."""
    picture = mlc.draw(small, "j")
    assert texts(picture)[0] == "small: one iteration of j (of 16), i = 0"
    assert cells(picture, "first", 13) == [1, 16, 16]  # Y, A, B
    assert cells(picture, "next", 13) == [1, 0, 16]
    assert cells(picture, "both", 13) == [0, 16, 0]
    assert "1 read and written, 4 B" in texts(picture)
    assert cells(small.draw("k"), "both", 13) == [1, 0, 0]
    assert cells(small.draw("i"), "first", 13) == [16, 16, 256]


def test_tiles() -> None:
    s = Schedule(small)
    i, j, k = s.loops("Y")
    i_0, i_1 = s.split(i, [None, 4])
    j_0, j_1 = s.split(j, [None, 8])
    s.reorder(i_0, j_0, k, i_1, j_1)
    assert cells(s.draw_access(j_0), "first", 13) == [32, 64, 128]
    assert cells(s.draw_access(j_0), "both", 13) == [0, 64, 0]
    assert cells(s.draw(k), "first", 13) == [32, 4, 8]


def test_windows_and_guards() -> None:
    picture = mlc.draw(conv, "j")
    assert texts(picture)[1:5:2] == ["Y", "1 read and written, 4 B"]
    assert "9 read, 36 B" in texts(picture)
    picture = mlc.draw(shifted, "i")
    assert cells(picture, "first", 20.8) == [4, 3]  # the select reads nothing for element 0
    assert cells(picture, "next", 20.8) == [4, 4]


def test_large_buffers_share_cells() -> None:
    picture = mlc.draw(mm_relu, mm_relu.body.body.stmts[0].var)
    assert "a cell is 2 x 2" in texts(picture)
    assert "16384 read, 64 KiB" in texts(picture)
    side = 208 / 64
    assert cells(picture, "first", side) == [64, 64, 64 * 64]


def test_an_index_that_is_loaded_may_be_any() -> None:
    assert "any of 64 read, 256 B" in texts(gathered.draw("i"))


def test_pictures_can_be_saved_and_shown(tmp_path: Path) -> None:
    picture = product.draw()
    picture.save(tmp_path / "x.svg")
    assert (tmp_path / "x.svg").read_text(encoding="utf-8") == picture.svg
    assert picture._repr_svg_() == picture._repr_html_() == picture.svg
    assert ".save('x.svg')" in repr(picture)


def test_pictures_are_saved_as_svg_alone(tmp_path: Path) -> None:
    with pytest.raises(mlc.ArgumentError, match=r"pictures are written as \.svg, got 'nest.png'"):
        product.draw().save(tmp_path / "nest.png")
    assert not list(tmp_path.iterdir())


def test_texts_are_escaped() -> None:
    assert "where i * 4 + j < 10" in texts(shifted.draw())


def test_combiners_of_several_parts_by_name() -> None:
    @mlc.jit
    def place(x):
        return np.argmax(x, axis=1)

    (program,) = place.lower(np.ones((4, 6), np.float32)).compiled.programs[:1]
    assert any("argmax" in text for text in texts(program.draw()))


def test_threads_of_a_grid() -> None:
    s = Schedule(small)
    i, j, _ = s.loops("Y")
    s.bind(i, "blockIdx.x")
    s.bind(j, "threadIdx.x")
    picture = s.draw()
    assert len(rects(picture, "loop thread_binding")) == 2
    assert {"thread_binding blockIdx.x", "thread_binding threadIdx.x"} <= set(texts(picture))
    assert s.explain().cost.flops == 2 * 16**3


def test_a_loop_that_is_not_there() -> None:
    with pytest.raises(ScheduleError, match="no loop 'x' in 'small'; it has i, j, k"):
        mlc.draw(small, "x")
    with pytest.raises(ArgumentError, match="no loop 'i' in 'small'"):
        mlc.draw(small, Schedule(conv).loop("i"))


def test_what_is_no_program_is_not_drawn() -> None:
    with pytest.raises(ArgumentError, match=r"mlc\.draw draws a T\.program or a schedule, got int"):
        mlc.draw(3)
