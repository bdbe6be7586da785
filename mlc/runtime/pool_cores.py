"""On which cores the threads of the pool run, as LLVM IR text.

Linux may start or wake a worker on the core of the one who does so even while others are idle, and
leave it there for milliseconds: jobs shorter than that would take as long as on one thread. The
owner of a job therefore takes its own core from what workers may run on once it has started them,
and before it wakes them, and gives it back when it waits for one that has lost the core it had. It
costs system calls only when there are new workers, and when the owner has moved.
"""

from __future__ import annotations

APART = """
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @pthread_setaffinity_np(i64, i64, ptr)
@avoided = internal global i32 -1  ; the core that workers keep off; -1: none
define internal void @forget_apart() {
  store i32 -1, ptr @avoided
  ret void
}
; The owner alone calls these. They let workers run where the owner may, but for one core.
define internal void @keep_apart() {
  %core = call i32 @sched_getcpu()
  %avoided = load i32, ptr @avoided
  %is_new = icmp ne i32 %core, %avoided
  %is_known = icmp ult i32 %core, 1024
  %wanted = and i1 %is_new, %is_known
  br i1 %wanted, label %change, label %done
change:
  call void @allow_all_but(i32 %core)
  br label %done
done:
  ret void
}
define internal void @let_anywhere() {
  %avoided = load i32, ptr @avoided
  %is_free = icmp slt i32 %avoided, 0
  br i1 %is_free, label %done, label %change
change:
  call void @allow_all_but(i32 -1)
  br label %done
done:
  ret void
}
define internal void @allow_all_but(i32 %core) noinline {
entry:
  %cores = alloca [16 x i64], align 16
  store i32 %core, ptr @avoided
  call void @llvm.memset.p0.i64(ptr %cores, i8 0, i64 128, i1 false)
  %got = call i32 @sched_getaffinity(i32 0, i64 128, ptr %cores)
  %failed = icmp slt i32 %got, 0
  br i1 %failed, label %done, label %which
which:
  %is_any = icmp slt i32 %core, 0
  br i1 %is_any, label %apply, label %without
without:
  %word = lshr i32 %core, 6
  %at = getelementptr [16 x i64], ptr %cores, i64 0, i32 %word
  %old = load i64, ptr %at
  %low = and i32 %core, 63
  %low64 = zext i32 %low to i64
  %bit = shl i64 1, %low64
  %keep = xor i64 %bit, -1
  %new = and i64 %old, %keep
  store i64 %new, ptr %at
  %all = load <16 x i64>, ptr %cores, align 16
  %left = call i64 @llvm.vector.reduce.or.v16i64(<16 x i64> %all)
  %none = icmp eq i64 %left, 0
  br i1 %none, label %done, label %apply
apply:
  %started = load i32, ptr @started
  %count = call i32 @llvm.umin.i32(i32 %started, i32 64)
  br label %next
next:
  %i = phi i32 [ 0, %apply ], [ %i1, %one ]
  %over = icmp uge i32 %i, %count
  br i1 %over, label %done, label %one
one:
  %slot = getelementptr [64 x i64], ptr @workers, i64 0, i32 %i
  %thread = load i64, ptr %slot
  %_ = call i32 @pthread_setaffinity_np(i64 %thread, i64 128, ptr %cores)
  %i1 = add i32 %i, 1
  br label %next
done:
  ret void
}
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare i64 @llvm.vector.reduce.or.v16i64(<16 x i64>)
"""

ANYWHERE = """
define internal void @forget_apart() {
  ret void
}
define internal void @keep_apart() {
  ret void
}
define internal void @let_anywhere() {
  ret void
}
"""
