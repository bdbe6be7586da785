"""The part of the native entry for outputs that the caller does not get: numbers that say whether
the result is one, and how many elements it has.
"""

from __future__ import annotations

LOOKS_IR = """
@ANY = internal constant i64 -9223372036854775808 ; signature.ANY
%dims = type { ptr, i32 }

; The result of the call, or 1 if one of the numbers is not as the table expects it.
define internal ptr @answer(ptr %s, ptr %objects, ptr %out_specs, i64 %n_outputs, i1 %made_new,
    ptr %numbers, i64 %n_numbers, ptr %out_buffers) alwaysinline {
entry:
  %without_numbers = icmp eq i64 %n_numbers, 0
  br i1 %without_numbers, label %right, label %look
look:
  %found = call i32 @look(ptr %s, ptr %objects, ptr %out_specs, i64 %n_outputs, ptr %numbers,
    i64 %n_numbers, ptr %out_buffers)
  switch i32 %found, label %raised [ i32 0, label %right i32 1, label %other ]
raised:
  call void @release(ptr %objects, i64 0, i64 %n_outputs)
  ret ptr null
other:
  call void @release(ptr %objects, i64 0, i64 %n_outputs)
  ret ptr inttoptr (i64 1 to ptr)
right:
  %answer = call ptr @result(ptr %s, ptr %objects, ptr %out_specs, i64 %n_outputs, i1 %made_new)
  ret ptr %answer
}

; Let the last of the kernel's buffers be the numbers at `values`, which begin as 0.
define internal void @place_numbers(ptr %buffers, ptr %values, i64 %n) {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %j, %one ]
  %over = icmp eq i64 %i, %n
  br i1 %over, label %done, label %one
one:
  %value = getelementptr i64, ptr %values, i64 %i
  store i64 0, ptr %value
  %at = getelementptr ptr, ptr %buffers, i64 %i
  store ptr %value, ptr %at
  %j = add i64 %i, 1
  br label %next
done:
  ret void
}

; After the kernel: 0 if each of the numbers is as the table expects it and the outputs have as many
; elements as they say, 1 if one is another, 2 with an exception set.
define internal i32 @look(ptr %s, ptr %objects, ptr %out_specs, i64 %n_outputs, ptr %values,
    i64 %n, ptr %out_buffers) noinline {
entry:
  %sizes = alloca [64 x i64]
  %dims = alloca %dims
  %expected_at = getelementptr %signature, ptr %s, i32 0, i32 21
  %expected = load ptr, ptr %expected_at
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %j, %fits ]
  %over = icmp eq i64 %i, %n
  br i1 %over, label %shorten, label %one
one:
  %j = add i64 %i, 1
  %want_at = getelementptr i64, ptr %expected, i64 %i
  %want = load i64, ptr %want_at
  %any = load i64, ptr @ANY
  %is_any = icmp eq i64 %want, %any
  br i1 %is_any, label %fits, label %compare
compare:
  %value_at = getelementptr i64, ptr %values, i64 %i
  %value = load i64, ptr %value_at
  %same = icmp eq i64 %value, %want
  br i1 %same, label %fits, label %misfit
fits:
  br label %next
misfit:
  ret i32 1
shorten:
  %m = phi i64 [ 0, %next ], [ %m_next, %right ]
  %m_over = icmp eq i64 %m, %n_outputs
  br i1 %m_over, label %done, label %output
output:
  %m_next = add i64 %m, 1
  %spec = getelementptr %param, ptr %out_specs, i64 %m
  %open_at = getelementptr %param, ptr %spec, i32 0, i32 15
  %open = load i64, ptr %open_at
  %closed = icmp eq i64 %open, 0
  br i1 %closed, label %right, label %measure
measure:
  %number = sub i64 %open, 1
  %size_at = getelementptr i64, ptr %values, i64 %number
  %size = load i64, ptr %size_at
  %room_at = getelementptr %param, ptr %spec, i32 0, i32 5
  %room = load ptr, ptr %room_at
  %most = load i64, ptr %room
  %rank_at = getelementptr %param, ptr %spec, i32 0, i32 1
  %rank = load i32, ptr %rank_at
  %bytes = mul i32 %rank, 8
  call void @llvm.memcpy.p0.p0.i32(ptr %sizes, ptr %room, i32 %bytes, i1 false)
  store i64 %size, ptr %sizes
  store ptr %sizes, ptr %dims
  %object_at = getelementptr ptr, ptr %objects, i64 %m
  %object = load ptr, ptr %object_at
  %made_whole = icmp ne ptr %object, null
  br i1 %made_whole, label %cut, label %copy
copy:
  %all_at = getelementptr %param, ptr %spec, i32 0, i32 8
  %all = load i64, ptr %all_at
  %row = udiv i64 %all, %most
  %used = mul i64 %row, %size
  %array = call ptr @new_array(ptr %spec, ptr %sizes, i64 %used)
  %not_made = icmp eq ptr %array, null
  br i1 %not_made, label %no_memory, label %fill
fill:
  store ptr %array, ptr %object_at
  %to_at = getelementptr %array, ptr %array, i32 0, i32 2
  %to = load ptr, ptr %to_at
  %from_at = getelementptr ptr, ptr %out_buffers, i64 %m
  %from = load ptr, ptr %from_at
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %used, i1 false)
  br label %right
cut:
  %is_whole = icmp eq i64 %size, %most
  br i1 %is_whole, label %right, label %resize
resize:
  %rank_to = getelementptr %dims, ptr %dims, i32 0, i32 1
  store i32 %rank, ptr %rank_to
  %resized = call ptr @PyArray_Resize(ptr %object, ptr %dims, i32 0, i32 0)
  %failed = icmp eq ptr %resized, null
  br i1 %failed, label %no_memory, label %was_resized
was_resized:
  call void @Py_DecRef(ptr %resized)
  br label %right
right:
  br label %shorten
no_memory:
  ret i32 2
done:
  ret i32 0
}
declare ptr @PyArray_Resize(ptr, ptr, i32, i32)
declare void @llvm.memcpy.p0.p0.i32(ptr, ptr, i32, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""
