"""docs/looking.md: its code prints and draws what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_prints_and_draws_what_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / "looking.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("```python") == 4
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, (code, shown) in enumerate(blocks):
        path = tmp_path / f"block{number}.py"
        path.write_text(code, encoding="utf-8")
        exec(compile(code, str(path), "exec"), names)
        assert capsys.readouterr().out == shown
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.svg")}
    assert sorted(drawn) == sorted(re.findall(r"\(pictures/(\w+\.svg)\)", text))
    for name, svg in drawn.items():
        assert (DOCS / "pictures" / name).read_text(encoding="utf-8") == svg
