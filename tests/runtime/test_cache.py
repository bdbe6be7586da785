import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import warnings

import pytest

from mlc.config import config
from mlc.errors import CacheWarning
from mlc.runtime import cache
from mlc.runtime.cache import FORMAT_VERSION

KEY = cache.content_key("a", "b")


def path_of(folder, key=KEY):
    return folder / f"images-{FORMAT_VERSION}" / key[:2] / key[2:]


def test_round_trip(cache_dir):
    assert cache.get(KEY) is None
    assert not cache_dir.exists()
    cache.put(KEY, b"image", {"name": "f"})
    entry = cache.get(KEY)
    assert (entry.image, entry.meta) == (b"image", {"name": "f"})
    assert [p.name for p in path_of(cache_dir).parent.iterdir()] == [KEY[2:]]
    assert cache_dir.stat().st_mode & 0o777 == 0o700


def test_keys_keep_their_parts_apart():
    assert cache.content_key("ab", "c") != cache.content_key("a", "bc")
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        cache._path(config.cache_dir, "../../etc/passwd")


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: b"",
        lambda d: d[:10],
        lambda d: d[:-1],
        lambda d: d + b"x",
        lambda d: d[:-1] + bytes([d[-1] ^ 1]),
        lambda d: b"\x80\x04" + d[2:],
        lambda d: d[:8] + b"\x09" + d[9:],
        lambda d: d[:12] + b"\xff\xff\xff\xff" + d[16:],
        lambda d: d.replace(b"name", b"nane"),
    ],
)
def test_damaged_file_is_a_miss_and_goes_away(cache_dir, damage):
    cache.put(KEY, b"image", {"name": "f"})
    path = path_of(cache_dir)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(KEY) is None
    assert not path.exists()
    cache.put(KEY, b"again", {})
    assert cache.get(KEY).image == b"again"


def test_link_in_place_of_an_entry_is_not_followed(cache_dir, tmp_path):
    cache.put(KEY, b"image", {})
    path = path_of(cache_dir)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.get(KEY) is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners of files")
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_entry_that_others_may_write_is_not_loaded(cache_dir, mode):
    cache.put(KEY, b"image", {})
    path_of(cache_dir).chmod(mode)
    assert cache.get(KEY) is None
    path_of(cache_dir).chmod(0o600)
    assert cache.get(KEY) is not None


def test_switched_off(cache_dir):
    with config.override(cache=False):
        cache.put(KEY, b"image", {})
        assert cache.get(KEY) is None
    assert not cache_dir.exists()


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_folder_that_others_may_write_is_refused(cache_dir, mode):
    cache.put(KEY, b"image", {})
    cache_dir.chmod(mode)
    cache._checked.clear()
    with pytest.warns(CacheWarning, match="other users may write to it"):
        assert cache.get(KEY) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put(KEY, b"image", {})
        assert cache.get(KEY) is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX owners")
def test_folder_of_another_user_is_refused(cache_dir, monkeypatch):
    cache.put(KEY, b"image", {})
    cache._checked.clear()
    status = list(cache_dir.stat())
    status[4] = 12345
    monkeypatch.setattr(cache.Path, "stat", lambda self: os.stat_result(status))
    with pytest.warns(CacheWarning, match="is not used"):
        assert cache.get(KEY) is None


