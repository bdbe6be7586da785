"""The part of the native entry that runs the kernel and makes what the call returns."""

from __future__ import annotations

RESULTS_IR = """
; What the call returns, out of the outputs that we own a reference to each.
define internal ptr @result(ptr %s, ptr %objects, ptr %out_specs, i64 %n_outputs,
    i1 %made_new) alwaysinline {
entry:
  %kind_at = getelementptr %signature, ptr %s, i32 0, i32 12
  %kind = load i64, ptr %kind_at
  %wants_none = icmp eq i64 %kind, 3
  br i1 %wants_none, label %none, label %as_scalars
as_scalars:
  ; New 0-d outputs become NumPy scalars, as a ufunc's do; given ones stay what they are.
  br i1 %made_new, label %unwrap, label %build
unwrap:
  %u = phi i64 [ 0, %as_scalars ], [ %u_next, %unwrapped ]
  %unwrap_end = icmp eq i64 %u, %n_outputs
  br i1 %unwrap_end, label %build, label %one_unwrap
one_unwrap:
  %up = getelementptr %param, ptr %out_specs, i64 %u
  %u_rank_at = getelementptr %param, ptr %up, i32 0, i32 1
  %u_rank = load i32, ptr %u_rank_at
  %u_next = add i64 %u, 1
  %is_flat = icmp eq i32 %u_rank, 0
  br i1 %is_flat, label %to_scalar, label %unwrapped
to_scalar:
  %flat_at = getelementptr ptr, ptr %objects, i64 %u
  %flat = load ptr, ptr %flat_at
  %scalar = call ptr @PyArray_Return(ptr %flat)
  store ptr %scalar, ptr %flat_at
  %no_scalar = icmp eq ptr %scalar, null
  br i1 %no_scalar, label %lost_scalar, label %unwrapped
lost_scalar:
  call void @release(ptr %objects, i64 0, i64 %u)
  call void @release(ptr %objects, i64 %u_next, i64 %n_outputs)
  ret ptr null
unwrapped:
  br label %unwrap
build:
  switch i64 %kind, label %unflatten [ i64 0, label %alone i64 1, label %new_tuple
    i64 2, label %new_list ]
alone:
  %only = load ptr, ptr %objects
  ret ptr %only
none:
  call void @release(ptr %objects, i64 0, i64 %n_outputs)
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
unflatten:
  %unflatten_at = getelementptr %signature, ptr %s, i32 0, i32 14
  %unflatten_function = load ptr, ptr %unflatten_at
  %built = call ptr @PyObject_Vectorcall(ptr %unflatten_function, ptr %objects, i64 %n_outputs,
    ptr null)
  call void @release(ptr %objects, i64 0, i64 %n_outputs)
  ret ptr %built
new_tuple:
  %tuple_made = call ptr @PyTuple_New(i64 %n_outputs)
  br label %fill
new_list:
  %list_made = call ptr @PyList_New(i64 %n_outputs)
  br label %fill
fill:
  %container = phi ptr [ %tuple_made, %new_tuple ], [ %list_made, %new_list ]
  %no_container = icmp eq ptr %container, null
  br i1 %no_container, label %lost_container, label %item
lost_container:
  call void @release(ptr %objects, i64 0, i64 %n_outputs)
  ret ptr null
item:
  %t = phi i64 [ 0, %fill ], [ %t_next, %filled ]
  %items_end = icmp eq i64 %t, %n_outputs
  br i1 %items_end, label %full, label %one_item
one_item:
  %item_at = getelementptr ptr, ptr %objects, i64 %t
  %item_object = load ptr, ptr %item_at
  %t_next = add i64 %t, 1
  %for_tuple = icmp eq i64 %kind, 1
  br i1 %for_tuple, label %into_tuple, label %into_list
into_tuple:
  %_2 = call i32 @PyTuple_SetItem(ptr %container, i64 %t, ptr %item_object)
  br label %filled
into_list:
  %_3 = call i32 @PyList_SetItem(ptr %container, i64 %t, ptr %item_object)
  br label %filled
filled:
  br label %item
full:
  ret ptr %container
}

define internal void @release(ptr %objects, i64 %begin, i64 %end) {
entry:
  br label %next
next:
  %i = phi i64 [ %begin, %entry ], [ %j, %one ]
  %over = icmp sge i64 %i, %end
  br i1 %over, label %done, label %one
one:
  %at = getelementptr ptr, ptr %objects, i64 %i
  %object = load ptr, ptr %at
  call void @Py_DecRef(ptr %object)
  %j = add i64 %i, 1
  br label %next
done:
  ret void
}

; Call the kernel with a workspace.
define internal i32 @run(ptr %s, ptr %buffers) alwaysinline {
entry:
  %kernel_at = getelementptr %signature, ptr %s, i32 0, i32 1
  %kernel = load ptr, ptr %kernel_at
  %class_at = getelementptr %signature, ptr %s, i32 0, i32 10
  %class = load i64, ptr %class_at
  %without = icmp eq i64 %class, 0
  br i1 %without, label %plain, label %take
plain:
  %plain_code = call i32 %kernel(ptr %buffers, ptr null)
  ret i32 %plain_code
take:
  %raw = call ptr @take_block(ptr @mlc_workspace_cells, i64 %class)
  %no_memory = icmp eq ptr %raw, inttoptr (i64 1 to ptr)
  br i1 %no_memory, label %refuse, label %have
refuse:
  ret i32 -2147483648
have:
  %large = icmp uge i64 %class, 16
  %low = select i1 %large, i64 4095, i64 63 ; see signature.workspace_alignment
  %workspace = call ptr @aligned(ptr %raw, i64 %low)
  %code = call i32 %kernel(ptr %buffers, ptr %workspace)
  call void @keep_block(ptr @mlc_workspace_cells, i64 %class, ptr %raw)
  ret i32 %code
}

; The process's kept block of a size class, or a new one; null for class 0, 1 if there is no memory.
define internal ptr @take_block(ptr %cells, i64 %class) alwaysinline {
entry:
  %without = icmp eq i64 %class, 0
  br i1 %without, label %none, label %take
none:
  ret ptr null
take:
  %cell = getelementptr ptr, ptr %cells, i64 %class
  %kept = atomicrmw xchg ptr %cell, ptr null acq_rel
  %empty = icmp eq ptr %kept, null
  br i1 %empty, label %allocate, label %have
allocate:
  %size = shl i64 1, %class
  %new = call ptr @malloc(i64 %size)
  %no_memory = icmp eq ptr %new, null
  %found = select i1 %no_memory, ptr inttoptr (i64 1 to ptr), ptr %new
  ret ptr %found
have:
  ret ptr %kept
}

; Give it back. Blocks of up to half the limit are kept, one of each class, and so less than the
; limit in all.
define internal void @keep_block(ptr %cells, i64 %class, ptr %block) alwaysinline {
entry:
  %without = icmp eq i64 %class, 0
  br i1 %without, label %done, label %weigh
weigh:
  %limit = load i64, ptr @mlc_workspace_limit
  %twice = shl i64 2, %class
  %much = icmp sgt i64 %twice, %limit
  br i1 %much, label %surplus, label %keep
keep:
  %cell = getelementptr ptr, ptr %cells, i64 %class
  %pair = cmpxchg ptr %cell, ptr null, ptr %block acq_rel monotonic
  %returned = extractvalue { ptr, i1 } %pair, 1
  br i1 %returned, label %done, label %surplus
surplus:
  call void @free(ptr %block)
  br label %done
done:
  ret void
}

; The first address from there whose bits of `low` are 0.
define internal ptr @aligned(ptr %block, i64 %low) alwaysinline {
entry:
  %up = getelementptr i8, ptr %block, i64 %low
  %address = ptrtoint ptr %up to i64
  %rest = and i64 %address, %low
  %back = sub i64 0, %rest
  %place = getelementptr i8, ptr %up, i64 %back
  ret ptr %place
}

; A new array like an output, of that shape and as many bytes.
define internal ptr @new_array(ptr %spec, ptr %dims, i64 %bytes) alwaysinline {
entry:
  %rank_at = getelementptr %param, ptr %spec, i32 0, i32 1
  %rank = load i32, ptr %rank_at
  %number_at = getelementptr %param, ptr %spec, i32 0, i32 3
  %number = load i32, ptr %number_at
  %strides_at = getelementptr %param, ptr %spec, i32 0, i32 14
  %strides = load ptr, ptr %strides_at
  %long = icmp uge i64 %bytes, 4096 ; symbols.ALIGNED
  br i1 %long, label %maker, label %plain
maker:
  %maker_function = load ptr, ptr @mlc_aligned_results ; see `mlc.runtime.result_memory`
  %no_maker = icmp eq ptr %maker_function, null
  br i1 %no_maker, label %count, label %make_aligned
count:
  %to_come = load i64, ptr @mlc_results_to_come
  %fewer = sub i64 %to_come, 1
  store i64 %fewer, ptr @mlc_results_to_come
  %are_many = icmp eq i64 %fewer, 0 ; see `executor`
  br i1 %are_many, label %many, label %plain
many:
  %when_many = load ptr, ptr @mlc_when_many_results
  %switched = call ptr @PyObject_Vectorcall(ptr %when_many, ptr null, i64 0, ptr null)
  %not_switched = icmp eq ptr %switched, null
  br i1 %not_switched, label %not_made, label %switched_on
not_made:
  ret ptr null
switched_on:
  call void @Py_DecRef(ptr %switched)
  br label %plain
make_aligned:
  %aligned_array = call ptr %maker_function(i32 %rank, ptr %dims, i32 %number, ptr %strides,
    i64 %bytes)
  ret ptr %aligned_array
plain:
  %plain_array = call ptr @PyArray_New(ptr @PyArray_Type, i32 %rank, ptr %dims, i32 %number,
    ptr %strides, ptr null, i32 0, i32 0, ptr null)
  ret ptr %plain_array
}
"""
