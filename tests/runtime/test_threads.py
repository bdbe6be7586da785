import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import mlc
import mlc.runtime.threads as threads
from mlc import script as T
from mlc.backends.llvm.target import host_target
from mlc.config import config
from mlc.errors import ArgumentError
from mlc.lower import pipeline
from mlc.runtime.image import compile_image, load_image
from mlc.runtime.pool import pool_ir
from mlc.runtime.symbols import resolve, resolver

# run(x, n, grain): x[i] += 1 in parallel; nested(x, n, grain): each piece runs in parallel again;
# meet(count, n): every piece waits until all count[1] of them have begun, on different threads;
# count[2 + slot] says how many pieces had that slot.
MODULE = """
declare void @mlc_parallel_for(ptr, ptr, i64, i64)
define internal void @add_one(ptr %x, i64 %begin, i64 %end, i64 %slot) {
entry:
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %j, %loop ]
  %p = getelementptr i32, ptr %x, i64 %i
  %v = load i32, ptr %p
  %w = add i32 %v, 1
  store i32 %w, ptr %p
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}
define void @run(ptr %x, i64 %n, i64 %grain) {
  call void @mlc_parallel_for(ptr @add_one, ptr %x, i64 %n, i64 %grain)
  ret void
}
define internal void @again(ptr %x, i64 %begin, i64 %end, i64 %slot) {
  %p = getelementptr i32, ptr %x, i64 %begin
  %n = sub i64 %end, %begin
  call void @mlc_parallel_for(ptr @add_one, ptr %p, i64 %n, i64 1)
  ret void
}
define void @nested(ptr %x, i64 %n, i64 %grain) {
  call void @mlc_parallel_for(ptr @again, ptr %x, i64 %n, i64 %grain)
  ret void
}
define internal void @wait_for_all(ptr %count, i64 %begin, i64 %end, i64 %slot) {
entry:
  %goal_at = getelementptr i32, ptr %count, i64 1
  %goal = load i32, ptr %goal_at
  %_ = atomicrmw add ptr %count, i32 1 seq_cst
  %places = getelementptr i32, ptr %count, i64 2
  %place = getelementptr i32, ptr %places, i64 %slot
  %__ = atomicrmw add ptr %place, i32 1 seq_cst
  br label %loop
loop:
  %v = load atomic i32, ptr %count acquire, align 4
  %more = icmp slt i32 %v, %goal
  br i1 %more, label %loop, label %done
done:
  ret void
}
define void @meet(ptr %count, i64 %n, i64 %grain) {
  call void @mlc_parallel_for(ptr @wait_for_all, ptr %count, i64 %n, i64 %grain)
  ret void
}
"""


def kernels(symbols=resolve):
    image = load_image(compile_image(MODULE, host_target()), symbols)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return [kind(image.address(name)) for name in ("run", "nested", "meet")]


@pytest.fixture(scope="module", params=["futex", "condition variable"])
def pool(request):
    """(run, nested, meet) over this platform's pool, and over the one of other POSIX systems."""
    if request.param == "futex":
        yield kernels()
        return
    ir = pool_ir("x86_64-unknown-freebsd").replace(
        "@pthread_sigmask(i32 3", "@pthread_sigmask(i32 2"
    )
    ir = ir.replace(
        "setdetachstate(ptr %attributes, i32 2)", "setdetachstate(ptr %attributes, i32 1)"
    )
    image = load_image(compile_image(ir, host_target()), resolve)
    image.pointer("mlc_pool_cell").value = threads._fork_cell()
    count = ctypes.c_int32.from_address(image.address("mlc_pool_threads"))
    follow = lambda: setattr(count, "value", threads.get_num_threads())
    follow()
    type(config).num_threads.watchers.append(follow)
    yield kernels(resolver({"mlc_parallel_for": image.address("mlc_parallel_for")}))
    type(config).num_threads.watchers.remove(follow)


def check(function, n=10007, times=20, grain=10):
    x = np.zeros(n, np.int32)
    for _ in range(times):
        function(x.ctypes.data, n, grain)
    assert (x == times).all()
    return True


@pytest.mark.parametrize("count", [1, 2, 3, 8, 2])
def test_every_index_once(pool, count):
    with threads.set_num_threads(count):
        for n in (0, 1, 2, 7, 8, 9, 100, 10007):
            for grain in (0, 1, 3, 1000):
                check(pool[0], n, 3, grain)
        check(pool[1])


def test_threads_really_meet(pool):
    with threads.set_num_threads(3):
        for _ in range(20):
            count = np.array([0, 3, 0, 0, 0], np.int32)
            pool[2](count.ctypes.data, 3, 1)
            assert count.tolist() == [3, 3, 1, 1, 1], "three slots, each the one of a thread"
            time.sleep(0.0002)  # now and then, let them fall asleep


