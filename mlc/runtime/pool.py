"""The thread pool that parallel kernels call, as LLVM IR text.

``void mlc_parallel_for(void (*body)(void *ctx, int64_t begin, int64_t end, int64_t slot), void
*ctx, int64_t n, int64_t grain)`` runs ``body`` over contiguous pieces of [0, n), of about ``grain``
or more, on the caller's thread and the pool's, and returns when all is done. It calls ``body``
once, on the caller's thread alone, if n <= grain, with one thread, and when the pool is in use
already: inside another body, or by another caller. A child made by fork starts its own threads when
it needs them. ``slot`` is the same for all pieces of a job that one thread takes, another one on
each thread, and less than n and than the number of threads: it says which part of some memory is
the thread's. ``int32_t mlc_thread_count()`` says how many threads there may be.

How it works. One word holds ``sequence << 32 | workers inside``; the sequence is odd while a job is
open. The owner (who won ``busy``) fills in the job, opens it, wakes sleepers, takes pieces like
everybody else, closes the job and waits for those inside. A worker enters by counting itself in
with a compare-and-swap that only an open job lets succeed, so nobody ever waits for a worker that
the system has not scheduled. Pieces come from one atomic counter: uneven cores stay balanced.
Workers spin for about 20 us, then sleep on the sequence.

On Linux the owner keeps workers off its own core when it starts or wakes them; see `pool_cores`.

It is IR, not C, so that wheels stay pure Python and exported libraries can carry it.
"""

from __future__ import annotations

from .pool_cores import ANYWHERE, APART

# Pieces per thread: enough that a slow core's share is taken over by the others.
_PIECES = 4


def pool_ir(triple: str) -> str:
    """The module for a target triple; where there are no POSIX threads, one that runs serially."""
    arch, _, system = triple.partition("-")
    if "windows" in system or arch.startswith("wasm"):
        return _SERIAL
    linux = "linux" in system
    pause, clock = _PAUSE.get(arch, _NO_PAUSE)
    return (
        (_POOL + pause + clock + (_FUTEX + APART if linux else _CONDITION + ANYWHERE))
        .replace("$PIECES", str(_PIECES))
        .replace("$SETMASK", "2" if linux else "3")
        .replace("$DETACHED", "1" if linux else "2")
        .replace("$FUTEX", "98" if arch == "aarch64" else "202")
    )


_SERIAL = """
@mlc_pool_threads = global i32 1
@mlc_pool_cell = global ptr null
define i32 @mlc_thread_count() {
  ret i32 1
}
define void @mlc_parallel_for(ptr %body, ptr %ctx, i64 %n, i64 %grain) {
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %run, label %done
run:
  call void %body(ptr %ctx, i64 0, i64 %n, i64 0)
  br label %done
done:
  ret void
}
"""

