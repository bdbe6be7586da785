"""docs/simulator.md says what the simulator does: its code runs and prints what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlc.simulator.report import KINDS

TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_prints_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = BLOCK.findall(TEXT)
    assert len(blocks) == TEXT.count("```python") == 2
    names: dict[str, object] = {}
    for number, (code, shown) in enumerate(blocks):
        path = tmp_path / f"block{number}.py"
        path.write_text(code, encoding="utf-8")
        exec(compile(code, str(path), "exec"), names)
        assert capsys.readouterr().out == shown


def test_every_kind_of_finding_is_explained() -> None:
    assert sorted(re.findall(r"^\* `(\w+)`:", TEXT, re.MULTILINE)) == sorted(KINDS)
