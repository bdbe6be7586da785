"""The part of the native entry that looks at arrays: do they fit, do they share memory?"""

from __future__ import annotations

CHECKS_IR = """
; The array's data, or null if it is not what the table says.
define internal ptr @check_array(ptr %a, ptr %p) alwaysinline {
entry:
  %type_at = getelementptr %array, ptr %a, i32 0, i32 1
  %type = load ptr, ptr %type_at
  %is_array = icmp eq ptr %type, @PyArray_Type
  br i1 %is_array, label %kind, label %miss
kind:
  %rank_at = getelementptr %array, ptr %a, i32 0, i32 3
  %rank = load i32, ptr %rank_at
  %p_rank_at = getelementptr %param, ptr %p, i32 0, i32 1
  %p_rank = load i32, ptr %p_rank_at
  %flags_at = getelementptr %array, ptr %a, i32 0, i32 8
  %flags = load i32, ptr %flags_at
  %p_flags_at = getelementptr %param, ptr %p, i32 0, i32 2
  %p_flags = load i32, ptr %p_flags_at
  %descr_at = getelementptr %array, ptr %a, i32 0, i32 7
  %descr = load ptr, ptr %descr_at
  %number_at = getelementptr %descr, ptr %descr, i32 0, i32 7
  %number = load i32, ptr %number_at
  %p_number_at = getelementptr %param, ptr %p, i32 0, i32 3
  %p_number = load i32, ptr %p_number_at
  %order_at = getelementptr %descr, ptr %descr, i32 0, i32 5
  %order8 = load i8, ptr %order_at
  %order = zext i8 %order8 to i64
  %p_order_at = getelementptr %param, ptr %p, i32 0, i32 4
  %p_order = load i64, ptr %p_order_at
  %rank_same = icmp eq i32 %rank, %p_rank
  %flags_set = and i32 %flags, %p_flags
  %flags_same = icmp eq i32 %flags_set, %p_flags
  %number_same = icmp eq i32 %number, %p_number
  %order_same = icmp eq i64 %order, %p_order
  %two = and i1 %rank_same, %flags_same
  %three = and i1 %two, %number_same
  %four = and i1 %three, %order_same
  br i1 %four, label %shape, label %miss
shape:
  %dims_at = getelementptr %array, ptr %a, i32 0, i32 4
  %dims = load ptr, ptr %dims_at
  %p_dims_at = getelementptr %param, ptr %p, i32 0, i32 5
  %p_dims = load ptr, ptr %p_dims_at
  %rank64 = zext i32 %rank to i64
  br label %dim
dim:
  %i = phi i64 [ 0, %shape ], [ %i_next, %one_dim ]
  %end = icmp eq i64 %i, %rank64
  br i1 %end, label %layout, label %one_dim
one_dim:
  %dim_at = getelementptr i64, ptr %dims, i64 %i
  %extent = load i64, ptr %dim_at
  %p_dim_at = getelementptr i64, ptr %p_dims, i64 %i
  %p_extent = load i64, ptr %p_dim_at
  %i_next = add i64 %i, 1
  %extent_same = icmp eq i64 %extent, %p_extent
  br i1 %extent_same, label %dim, label %miss
layout:
  %p_strides_at = getelementptr %param, ptr %p, i32 0, i32 6
  %p_strides = load ptr, ptr %p_strides_at
  %contiguous = icmp eq ptr %p_strides, null
  br i1 %contiguous, label %fits, label %strides
strides:
  %strides_at = getelementptr %array, ptr %a, i32 0, i32 5
  %steps = load ptr, ptr %strides_at
  br label %stride
stride:
  %j = phi i64 [ 0, %strides ], [ %j_next, %one_stride ]
  %strides_end = icmp eq i64 %j, %rank64
  br i1 %strides_end, label %fits, label %one_stride
one_stride:
  %step_at = getelementptr i64, ptr %steps, i64 %j
  %step = load i64, ptr %step_at
  %pair_index = shl i64 %j, 1
  %p_step_at = getelementptr i64, ptr %p_strides, i64 %pair_index
  %p_step = load i64, ptr %p_step_at
  %mask_at = getelementptr i64, ptr %p_step_at, i64 1
  %mask = load i64, ptr %mask_at
  %differ = xor i64 %step, %p_step
  %matter = and i64 %differ, %mask
  %j_next = add i64 %j, 1
  %step_same = icmp eq i64 %matter, 0
  br i1 %step_same, label %stride, label %miss
fits:
  %data_at = getelementptr %array, ptr %a, i32 0, i32 2
  %data = load ptr, ptr %data_at
  ret ptr %data
miss:
  ret ptr null
}

; The value of an argument for a 0-d param that is no array: NumPy's scalar of the type, behind its
; header, or a Python bool, unless a scalar is the only thing that fits. Null if it is neither.
define internal ptr @scalar_value(ptr %arg, ptr %p) {
entry:
  %wanted_at = getelementptr %param, ptr %p, i32 0, i32 9
  %wanted = load ptr, ptr %wanted_at
  %none = icmp eq ptr %wanted, null
  br i1 %none, label %miss, label %known
known:
  %type_at = getelementptr %array, ptr %arg, i32 0, i32 1
  %type = load ptr, ptr %type_at
  %same = icmp eq ptr %type, %wanted
  br i1 %same, label %value, label %truth
value:
  %value_at = getelementptr i8, ptr %arg, i64 16
  ret ptr %value_at
truth:
  %number_at = getelementptr %param, ptr %p, i32 0, i32 3
  %number = load i32, ptr %number_at
  %wants_bool = icmp eq i32 %number, 0
  %is_bool = icmp eq ptr %type, @PyBool_Type
  %p_rank_at = getelementptr %param, ptr %p, i32 0, i32 1
  %p_rank = load i32, ptr %p_rank_at
  %any_rank = icmp ne i32 %p_rank, -1
  %of_python = and i1 %is_bool, %any_rank
  %both = and i1 %wants_bool, %of_python
  br i1 %both, label %which, label %miss
which:
  %is_true = icmp eq ptr %arg, @_Py_TrueStruct
  %index = zext i1 %is_true to i64
  %truth_at = getelementptr [2 x i8], ptr @truths, i64 0, i64 %index
  ret ptr %truth_at
miss:
  ret ptr null
}

; Whether all of the guards hold: what is left out of a call, or read from elsewhere, is what it
; was, or equal to it.
define internal i1 @unchanged(ptr %guards, i64 %n) noinline {
entry:
  br label %guard
guard:
  %i = phi i64 [ 0, %entry ], [ %i_next, %holds ]
  %end = icmp eq i64 %i, %n
  br i1 %end, label %yes, label %one
one:
  %place_at = getelementptr %guard, ptr %guards, i64 %i
  %place = load ptr, ptr %place_at
  %key_at = getelementptr %guard, ptr %place_at, i32 0, i32 1
  %key = load ptr, ptr %key_at
  %wanted_at = getelementptr %guard, ptr %place_at, i32 0, i32 2
  %wanted = load ptr, ptr %wanted_at
  %i_next = add i64 %i, 1
  %in_place = icmp eq ptr %key, null
  br i1 %in_place, label %pointer, label %item
pointer:
  %pointed = load ptr, ptr %place
  br label %compare
item:
  %found = call ptr @PyDict_GetItemWithError(ptr %place, ptr %key)
  %missing = icmp eq ptr %found, null
  br i1 %missing, label %gone, label %compare
gone:
  call void @PyErr_Clear()
  ret i1 false
compare:
  %now = phi ptr [ %pointed, %pointer ], [ %found, %item ]
  %same = icmp eq ptr %now, %wanted
  br i1 %same, label %holds, label %other
other:
  %nothing = icmp eq ptr %now, null
  br i1 %nothing, label %no, label %twin
twin:
  %as_good = call i1 @is_equal(ptr %now, ptr %wanted)
  br i1 %as_good, label %holds, label %no
holds:
  br label %guard
yes:
  ret i1 true
no:
  ret i1 false
}

; Whether two objects are equal ints or texts, or floats of the same bits: what else is equal may
; still differ.
define internal i1 @is_equal(ptr %a, ptr %b) {
entry:
  %a_type_at = getelementptr %array, ptr %a, i32 0, i32 1
  %a_type = load ptr, ptr %a_type_at
  %b_type_at = getelementptr %array, ptr %b, i32 0, i32 1
  %b_type = load ptr, ptr %b_type_at
  %same = icmp eq ptr %a_type, %b_type
  %int = icmp eq ptr %a_type, @PyLong_Type
  %text = icmp eq ptr %a_type, @PyUnicode_Type
  %plain = or i1 %int, %text
  %may = and i1 %same, %plain
  br i1 %may, label %compare, label %other
other:
  %float = icmp eq ptr %a_type, @PyFloat_Type
  %floats = and i1 %same, %float
  br i1 %floats, label %bits, label %differ
bits:
  %a_bits_at = getelementptr %float, ptr %a, i32 0, i32 2
  %a_bits = load i64, ptr %a_bits_at
  %b_bits_at = getelementptr %float, ptr %b, i32 0, i32 2
  %b_bits = load i64, ptr %b_bits_at
  %bits_same = icmp eq i64 %a_bits, %b_bits
  ret i1 %bits_same
compare:
  %answer = call i32 @PyObject_RichCompareBool(ptr %a, ptr %b, i32 2)
  %equal = icmp eq i32 %answer, 1
  ret i1 %equal
differ:
  ret i1 false
}

; Whether two arrays share no memory, or are the same memory in the same layout and may be.
define internal i1 @apart(ptr %a, ptr %a_data, ptr %b, ptr %b_data, i64 %options) {
entry:
  %a_low_at = getelementptr %param, ptr %a, i32 0, i32 7
  %a_low = load i64, ptr %a_low_at
  %a_high_at = getelementptr %param, ptr %a, i32 0, i32 8
  %a_high = load i64, ptr %a_high_at
  %b_low_at = getelementptr %param, ptr %b, i32 0, i32 7
  %b_low = load i64, ptr %b_low_at
  %b_high_at = getelementptr %param, ptr %b, i32 0, i32 8
  %b_high = load i64, ptr %b_high_at
  %a_start = getelementptr i8, ptr %a_data, i64 %a_low
  %a_stop = getelementptr i8, ptr %a_data, i64 %a_high
  %b_start = getelementptr i8, ptr %b_data, i64 %b_low
  %b_stop = getelementptr i8, ptr %b_data, i64 %b_high
  %before = icmp ule ptr %a_stop, %b_start
  %after = icmp ule ptr %b_stop, %a_start
  %a_empty = icmp eq i64 %a_low, %a_high
  %b_empty = icmp eq i64 %b_low, %b_high
  %either = or i1 %before, %after
  %empty = or i1 %a_empty, %b_empty
  %separate = or i1 %either, %empty
  br i1 %separate, label %yes, label %same
same:
  %a_layout_at = getelementptr %param, ptr %a, i32 0, i32 10
  %a_layout = load i64, ptr %a_layout_at
  %b_layout_at = getelementptr %param, ptr %b, i32 0, i32 10
  %b_layout = load i64, ptr %b_layout_at
  %layouts = icmp eq i64 %a_layout, %b_layout
  %starts = icmp eq ptr %a_data, %b_data
  %bit = and i64 %options, 16
  %may = icmp ne i64 %bit, 0
  %identical = and i1 %layouts, %starts
  %fine = and i1 %identical, %may
  ret i1 %fine
yes:
  ret i1 true
}
"""