_POOL = """
; How many threads may work on a job, the caller included; set from Python at any time.
@mlc_pool_threads = global i32 1, align 128
; Points at an int that is 1, and that turns 0 in a forked child.
@mlc_pool_cell = global ptr null
@started = internal global i32 0
@busy = internal global i32 0, align 128
@state = internal global i64 0, align 128
@sleeping = internal global i32 0, align 128
@next = internal global i64 0, align 128
@slots = internal global i64 0  ; how many threads have taken a piece
@job_body = internal global ptr null, align 128
@job_ctx = internal global ptr null
@job_n = internal global i64 0
@job_piece = internal global i64 0
@job_longer = internal global i64 0
@job_limit = internal global i32 0
@workers = internal global [64 x i64] zeroinitializer  ; the first of the threads

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_attr_init(ptr)
declare i32 @pthread_attr_setdetachstate(ptr, i32)
declare i32 @pthread_attr_destroy(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @sched_yield()

define i32 @mlc_thread_count() {
  %count = load atomic i32, ptr @mlc_pool_threads monotonic, align 4
  ret i32 %count
}

define void @mlc_parallel_for(ptr %body, ptr %ctx, i64 %n, i64 %grain) {
entry:
  %none = icmp sle i64 %n, 0
  br i1 %none, label %done, label %some
some:
  %small = icmp sle i64 %n, %grain
  %threads = load atomic i32, ptr @mlc_pool_threads monotonic, align 4
  %alone = icmp sle i32 %threads, 1
  %serially = or i1 %small, %alone
  br i1 %serially, label %serial, label %many
many:
  %cell = load ptr, ptr @mlc_pool_cell
  %alive = load atomic i32, ptr %cell acquire, align 4
  %same_process = icmp eq i32 %alive, 1
  br i1 %same_process, label %claim, label %forked
forked:
  %reset = cmpxchg ptr %cell, i32 0, i32 2 acquire monotonic
  %resetting = extractvalue { i32, i1 } %reset, 1
  br i1 %resetting, label %fresh, label %serial
fresh:
  store atomic i64 0, ptr @state monotonic, align 8
  store atomic i32 0, ptr @sleeping monotonic, align 4
  store atomic i32 0, ptr @started monotonic, align 4
  store atomic i32 0, ptr @busy monotonic, align 4
  call void @reset_sleep()
  store atomic i32 1, ptr %cell release, align 4
  br label %claim
claim:
  %won = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %owner = extractvalue { i32, i1 } %won, 1
  br i1 %owner, label %prepare, label %serial
serial:
  call void %body(ptr %ctx, i64 0, i64 %n, i64 0)
  br label %done

prepare:
  %helpers = sub i32 %threads, 1
  %have = load i32, ptr @started
  %enough = icmp sge i32 %have, %helpers
  br i1 %enough, label %publish, label %start_threads
start_threads:
  call void @grow(i32 %helpers)
  call void @keep_apart()
  br label %publish
publish:
  %grain_set = icmp sgt i64 %grain, 1
  %g = select i1 %grain_set, i64 %grain, i64 1
  %n_up = add i64 %n, %g
  %n_up1 = sub i64 %n_up, 1
  %most = udiv i64 %n_up1, %g
  %threads64 = zext i32 %threads to i64
  %wanted = mul i64 %threads64, $PIECES
  %pieces = call i64 @llvm.umin.i64(i64 %most, i64 %wanted)
  %piece = udiv i64 %n, %pieces
  %longer = urem i64 %n, %pieces
  store atomic i64 0, ptr @next monotonic, align 8
  store atomic i64 0, ptr @slots monotonic, align 8
  store ptr %body, ptr @job_body
  store ptr %ctx, ptr @job_ctx
  store i64 %n, ptr @job_n
  store i64 %piece, ptr @job_piece
  store i64 %longer, ptr @job_longer
  store atomic i32 %helpers, ptr @job_limit monotonic, align 4
  %closed = load atomic i64, ptr @state monotonic, align 8
  %open = add i64 %closed, 4294967296
  store atomic i64 %open, ptr @state seq_cst, align 8
  %asleep = load atomic i32, ptr @sleeping seq_cst, align 4
  %any_asleep = icmp sgt i32 %asleep, 0
  br i1 %any_asleep, label %wake, label %work
wake:
  %others64 = sub i64 %pieces, 1
  %others = trunc i64 %others64 to i32
  %count = call i32 @llvm.umin.i32(i32 %others, i32 %helpers)
  call void @keep_apart()
  call void @wake_workers(i32 %count)
  br label %work
work:
  call void @take_pieces()
  %_ = atomicrmw add ptr @state, i64 4294967296 acq_rel
  br label %check
check:
  %spins = phi i32 [ 0, %work ], [ %spins1, %wait ], [ %spins1, %yield ]
  %spins1 = add i32 %spins, 1
  %now = load atomic i64, ptr @state acquire, align 8
  %inside = trunc i64 %now to i32
  %all_out = icmp eq i32 %inside, 0
  br i1 %all_out, label %release, label %again
again:
  ; A worker inside may have lost its core: after a while let it have this one.
  %patient = icmp ult i32 %spins, 2000
  br i1 %patient, label %wait, label %yield
wait:
  call void @pause()
  br label %check
yield:
  call void @let_anywhere()
  %__ = call i32 @sched_yield()
  br label %check
release:
  store atomic i32 0, ptr @busy release, align 4
  br label %done
done:
  ret void
}

define internal void @take_pieces() {
entry:
  %body = load ptr, ptr @job_body
  %ctx = load ptr, ptr @job_ctx
  %n = load i64, ptr @job_n
  %piece = load i64, ptr @job_piece
  %longer = load i64, ptr @job_longer
  br label %next
next:
  %slot = phi i64 [ -1, %entry ], [ %mine, %have ]
  ; The first pieces are longer by one, so that no rest makes a thread wait for another.
  %i = atomicrmw add ptr @next, i64 1 monotonic
  %equal = mul i64 %i, %piece
  %before = call i64 @llvm.umin.i64(i64 %i, i64 %longer)
  %begin = add i64 %equal, %before
  %over = icmp sge i64 %begin, %n
  br i1 %over, label %done, label %run
run:
  %is_new = icmp slt i64 %slot, 0
  br i1 %is_new, label %first, label %have
first:
  %fresh = atomicrmw add ptr @slots, i64 1 monotonic
  br label %have
have:
  %mine = phi i64 [ %slot, %run ], [ %fresh, %first ]
  %is_longer = icmp ult i64 %i, %longer
  %one = zext i1 %is_longer to i64
  %size = add i64 %piece, %one
  %end = add i64 %begin, %size
  call void %body(ptr %ctx, i64 %begin, i64 %end, i64 %mine)
  br label %next
done:
  ret void
}

define internal ptr @worker(ptr %start) {
entry:
  call void @name_thread()
  %first = ptrtoint ptr %start to i64
  br label %fresh
fresh:
  %seen = phi i64 [ %first, %entry ], [ %seen, %slept ],
    [ %sequence, %changed ], [ %sequence, %leave ]
  %since = call i64 @ticks(i64 0)
  br label %look
look:
  %clock = phi i64 [ %since, %fresh ], [ %later, %spin ]
  %now = load atomic i64, ptr @state acquire, align 8
  %sequence = lshr i64 %now, 32
  %same = icmp eq i64 %sequence, %seen
  br i1 %same, label %idle, label %changed
idle:
  call void @pause()
  %later = call i64 @ticks(i64 %clock)
  %spent = sub i64 %later, %since
  %tired = icmp ugt i64 %spent, 50000
  br i1 %tired, label %sleep, label %spin
spin:
  br label %look
sleep:
  %seen32 = trunc i64 %seen to i32
  call void @sleep_while(i32 %seen32)
  br label %slept
slept:
  br label %fresh
changed:
  %odd = and i64 %sequence, 1
  %is_open = icmp ne i64 %odd, 0
  br i1 %is_open, label %try, label %fresh
try:
  %expected = phi i64 [ %now, %changed ], [ %met, %retry ]
  %inside = trunc i64 %expected to i32
  %limit = load atomic i32, ptr @job_limit monotonic, align 4
  %full = icmp sge i32 %inside, %limit
  br i1 %full, label %leave, label %enter
enter:
  %entered = add i64 %expected, 1
  %pair = cmpxchg ptr @state, i64 %expected, i64 %entered acq_rel acquire
  %ok = extractvalue { i64, i1 } %pair, 1
  br i1 %ok, label %work, label %retry
retry:
  %met = extractvalue { i64, i1 } %pair, 0
  %met_sequence = lshr i64 %met, 32
  %still = icmp eq i64 %met_sequence, %sequence
  br i1 %still, label %try, label %leave
work:
  call void @take_pieces()
  %_ = atomicrmw sub ptr @state, i64 1 acq_rel
  br label %leave
leave:
  br label %fresh
}

; Start threads until there are %want, as far as the system lets us. All signals stay with the
; threads that Python knows.
define internal void @grow(i32 %want) {
entry:
  %tid = alloca i64, align 16
  %attributes = alloca [128 x i8], align 16
  %all = alloca [128 x i8], align 16
  %old = alloca [128 x i8], align 16
  %a = call i32 @sigfillset(ptr %all)
  %b = call i32 @pthread_sigmask(i32 $SETMASK, ptr %all, ptr %old)
  %c = call i32 @pthread_attr_init(ptr %attributes)
  %d = call i32 @pthread_attr_setdetachstate(ptr %attributes, i32 $DETACHED)
  %state = load atomic i64, ptr @state monotonic, align 8
  %sequence = lshr i64 %state, 32
  %seen = inttoptr i64 %sequence to ptr
  %begin = load i32, ptr @started
  br label %loop
loop:
  %have = phi i32 [ %begin, %entry ], [ %more, %created ], [ %more, %note ]
  %enough = icmp sge i32 %have, %want
  br i1 %enough, label %done, label %create
create:
  %failed = call i32 @pthread_create(ptr %tid, ptr %attributes, ptr @worker, ptr %seen)
  %refused = icmp ne i32 %failed, 0
  br i1 %refused, label %done, label %created
created:
  %more = add i32 %have, 1
  %known = icmp ult i32 %have, 64
  br i1 %known, label %note, label %loop
note:
  %slot = getelementptr [64 x i64], ptr @workers, i64 0, i32 %have
  %thread = load i64, ptr %tid
  store i64 %thread, ptr %slot
  br label %loop
done:
  store i32 %have, ptr @started
  call void @forget_apart()
  %e = call i32 @pthread_attr_destroy(ptr %attributes)
  %f = call i32 @pthread_sigmask(i32 $SETMASK, ptr %old, ptr null)
  ret void
}

declare i64 @llvm.umin.i64(i64, i64)
declare i32 @llvm.umin.i32(i32, i32)
"""

