import pytest

from mlc.config import config
from mlc.runtime import cache


@pytest.fixture
def cache_dir(tmp_path, monkeypatch):
    """A private cache folder, and a cache that has warned about nothing yet."""
    monkeypatch.setattr(cache, "_warned", set())
    monkeypatch.setattr(cache, "_checked", {})
    monkeypatch.setattr(cache, "_written", 0)
    folder = tmp_path / "cache"
    with config.override(cache_dir=folder, cache=True):
        yield folder
