"""What a step changed: exact texts, marks, colours and HTML."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest

import mlc
from mlc.errors import ArgumentError
from mlc.looking.difference import difference
from mlc.looking.show import shown

from .walks import mm_relu, walked


def test_the_walk_through_mm_relu(golden: Callable[[str, str], None]) -> None:
    golden("show_mm_relu", str(shown(walked(), all=True, numpy=True)))


def test_a_line_that_is_only_indented_stayed() -> None:
    before = "for i in r:\n    a\n    b\nend"
    after = "for i in r:\n    for j in r:\n        a\n    c\nend"
    assert [str(line) for line in difference(before, after)] == [
        "  for i in r:",
        "+     for j in r:",
        ">         a",
        "-     b",
        "+     c",
        "  end",
    ]
    marks = [line.mark for line in difference(after, before)]
    assert marks == [" ", "-", "<", "-", "+", " "]


def test_what_is_left_of_a_difference_is_either_program() -> None:
    for taken in walked().trace:
        before, after = taken.before.script(), taken.after.script()
        lines = difference(before, after)
        assert [line.text for line in lines if line.mark != "-"] == after.splitlines()
        old = [line.text.strip() for line in lines if line.mark != "+"]
        assert old == [line.strip() for line in before.splitlines()]


def test_show_prints_the_last_step(capsys: pytest.CaptureFixture[str]) -> None:
    s = walked()
    s.show()
    text = capsys.readouterr().out
    assert text.startswith("# step 4: s.vectorize(j_1)\n  @T.program\n")
    assert "\n+             for j_1 in T.vectorized(4):\n>                 with" in text
    assert "\x1b" not in text
    s.show(1)
    assert capsys.readouterr().out.startswith("# step 1: s.reorder(j_0, k, j_1)\n")
    s.show(-5)
    assert capsys.readouterr().out.startswith("# step 0: j_0, j_1 = s.split(j, [None, 4])\n")


def test_colours_are_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    s = walked()
    s.show(colour=True)
    text = capsys.readouterr().out
    assert "\x1b[32m+             for j_1 in T.vectorized(4):\x1b[0m\n" in text
    assert "\x1b[31m-         for k, j_1 in T.grid(128, 4):\x1b[0m\n" in text
    assert re.sub(r"\x1b\[\d*m", "", text) == f"{shown(s)}\n"


def test_a_step_that_was_not_taken() -> None:
    with pytest.raises(ArgumentError, match="mm_relu has the steps 0 to 4; there is no 5"):
        walked().show(5)


def test_before_the_first_step(capsys: pytest.CaptureFixture[str]) -> None:
    mlc.Schedule(mm_relu).show()
    head, _, script = capsys.readouterr().out.partition("\n")
    assert head == "# mm_relu, before the first step"
    assert {line[0] for line in script.splitlines()} == {" "}


def test_html_says_the_same() -> None:
    s = walked()
    root = ElementTree.fromstring(f"<div>{s._repr_html_()}</div>")
    (body,) = root.findall("pre")
    assert "".join(body.itertext()).splitlines() == [
        f"{line.mark} {line.text}" for line in shown(s).steps[0].lines
    ]
    styles = [span.get("style", "") for span in body.findall("span")]
    assert sum("46,160,67" in style for style in styles) == 2
    assert sum("248,81,73" in style for style in styles) == 1
