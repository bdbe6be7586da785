"""The memory of results, as LLVM IR text: a NumPy memory handler that keeps what is freed.

The native entry gives the handler (NEP 49) to each array that it makes of such memory, so that the
array is an ordinary one that owns its memory and knows who frees it. Large blocks are kept in eight
slots. Who takes one out of its slot owns it: there are no locks, so any thread may free arrays, and
a fork may come at any time.

A block: what malloc gave, some bytes, its capacity and malloc's address, and from the next cache
line on the data; that of large ones begins a page. Sizes and ages in the slots are hints; the
capacity beside the data is what counts. Blocks of more than a few pages begin `APART` bytes later
than they could: malloc's large ones all begin a page, as arguments do, and loads whose address
within a page is that of a store before them wait for it.
"""

from __future__ import annotations

from mlc.runtime.symbols import LARGE

SLOTS = 8
LINE = 64  # bytes of a cache line, and of the largest store
PAGE = 4096
APART, PAGES = 512, 1 << 16
# Of PyArrayObject_fields, part of NumPy's binary interface: the same in 1.26 and 2.x.
FLAGS_AT, HANDLER_AT = 64, 88
_OWNDATA, _CARRAY = 0x4, 0x501
_TRACE_DOMAIN = 389047  # in which NumPy tells tracemalloc of its arrays

