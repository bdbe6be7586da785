"""Texts that are shown have no long lines."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.backends.cuda.wrapping import wrap_lines

LONG = """\
  if (first_index * 64 + second < 1000 && other < 1000) {
    *reinterpret_cast<float4 *>(&made[i * 4]) = make_float4(f(a.x, b), f(a.y, b), f(a.z, b));
    puts("a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z");
    // every product that is made here, and what is known of it
  }
  #pragma unroll_as_often_as_there_is_room_for_it_in_registers, or less"""
SHORT = """\
  if (first_index * 64 + second < 1000
      && other < 1000) {
    *reinterpret_cast<float4 *>(&made[i * 4]) =
        make_float4(f(a.x, b), f(a.y, b),
            f(a.z, b));
    puts("a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z");
    // every product that is made here, and what
    // is known of it
  }
  #pragma unroll_as_often_as_there_is_room_for_it_in_registers, or less"""


def test_where_lines_go_on() -> None:
    assert wrap_lines(LONG, 48) == SHORT
    assert wrap_lines(LONG) == LONG


@pytest.mark.parametrize(("f", "dtype"), [(np.matmul, "float32"), (np.matmul, "float16")])
def test_only_space_is_another(f, dtype) -> None:
    x = np.ones((200, 200), dtype)
    lowered = mlc.jit(f, target="cuda-emulated").lower(x, x)
    shown, source = str(lowered.cuda), lowered.compiled.device_module.source
    assert max(map(len, source.split("\n"))) > 150 and max(map(len, shown.split("\n"))) <= 100
    code = [[s for s in text.split("\n") if not s.startswith("//")] for text in (shown, source)]
    assert "".join(code[0]).replace(" ", "") == "".join(code[1]).replace(" ", "")


def test_what_templates_are_told_stays_together() -> None:
    line = f"  a[{'i + ' * 20}mlc_mix<128, 2>(b * 128 + c * 4)] = d;"
    assert "mlc_mix<128, 2>(" in wrap_lines(line)