def test_fewer_threads_later(pool):
    def used():
        count = np.zeros(66, np.int32)
        pool[2](count.ctypes.data, 64, 1)
        assert count[2:].sum() == count[0]
        assert not count[2 + threads.get_num_threads() :].any(), "no slots but those of threads"
        return count[0]  # pieces: four per thread

    with threads.set_num_threads(4):
        assert used() == 16
    with threads.set_num_threads(2):
        assert used() == 8
    with threads.set_num_threads(1):
        assert used() == 1


def test_concurrent_callers(pool):
    with threads.set_num_threads(2):
        results = []
        callers = [
            threading.Thread(target=lambda: results.append(check(pool[0], times=200)))
            for _ in range(4)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert results == [True] * 4


def in_child(function, queue):
    queue.put(check(function) and check(function))


def test_fork(pool):
    context = multiprocessing.get_context("fork")
    with threads.set_num_threads(2):
        check(pool[0])
        queue = context.Queue()
        children = [context.Process(target=in_child, args=(f, queue)) for f in pool[:2]]
        for child in children:
            child.start()
        assert [queue.get(timeout=20) for _ in children] == [True, True]
        for child in children:
            child.join(10)
            assert child.exitcode == 0
        check(pool[0])


def test_fork_while_a_job_runs(pool):
    stop = threading.Event()

    def work():
        x = np.zeros(20000, np.int32)
        while not stop.is_set():
            pool[0](x.ctypes.data, len(x), 1)

    with threads.set_num_threads(2):
        worker = threading.Thread(target=work)
        worker.start()
        try:
            for _ in range(10):
                pid = os.fork()
                if pid == 0:
                    os._exit(0 if check(pool[0], times=3) else 1)
                assert os.waitpid(pid, 0)[1] == 0
        finally:
            stop.set()
            worker.join()


@pytest.mark.skipif(sys.platform != "linux", reason="a fork that Python does not see")
def test_fork_by_a_library(pool):
    with threads.set_num_threads(2):
        check(pool[0])
        pid = ctypes.CDLL(None).syscall(57 if os.uname().machine == "x86_64" else 1071)
        if pid == 0:
            os._exit(0 if check(pool[0], times=3) else 1)
        assert os.waitpid(pid, 0)[1] == 0


def from_fresh_process(queue):
    queue.put(check(kernels()[0]))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods(method, tmp_path):
    code = f"""
import multiprocessing, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
import test_threads as t
if __name__ == "__main__":
    t.check(t.kernels()[0])
    context = multiprocessing.get_context({method!r})
    queue = context.Queue()
    child = context.Process(target=t.from_fresh_process, args=(queue,))
    child.start()
    assert queue.get(timeout=30)
    child.join()
    assert child.exitcode == 0
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    run_python(str(script))


def run_python(*arguments):
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    environment = {**os.environ, "PYTHONPATH": root, "MLC_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_threads_start_at_the_first_parallel_call_and_exit_is_clean():
    out = run_python(
        "-c",
        f"""
import os, sys, time
sys.path.insert(0, {os.path.dirname(__file__)!r})
import test_threads as t

def more_than(before, wanted):
    end = time.monotonic() + 10  # a thread that has done its work takes a moment to be gone
    while (more := len(os.listdir("/proc/self/task")) - before) != wanted:
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    return more

before = len(os.listdir("/proc/self/task"))
run = t.kernels()[0]
t.check(run, n=5)
t.check(run, n=0)
assert more_than(before, 0) == 0
t.check(run)
print(more_than(before, 1))
""",
    )
    assert out.strip() == "1"


def test_signals_stay_with_pythons_threads(pool):
    caught = []
    before = signal.signal(signal.SIGUSR1, lambda *_: caught.append(threading.get_ident()))
    try:
        with threads.set_num_threads(4):
            check(pool[0])
            for _ in range(5):
                os.kill(os.getpid(), signal.SIGUSR1)
                check(pool[0], times=2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught == [threading.main_thread().ident] * 5
    blocked = {}
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        if lines["Name"].strip() == "mlc-pool":
            blocked[task] = int(lines["SigBlk"], 16)
    assert all(mask & (1 << (signal.SIGUSR1 - 1)) for mask in blocked.values())


def test_set_num_threads():
    before = threads.get_num_threads()
    with threads.set_num_threads(3):
        assert threads.get_num_threads() == config.num_threads == 3
    assert threads.get_num_threads() == before
    with pytest.raises(ArgumentError, match="whole number"):
        threads.set_num_threads(0)


@pytest.mark.parametrize(
    ("cgroup", "files", "quota"),
    [
        ("0::/job", {"job/cpu.max": "150000 100000"}, 1.5),
        ("0::/job", {"job/cpu.max": "max 100000"}, None),
        ("0::/a/b", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/of/the/host", {"cpu.max": "200000 100000"}, 2.0),
        (
            "4:cpu,cpuacct:/x\n0::/",
            {
                "cpu,cpuacct/x/cpu.cfs_quota_us": "300000",
                "cpu,cpuacct/x/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("4:memory:/", {"memory/cpu.max": "100000 100000"}, None),
        ("0::/", {"cpu.max": "nonsense"}, None),
    ],
)
def test_cgroup_quota(tmp_path, cgroup, files, quota):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(cgroup + "\n")
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert threads.cgroup_quota(tmp_path) == quota


def test_platform_without_posix_threads_runs_serially():
    image = load_image(compile_image(pool_ir("x86_64-pc-windows-msvc"), host_target()), resolve)
    run, nested, _ = kernels(resolver({"mlc_parallel_for": image.address("mlc_parallel_for")}))
    assert check(run) and check(nested) and check(run, n=0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others have no such call")
def test_workers_that_slept_keep_off_the_core_of_the_caller():
    run, *_ = kernels()
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("there is one core")
    x, seen, calls = np.zeros(1000, np.int32), set(), 0
    with threads.set_num_threads(2):
        while calls < 200:  # a worker that is waited for long gets all cores back
            time.sleep(0.002)
            run(x.ctypes.data, 1000, 1)
            calls += 1
            seen.update(frozenset(os.sched_getaffinity(task)) for task in workers())
            if any(len(cores) == len(allowed) - 1 for cores in seen):
                break
    assert (x == calls).all()
    assert any(len(cores) == len(allowed) - 1 for cores in seen)
    assert all(cores <= allowed for cores in seen)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others have no such call")
def test_workers_that_were_just_started_keep_off_the_core_of_the_caller():
    *_, meet = kernels()
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("there is one core")

    def first_job():
        count = np.array([0, 2, 0, 0], np.int32)
        meet(count.ctypes.data, 2, 1)
        return any(len(os.sched_getaffinity(task)) == len(allowed) - 1 for task in workers())

    found = []
    with threads.set_num_threads(2):
        for _ in range(15):  # children start threads of their own
            pid = os.fork()
            if pid == 0:
                os._exit(int(first_job()))
            found.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    # A worker that is waited for long gets all cores back, and one may sleep before it is needed.
    assert sum(found) > 12, found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others have no such call")
def test_workers_share_the_only_core_there_is():
    run, *_ = kernels()
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        with threads.set_num_threads(3):
            for _ in range(20):
                time.sleep(0.0005)
                check(run)
        assert all(os.sched_getaffinity(task) for task in workers())
    finally:
        os.sched_setaffinity(0, allowed)


def workers():
    """The ids of the pool's threads."""
    for task in map(int, os.listdir("/proc/self/task")):
        with open(f"/proc/self/task/{task}/comm") as file:
            if file.read().strip() == "mlc-pool":
                yield task


@pytest.mark.parametrize("is_parallel", [False, True])
def test_the_pools_code_is_prepared_before_parallel_loops_are_lowered(monkeypatch, is_parallel):
    rows = 401 if is_parallel else 3  # of which no other test has that many

    @T.program
    def twice(A: T.Buffer((rows, 5)), B: T.Buffer((rows, 5))):
        for i, j in T.grid(rows, 5):
            with T.block("B"):
                v, w = T.remap("SS", [i, j])
                B[v, w] = A[v, w] * 2.0

    done = []
    lower = pipeline.lower

    def noting(*args, **kwargs):
        done.append("lower")
        return lower(*args, **kwargs)

    monkeypatch.setattr(threads, "prepare_pool", lambda: done.append("pool"))
    monkeypatch.setattr(pipeline, "lower", noting)
    s = mlc.Schedule(twice)
    if is_parallel:
        s.parallel(s.loops("B")[0])
    mlc.build(s.program)
    mlc.jit(lambda a: a @ a * 401)(np.ones((rows, rows), np.float32))
    assert done == (["pool", "lower"] if is_parallel else ["lower"]) * 2


def test_the_code_of_the_pool_is_kept_on_disk(tmp_path):
    code = textwrap.dedent(f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from mlc.config import config
        config.cache_dir, config.cache = {str(tmp_path / "cache")!r}, True
        from mlc.runtime.threads import pool_address
        assert pool_address("mlc_parallel_for")
        print("llvmlite" in sys.modules, "mlc.runtime.pool" in sys.modules)
    """)
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["True True", "False False"], runs
