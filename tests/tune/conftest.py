"""What tuning costs here: processes start, and each imports all that a build needs."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def one_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tuner starts one process that builds, as on a machine of one core. What several do at once
    is asked of `Builders` by those tests that say how many."""
    for module in ("mlc.tune.run", "mlc.tune.measure.measurer"):
        monkeypatch.setattr(f"{module}.available_cpus", lambda: 1)
