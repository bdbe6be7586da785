import threading
from pathlib import Path

import numpy as np
import pytest

import mlc
from mlc.config import check_environment, config, settings
from mlc.errors import ArgumentError, MlcError
from mlc.runtime import threads


@pytest.fixture(autouse=True)
def fresh_config(monkeypatch):
    # A pool that runs already would ask for the number of threads whenever it is forgotten.
    monkeypatch.setattr(threads, "_pool", None)
    yield
    for name in settings():
        delattr(config, name)


def test_environment_is_read_on_first_use(monkeypatch):
    del config.debug
    monkeypatch.setenv("MLC_DEBUG", "yes")
    assert config.debug is True
    monkeypatch.setenv("MLC_DEBUG", "0")
    assert config.debug is True
    del config.debug
    assert config.debug is False


def test_bad_environment_value_names_the_variable(monkeypatch):
    del config.num_threads
    monkeypatch.setenv("MLC_NUM_THREADS", "many")
    with pytest.raises(ArgumentError, match=r"variable MLC_NUM_THREADS is 'many', but .*1 to 1024"):
        _ = config.num_threads


@pytest.fixture
def unread_environment():
    check_environment.cache_clear()
    yield
    check_environment.cache_clear()


def test_wrong_variables_are_told_at_the_first_compilation(monkeypatch, unread_environment):
    def doubled(x):
        return x * 2

    monkeypatch.setenv("MLC_RESULT_MEMORY", "-5")
    with pytest.raises(ArgumentError, match=r"variable MLC_RESULT_MEMORY is '-5', but a size is"):
        mlc.jit(doubled)(np.ones(3))
    monkeypatch.delenv("MLC_RESULT_MEMORY")
    monkeypatch.setenv("MLC_TEST_ANYTHING", "1")
    monkeypatch.setenv("MLC_THREADS", "2")
    advice = "no setting is read from the variable MLC_THREADS; did you mean MLC_NUM_THREADS?"
    with pytest.warns(UserWarning) as warned:
        assert mlc.jit(doubled)(np.ones(3)).tolist() == [2, 2, 2]
    assert [str(w.message) for w in warned] == [advice]


def test_omp_num_threads_is_the_fallback(monkeypatch):
    del config.num_threads
    monkeypatch.delenv("MLC_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert config.num_threads == 3
    del config.num_threads
    monkeypatch.setenv("OMP_NUM_THREADS", "nonsense of a neighbour")
    assert config.num_threads is None
    del config.num_threads
    monkeypatch.setenv("MLC_NUM_THREADS", "5")
    assert config.num_threads == 5


@pytest.mark.parametrize("value", [0, 2000, 1.5, True, "x", [1]])
def test_bad_thread_count(value):
    with pytest.raises(ArgumentError, match=r"mlc\.config\.num_threads is .* whole number"):
        config.num_threads = value


@pytest.mark.parametrize(
    ("text", "size"), [("512M", 512 << 20), ("2GiB", 2 << 30), ("17", 17), (0, 0), ("1kb", 1024)]
)
def test_sizes(text, size):
    config.cache_limit = text
    assert config.cache_limit == size


def test_override_nests_and_is_per_thread():
    seen = []
    with config.override(debug=True, cache_limit=2):
        with config.override(debug=False):
            assert (config.debug, config.cache_limit) == (False, 2)
        assert config.debug is True
        thread = threading.Thread(target=lambda: seen.append(config.debug))
        thread.start()
        thread.join()
    assert config.debug is False
    assert seen == [False]


def test_thread_count_has_no_override():
    with pytest.raises(ArgumentError, match=r"write `with mlc\.set_num_threads\(\.\.\.\):`"):
        with config.override(num_threads=2):
            pass


def test_unknown_setting_suggests_the_near_one():
    with pytest.raises(MlcError, match=r"no setting 'num_thread'. Did you mean 'num_threads'"):
        config.num_thread = 3
    with pytest.raises(MlcError, match=r"no setting 'zzz'. The settings are debug"):
        with config.override(zzz=3):
            pass


def test_cache_dir_follows_the_platform(monkeypatch, tmp_path):
    del config.cache_dir
    monkeypatch.delenv("MLC_CACHE_DIR", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert config.cache_dir == tmp_path / "mlc"
    del config.cache_dir
    monkeypatch.setenv("MLC_CACHE_DIR", "~/somewhere")
    assert config.cache_dir == Path.home() / "somewhere"


def test_repr_lists_every_setting():
    text = repr(config)
    assert all(name in text for name in settings())