_IR = """
%slot = type { ptr, i64, i64 }
; 0 data, 1 capacity, 2 age
%handler = type { [127 x i8], i8, ptr, ptr, ptr, ptr, ptr }
; 0 name, 1 version, 2 context, 3 malloc, 4 calloc, 5 realloc, 6 free

@slots = internal global [{SLOTS} x %slot] zeroinitializer
@clock = internal global i64 0
@mlc_results_kept = global i64 0
@mlc_results_limit = global i64 0
@mlc_results_reused = global i64 0
@mlc_results_capsule = global ptr null
@mlc_results_capsule_name = global [12 x i8] c"mem_handler\\00"
@mlc_results_handler = global %handler { [127 x i8] c"{NAME}", i8 1, ptr null,
  ptr @acquire, ptr @acquire_zeros, ptr @resize, ptr @give }
@PyDataMem_DefaultHandler = external global ptr
@PyArray_Type = external global i8
@mlc_workspace_cells = external global [48 x ptr]
@mlc_room_cells = external global [48 x ptr]
declare ptr @PyDataMem_GetHandler()
declare ptr @PyArray_New(ptr, i32, ptr, i32, ptr, ptr, i32, i32, ptr)
declare i32 @PyTraceMalloc_Track(i32, i64, i64)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @malloc(i64)
declare void @free(ptr)
declare i32 @madvise(ptr, i64, i32)
declare ptr @memcpy(ptr, ptr, i64)
declare ptr @memset(ptr, i32, i64)

; A new array of so many bytes whose memory is ours. The caller's own handler, if there is one, goes
; before ours. What NumPy does where a handler is set is done here: to set one takes longer.
define ptr @mlc_new_result(i32 %rank, ptr %dims, i32 %number, ptr %strides, i64 %bytes) {
entry:
  %limit = load i64, ptr @mlc_results_limit
  %off = icmp eq i64 %limit, 0
  br i1 %off, label %plain, label %ask
ask:
  %current = call ptr @PyDataMem_GetHandler()
  %lost = icmp eq ptr %current, null
  br i1 %lost, label %fail, label %compare
fail:
  ret ptr null
compare:
  call void @Py_DecRef(ptr %current)
  %default = load ptr, ptr @PyDataMem_DefaultHandler
  %usual = icmp eq ptr %current, %default
  br i1 %usual, label %take, label %plain
plain:
  %plain_array = call ptr @PyArray_New(ptr @PyArray_Type, i32 %rank, ptr %dims, i32 %number,
    ptr %strides, ptr null, i32 0, i32 0, ptr null)
  ret ptr %plain_array
take:
  %data = call ptr @acquire(ptr null, i64 %bytes)
  %no_memory = icmp eq ptr %data, null
  br i1 %no_memory, label %plain, label %make ; NumPy says what there is no memory for
make:
  %array = call ptr @PyArray_New(ptr @PyArray_Type, i32 %rank, ptr %dims, i32 %number,
    ptr %strides, ptr %data, i32 0, i32 {CARRAY}, ptr null)
  %no_array = icmp eq ptr %array, null
  br i1 %no_array, label %return, label %own
return:
  call void @give(ptr null, ptr %data, i64 %bytes)
  ret ptr null
own:
  %capsule = load ptr, ptr @mlc_results_capsule
  call void @Py_IncRef(ptr %capsule)
  %handler_at = getelementptr i8, ptr %array, i64 {HANDLER_AT}
  store ptr %capsule, ptr %handler_at
  %flags_at = getelementptr i8, ptr %array, i64 {FLAGS_AT}
  %flags = load i32, ptr %flags_at
  %owner = or i32 %flags, {OWNDATA}
  store i32 %owner, ptr %flags_at
  %address = ptrtoint ptr %data to i64
  %_ = call i32 @PyTraceMalloc_Track(i32 {TRACE_DOMAIN}, i64 %address, i64 %bytes)
  ret ptr %array
}

define internal i64 @capacity(ptr %data) alwaysinline {
  %at = getelementptr i8, ptr %data, i64 -16
  %capacity = load i64, ptr %at
  ret i64 %capacity
}

define internal void @release(ptr %data) {
  %at = getelementptr i8, ptr %data, i64 -8
  %raw = load ptr, ptr %at
  call void @free(ptr %raw)
  ret void
}

; A block of the C library's; null without memory. Large ones ask for large pages, as NumPy's do.
define internal ptr @fresh(i64 %size) {
entry:
  %absurd = icmp ugt i64 %size, 4611686018427387904
  br i1 %absurd, label %none, label %try
try:
  %is_kept = icmp uge i64 %size, {LARGE}
  %is_long = icmp uge i64 %size, {PAGES}
  %later = select i1 %is_long, i64 {APART}, i64 0
  %head = select i1 %is_kept, i64 0, i64 %later
  %unit = select i1 %is_kept, i64 {PAGE}, i64 {LINE}
  %before = add i64 %head, 15 ; malloc's addresses are multiples of 16, as is what stands before
  %reach = add i64 %before, %unit
  %total = add i64 %size, %reach
  %raw = call ptr @malloc(i64 %total)
  %no_memory = icmp eq ptr %raw, null
  br i1 %no_memory, label %none, label %have
none:
  ret ptr null
have:
  %from = ptrtoint ptr %raw to i64
  %beyond = add i64 %from, %reach
  %mask = sub i64 0, %unit
  %begin = and i64 %beyond, %mask
  %data = inttoptr i64 %begin to ptr
  %capacity_at = getelementptr i8, ptr %data, i64 -16
  store i64 %size, ptr %capacity_at
  %raw_at = getelementptr i8, ptr %data, i64 -8
  store ptr %raw, ptr %raw_at
  %is_large = icmp uge i64 %size, 4194304
  br i1 %is_large, label %advise, label %done
advise:
  %up = add i64 %begin, 4095
  %page = and i64 %up, -4096
  %page_at = inttoptr i64 %page to ptr
  %end = add i64 %begin, %size
  %rest = sub i64 %end, %page
  %whole = and i64 %rest, -4096
  %_ = call i32 @madvise(ptr %page_at, i64 %whole, i32 14)
  br label %done
done:
  ret ptr %data
}

; A kept block that holds size bytes and is at most an eighth larger, or null.
define internal ptr @take(i64 %size) {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %j, %other ]
  %over = icmp eq i64 %i, {SLOTS}
  br i1 %over, label %none, label %look
none:
  ret ptr null
look:
  %j = add i64 %i, 1
  %at = getelementptr [{SLOTS} x %slot], ptr @slots, i64 0, i64 %i
  %hint_at = getelementptr %slot, ptr %at, i32 0, i32 1
  %hint = load atomic i64, ptr %hint_at monotonic, align 8
  %likely = call i1 @fits(i64 %hint, i64 %size)
  br i1 %likely, label %grab, label %other
grab:
  %data = atomicrmw xchg ptr %at, ptr null acq_rel
  %empty = icmp eq ptr %data, null
  br i1 %empty, label %other, label %owned
owned:
  %capacity = call i64 @capacity(ptr %data)
  %_1 = atomicrmw sub ptr @mlc_results_kept, i64 %capacity monotonic
  %right = call i1 @fits(i64 %capacity, i64 %size)
  br i1 %right, label %found, label %wrong
wrong:
  call void @keep(ptr %data, i64 %capacity)
  br label %other
other:
  br label %next
found:
  %_2 = atomicrmw add ptr @mlc_results_reused, i64 1 monotonic
  ret ptr %data
}

define internal i1 @fits(i64 %capacity, i64 %size) alwaysinline {
  %enough = icmp uge i64 %capacity, %size
  %spare = sub i64 %capacity, %size
  %may_spare = lshr i64 %size, 3
  %near = icmp ule i64 %spare, %may_spare
  %both = and i1 %enough, %near
  ret i1 %both
}

; Keep a block, in place of older ones if there must be room for it.
define internal void @keep(ptr %data, i64 %capacity) {
entry:
  %limit = load atomic i64, ptr @mlc_results_limit monotonic, align 8
  %too_large = icmp ugt i64 %capacity, %limit
  br i1 %too_large, label %refuse, label %count
refuse:
  call void @release(ptr %data)
  ret void
count:
  %_1 = atomicrmw add ptr @mlc_results_kept, i64 %capacity monotonic
  call void @mlc_results_trim()
  br label %search
search:
  br label %next
next:
  %i = phi i64 [ 0, %search ], [ %j, %taken ]
  %over = icmp eq i64 %i, {SLOTS}
  br i1 %over, label %full, label %look
look:
  %j = add i64 %i, 1
  %at = getelementptr [{SLOTS} x %slot], ptr @slots, i64 0, i64 %i
  %pair = cmpxchg ptr %at, ptr null, ptr %data acq_rel monotonic
  %put = extractvalue { ptr, i1 } %pair, 1
  br i1 %put, label %note, label %taken
taken:
  br label %next
note:
  %hint_at = getelementptr %slot, ptr %at, i32 0, i32 1
  store atomic i64 %capacity, ptr %hint_at monotonic, align 8
  %now = atomicrmw add ptr @clock, i64 1 monotonic
  %age_at = getelementptr %slot, ptr %at, i32 0, i32 2
  store atomic i64 %now, ptr %age_at monotonic, align 8
  ret void
full:
  %dropped = call i1 @drop_oldest()
  br label %search
}

; Free the block that was kept first. False if there is none.
define internal i1 @drop_oldest() {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %j, %merge ]
  %best = phi ptr [ null, %entry ], [ %best_now, %merge ]
  %least = phi i64 [ 9223372036854775807, %entry ], [ %least_now, %merge ]
  %over = icmp eq i64 %i, {SLOTS}
  br i1 %over, label %chosen, label %look
look:
  %j = add i64 %i, 1
  %at = getelementptr [{SLOTS} x %slot], ptr @slots, i64 0, i64 %i
  %there = load atomic ptr, ptr %at monotonic, align 8
  %is_full = icmp ne ptr %there, null
  %age_at = getelementptr %slot, ptr %at, i32 0, i32 2
  %age = load atomic i64, ptr %age_at monotonic, align 8
  %older = icmp slt i64 %age, %least
  %better = and i1 %is_full, %older
  br label %merge
merge:
  %best_now = select i1 %better, ptr %at, ptr %best
  %least_now = select i1 %better, i64 %age, i64 %least
  br label %next
chosen:
  %none = icmp eq ptr %best, null
  br i1 %none, label %nothing, label %grab
nothing:
  ret i1 false
grab:
  %data = atomicrmw xchg ptr %best, ptr null acq_rel
  %gone = icmp eq ptr %data, null
  br i1 %gone, label %done, label %free
free:
  %capacity = call i64 @capacity(ptr %data)
  %_1 = atomicrmw sub ptr @mlc_results_kept, i64 %capacity monotonic
  call void @release(ptr %data)
  br label %done
done:
  ret i1 true
}

; Free what is kept beyond the limit, the oldest first.
define void @mlc_results_trim() {
entry:
  br label %again
again:
  %kept = load atomic i64, ptr @mlc_results_kept monotonic, align 8
  %limit = load atomic i64, ptr @mlc_results_limit monotonic, align 8
  %much = icmp ugt i64 %kept, %limit
  br i1 %much, label %drop, label %done
drop:
  %more = call i1 @drop_oldest()
  br i1 %more, label %again, label %done
done:
  ret void
}

; Free all that is kept: results, and workspaces that no kernel is using.
define void @mlc_results_drop() {
entry:
  br label %again
again:
  %more = call i1 @drop_oldest()
  br i1 %more, label %again, label %cell
cell:
  %i = phi i64 [ 0, %again ], [ %j, %cell ]
  %at = getelementptr [48 x ptr], ptr @mlc_workspace_cells, i64 0, i64 %i
  %block = atomicrmw xchg ptr %at, ptr null acq_rel
  call void @free(ptr %block)
  %room_at = getelementptr [48 x ptr], ptr @mlc_room_cells, i64 0, i64 %i
  %room = atomicrmw xchg ptr %room_at, ptr null acq_rel
  call void @free(ptr %room)
  %j = add i64 %i, 1
  %more_cells = icmp ult i64 %j, 48
  br i1 %more_cells, label %cell, label %done
done:
  ret void
}

define internal ptr @acquire(ptr %context, i64 %size) {
entry:
  %small = icmp ult i64 %size, {LARGE}
  br i1 %small, label %new, label %pooled
pooled:
  %kept = call ptr @take(i64 %size)
  %none = icmp eq ptr %kept, null
  br i1 %none, label %new, label %have
new:
  %block = call ptr @fresh(i64 %size)
  %failed = icmp eq ptr %block, null
  br i1 %failed, label %make_room, label %have
make_room:
  call void @mlc_results_drop()
  %last = call ptr @fresh(i64 %size)
  br label %have
have:
  %data = phi ptr [ %kept, %pooled ], [ %block, %new ], [ %last, %make_room ]
  ret ptr %data
}

define internal void @give(ptr %context, ptr %data, i64 %size) {
entry:
  %nothing = icmp eq ptr %data, null
  br i1 %nothing, label %done, label %some
some:
  %capacity = call i64 @capacity(ptr %data)
  %small = icmp ult i64 %capacity, {LARGE}
  br i1 %small, label %free, label %large
free:
  call void @release(ptr %data)
  ret void
large:
  call void @keep(ptr %data, i64 %capacity)
  ret void
done:
  ret void
}

define internal ptr @acquire_zeros(ptr %context, i64 %count, i64 %each) {
entry:
  %product = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %count, i64 %each)
  %size = extractvalue { i64, i1 } %product, 0
  %over = extractvalue { i64, i1 } %product, 1
  br i1 %over, label %none, label %ask
ask:
  %data = call ptr @acquire(ptr %context, i64 %size)
  %no_memory = icmp eq ptr %data, null
  br i1 %no_memory, label %none, label %clear
none:
  ret ptr null
clear:
  %_ = call ptr @memset(ptr %data, i32 0, i64 %size)
  ret ptr %data
}

; Stay where there is room, unless most of it would lie idle; else move.
define internal ptr @resize(ptr %context, ptr %data, i64 %size) {
entry:
  %nothing = icmp eq ptr %data, null
  br i1 %nothing, label %new, label %some
new:
  %first = call ptr @acquire(ptr %context, i64 %size)
  ret ptr %first
some:
  %capacity = call i64 @capacity(ptr %data)
  %half = lshr i64 %capacity, 1
  %enough = icmp ule i64 %size, %capacity
  %not_idle = icmp uge i64 %size, %half
  %stays = and i1 %enough, %not_idle
  br i1 %stays, label %stay, label %move
stay:
  ret ptr %data
move:
  %moved = call ptr @acquire(ptr %context, i64 %size)
  %no_memory = icmp eq ptr %moved, null
  br i1 %no_memory, label %fail, label %copy
fail:
  ret ptr null
copy:
  %less = call i64 @llvm.umin.i64(i64 %size, i64 %capacity)
  %_ = call ptr @memcpy(ptr %moved, ptr %data, i64 %less)
  call void @give(ptr %context, ptr %data, i64 %capacity)
  ret ptr %moved
}

declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)
declare i64 @llvm.umin.i64(i64, i64)
"""

_NAME = b"mlc_results"
_TEXTS = {
    "{SLOTS}": str(SLOTS),
    "{LARGE}": str(LARGE),
    "{LINE}": str(LINE),
    "{PAGE}": str(PAGE),
    "{PAGES}": str(PAGES),
    "{APART}": str(APART),
    "{FLAGS_AT}": str(FLAGS_AT),
    "{HANDLER_AT}": str(HANDLER_AT),
    "{OWNDATA}": str(_OWNDATA),
    "{CARRAY}": str(_CARRAY),
    "{TRACE_DOMAIN}": str(_TRACE_DOMAIN),
    "{NAME}": _NAME.decode() + "\\00" * (127 - len(_NAME)),
}


def result_memory_ir() -> str:
    """The module's text."""
    text = _IR
    for mark, value in _TEXTS.items():
        text = text.replace(mark, value)
    return text
