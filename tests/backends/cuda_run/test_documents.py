"""The documents about cards keep their word."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

DOCUMENTS = Path(__file__).parents[3] / "docs"
CODE = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["cuda.md", "cuda-kernels.md"])
def test_the_code_prints_what_stands_under_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler")
    names: dict[str, object] = {}
    blocks = CODE.findall((DOCUMENTS / name).read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    for number, (code, shown) in enumerate(blocks):
        source = tmp_path / f"block{number}.py"
        source.write_text(code, encoding="utf-8")
        exec(compile(code, str(source), "exec"), names)
        assert capsys.readouterr().out.rstrip() == shown.rstrip(), f"code block {number}"