_COUNTED = """
; No cheap clock here: a pause counts for the cycles it takes, about.
define internal i64 @ticks(i64 %last) {
  %later = add i64 %last, 40
  ret i64 %later
}
"""
_PAUSE = {
    "x86_64": (
        """
declare void @llvm.x86.sse2.pause()
define internal void @pause() alwaysinline {
  call void @llvm.x86.sse2.pause()
  ret void
}
""",
        """
declare i64 @llvm.readcyclecounter()
define internal i64 @ticks(i64 %last) {
  %now = call i64 @llvm.readcyclecounter()
  ret i64 %now
}
""",
    ),
    "aarch64": (
        """
declare void @llvm.aarch64.hint(i32)
define internal void @pause() {
  call void @llvm.aarch64.hint(i32 1)
  ret void
}
""",
        _COUNTED,
    ),
}
_PAUSE["arm64"] = _PAUSE["aarch64"]
_NO_PAUSE = (
    """
define internal void @pause() {
  fence seq_cst
  ret void
}
""",
    _COUNTED,
)

# The futex is the upper half of the state: the sequence (these machines are little-endian).
_FUTEX = """
@thread_name = internal constant [9 x i8] c"mlc-pool\\00"
declare i64 @syscall(i64, ...)
declare i32 @prctl(i32, ...)
define internal void @name_thread() {
  %_ = call i32 (i32, ...) @prctl(i32 15, ptr @thread_name, i64 0, i64 0, i64 0)
  ret void
}
define internal void @reset_sleep() {
  ret void
}
define internal void @wake_workers(i32 %count) {
  %word = getelementptr i8, ptr @state, i64 4
  %_ = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 129, i32 %count)
  ret void
}
define internal void @sleep_while(i32 %seen) {
  %word = getelementptr i8, ptr @state, i64 4
  %a = atomicrmw add ptr @sleeping, i32 1 seq_cst
  %b = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 128, i32 %seen, ptr null)
  %c = atomicrmw sub ptr @sleeping, i32 1 seq_cst
  ret void
}
"""

_CONDITION = """
@mutex = internal global [128 x i8] zeroinitializer, align 16
@condition = internal global [128 x i8] zeroinitializer, align 16
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
define internal void @name_thread() {
  ret void
}
define internal void @reset_sleep() {
  %a = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %b = call i32 @pthread_cond_init(ptr @condition, ptr null)
  ret void
}
define internal void @wake_workers(i32 %count) {
  %a = call i32 @pthread_mutex_lock(ptr @mutex)
  %b = call i32 @pthread_cond_broadcast(ptr @condition)
  %c = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}
define internal void @sleep_while(i32 %seen) {
entry:
  %a = call i32 @pthread_mutex_lock(ptr @mutex)
  %b = atomicrmw add ptr @sleeping, i32 1 seq_cst
  br label %check
check:
  %state = load atomic i64, ptr @state seq_cst, align 8
  %high = lshr i64 %state, 32
  %sequence = trunc i64 %high to i32
  %same = icmp eq i32 %sequence, %seen
  br i1 %same, label %wait, label %done
wait:
  %c = call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %check
done:
  %d = atomicrmw sub ptr @sleeping, i32 1 seq_cst
  %e = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}
"""
