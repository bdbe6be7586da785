"""Shared by every test: a private disk cache, steady property tests, and golden texts."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers

# Set before mlc is imported, so that no test reads or fills the user's own cache.
os.environ.setdefault("MLC_CACHE_DIR", tempfile.mkdtemp(prefix="mlc-tests-"))

# A test makes many objects, few of them garbage: the default has the collector look at each 700.
gc.set_threshold(20_000, 10, 10)

# Hypothesis' settings of a test with many parameters form a chain as long as there are of them.
sys.setrecursionlimit(5000)

pytest_plugins = ["tests.roundtrip"]  # every program that is made must trace back from its script

hypothesis.settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
)
hypothesis.settings.register_profile("search", deadline=None, max_examples=500)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "steady")
hypothesis.settings.load_profile(PROFILE)
if PROFILE == "steady" and hasattr(providers, "is_local_module_file"):
    # Hypothesis draws numbers and texts that it has read in all our files that are imported by
    # then: what is drawn would change with them, and with the tests that ran before.
    providers.is_local_module_file = lambda path: False

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="rewrite the texts under tests/golden"
    )


@pytest.fixture(autouse=True, scope="module")
def what_stays_is_looked_at_once() -> Iterator[None]:
    """What a file of tests leaves behind, compiled code most of all, is for the collector to pass
    over from then on: there is more and more of it, and each look at all takes longer."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)``: the text equals tests/golden/<name>.txt, or becomes it on request."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / f"{name}.txt"
        text = text.rstrip() + "\n"
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing; run pytest --update-goldens and review it"
        assert text == path.read_text(), f"{path.name} changed; review, then --update-goldens"

    return check