@pytest.mark.parametrize("call", ["replace", "open"])
def test_full_disk_warns_once(cache_dir, monkeypatch, call):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.warns(CacheWarning, match="No space left"):
        cache.put(KEY, b"image", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put(KEY, b"image", {})
    assert cache.get(KEY) is None
    assert not list(path_of(cache_dir).parent.iterdir())


def test_cache_folder_that_cannot_be_made_warns(cache_dir):
    cache_dir.write_text("a file is in the way")
    with pytest.warns(CacheWarning, match="not kept on disk"):
        cache.put(KEY, b"image", {})
    assert cache.get(KEY) is None


def test_read_only_cache_is_still_read(cache_dir, monkeypatch):
    cache.put(KEY, b"image", {})

    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    for name in ("utime", "unlink", "replace", "mkdir"):
        monkeypatch.setattr(os, name, read_only)
    cache._checked.clear()
    os.chmod(path_of(cache_dir), 0o400)
    assert cache.get(KEY).image == b"image"


def test_eviction_removes_the_oldest(cache_dir):
    keys = [cache.content_key(str(i)) for i in range(10)]
    now = time.time()
    for age, key in enumerate(reversed(keys)):
        cache.put(key, bytes(1000), {})
        os.utime(path_of(cache_dir, key), (now - age, now - age))
    left_over = path_of(cache_dir).parent
    left_over.mkdir(exist_ok=True)
    for name in (".new-abc", ".new-now"):
        (left_over / name).write_bytes(bytes(9999))
    os.utime(left_over / ".new-abc", (now - 7200, now - 7200))
    cache.evict(cache_dir / f"images-{FORMAT_VERSION}", 3500)
    assert [cache.get(key) is not None for key in keys] == [False] * 7 + [True] * 3
    assert not (left_over / ".new-abc").exists()
    assert (left_over / ".new-now").exists()  # somebody may be writing it


def test_the_first_entry_of_a_process_looks_once_an_hour(cache_dir, monkeypatch):
    looks = []
    evict = cache.evict
    monkeypatch.setattr(cache, "evict", lambda *asked: (looks.append(1), evict(*asked)))

    def process(entries=1):
        monkeypatch.setattr(cache, "_written", 0)
        before = len(looks)
        for number in range(entries):
            cache.put(cache.content_key(str(number)), b"image", {})
        return len(looks) - before

    assert [process(), process(), process(64), process(130)] == [1, 0, 1, 2]
    looked = cache_dir / f"images-{FORMAT_VERSION}" / "looked"
    os.utime(looked, (time.time() - 4000,) * 2)
    assert [process(), process()] == [1, 0]
    looked.unlink()
    assert [process(), process()] == [1, 0]


def test_a_folder_that_is_removed_is_made_again(cache_dir):
    cache.put(KEY, b"image", {})
    shutil.rmtree(cache_dir)
    assert cache.get(KEY) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put(KEY, b"again", {})
    assert cache.get(KEY).image == b"again"
    assert cache_dir.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(cache_dir)
    cache_dir.mkdir(mode=0o777)
    cache_dir.chmod(0o777)
    with pytest.warns(CacheWarning, match="other users may write to it"):
        cache.put(KEY, b"image", {})
    assert not list(cache_dir.glob("*/*/*"))


def test_use_keeps_an_entry_young(cache_dir):
    cache.put(KEY, b"image", {})
    long_ago = time.time() - 10 * 86400
    os.utime(path_of(cache_dir), (long_ago, long_ago))
    assert cache.get(KEY) is not None
    assert time.time() - path_of(cache_dir).stat().st_mtime < 60


def write_and_read(folder, seed, queue):
    with config.override(cache_dir=folder, cache=True):
        bad = 0
        for i in range(150):
            key = cache.content_key(str((i + seed) % 5))
            image = key.encode() * 300
            cache.put(key, image, {"seed": seed})
            found = cache.get(key)
            bad += found is None or found.image != image
    queue.put(bad)


def test_concurrent_writers_and_readers(cache_dir):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [
        context.Process(target=write_and_read, args=(cache_dir, seed, queue)) for seed in range(4)
    ]
    for process in processes:
        process.start()
    assert [queue.get(timeout=30) for _ in processes] == [0] * 4
    for process in processes:
        process.join()
    assert len(list(cache_dir.glob(f"images-{FORMAT_VERSION}/??/*"))) == 5


def test_the_warning_names_the_line_of_the_user(tmp_path):
    program = tmp_path / "mine.py"
    program.write_text(
        "import mlc, numpy as np\n"
        "twice = mlc.jit(lambda x: x * 2)\n"
        "twice(np.ones(3))\n"
    )  # fmt: skip
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    environment = {**os.environ, "MLC_CACHE_DIR": str(folder)}
    run = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stderr.startswith(f"{program}:3: CacheWarning: the cache folder {folder} is not")
