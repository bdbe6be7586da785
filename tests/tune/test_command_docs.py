"""The commands in docs/command-line.md print what stands under them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import mlc
from mlc.command.line import COMMANDS, main
from mlc.config import settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
MODEL = re.search(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[list[str], str]]:
    found: list[tuple[list[str], str]] = []
    for block in BLOCKS:
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            found.append((shlex.split(line), shown))
    return found


def pattern(shown: str) -> str:
    """Three dots stand for any text, alone on a line for any lines."""
    text = re.escape(shown)
    text = re.sub(r"(?m)^\\\.\\\.\\\.\\\n", "(?:.*\n)*", text)
    return text.replace(r"\.\.\.", ".*")


def test_commands_print_what_stands_under_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert MODEL is not None
    (tmp_path / "model.py").write_text(MODEL[1])
    settings_here = {"cache_dir": tmp_path / "cache", "tuning_database": None}
    with mlc.config.override(**settings_here):
        done = commands()
        for words, shown in done:
            assert words[0] == "mlc"
            code = main(words[1:])
            captured = capsys.readouterr()
            assert (code, captured.err) == (0, ""), words
            assert re.fullmatch(pattern(shown), captured.out), f"{words}\n{captured.out}"
    assert {words[1] for words, _ in done} == set(COMMANDS)


def test_settings_are_those_that_exist() -> None:
    rows = re.findall(r"^\| `(MLC_\w+)` \| `mlc\.config\.(\w+)`", TEXT, re.MULTILINE)
    assert len(rows) == 8
    for variable, name in rows:
        assert variable in settings()[name].env
