"""docs/schedules.md lists every step, in the words of its docstring."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.schedules.lookup import step_names

from .reference import GROUPS, reference

PATH = Path(__file__).parents[2] / "docs" / "schedules.md"
BEGIN = "<!-- The rest is made from the docstrings: pytest tests/schedules --update-goldens -->\n"


def test_the_list_of_steps_is_made_from_the_docstrings(request: pytest.FixtureRequest) -> None:
    text = PATH.read_text(encoding="utf-8")
    written, marker, _ = text.partition(BEGIN)
    assert marker, "the line that says where the list begins is gone"
    made = f"{written}{BEGIN}\n{reference()}\n"
    if request.config.getoption("--update-goldens"):
        PATH.write_text(made, encoding="utf-8")
        text = made
    assert text == made, "docs/schedules.md is behind; review, then --update-goldens"


def test_the_groups_name_steps_that_exist() -> None:
    grouped = [name for names in GROUPS.values() for name in names.split()]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= set(step_names())


def test_every_step_shows_before_and_after() -> None:
    _, _, text = reference().partition("### ")
    sections = {section.partition("\n")[0]: section for section in text.split("### ")}
    assert sections.keys() == set(step_names())
    assert not [name for name, section in sections.items() if "->" not in section]
