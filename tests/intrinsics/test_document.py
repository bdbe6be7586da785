"""The code in the document runs, as one program."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not any(map(shutil.which, ("cc", "clang", "gcc"))), reason="no C compiler")
def test_the_code_runs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "intrinsics.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    program = tmp_path / "intrinsics.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 'T.call("mma4", A[' in done.stdout
