"""docs/cuda.md keeps its word."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[3] / "docs" / "cuda.md"
CODE = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


def test_the_code_prints_what_stands_under_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler")
    names: dict[str, object] = {}
    blocks = CODE.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    for number, (code, shown) in enumerate(blocks):
        source = tmp_path / f"block{number}.py"
        source.write_text(code, encoding="utf-8")
        exec(compile(code, str(source), "exec"), names)
        assert capsys.readouterr().out.rstrip() == shown.rstrip(), f"code block {number}"
