"""The native entry of all compiled functions, as LLVM IR text: checks, allocation, call, result.

``ptr mlc_entry(ptr callable, ptr args, i64 nargsf, ptr kwnames)`` is a vectorcall function. The
callable's object points to a chain of *signatures*: tables (see `mlc.runtime.signature`) that say
what a call must look like and which kernel it runs. The first that fits is run, and comes to the
front from far behind; when none does, the call goes to the object's slow callable as it came.

The code is the same for all kernels: it is compiled once, kept on disk, and costs a kernel's own
compile time nothing. Walking a table takes a few nanoseconds more than code made for the signature
would, which took LLVM 8 ms each. Its numbers are those of `mlc.runtime.signature`. `%array`,
`%descr`, `%tuple` and `%float` are the parts of NumPy's and Python's objects that belong to their
binary interfaces.
"""

from __future__ import annotations

from mlc.runtime.entry_arguments import ARGUMENTS_IR
from mlc.runtime.entry_checks import CHECKS_IR
from mlc.runtime.entry_looks import LOOKS_IR
from mlc.runtime.entry_results import RESULTS_IR

_ENTRY = """
%signature = type { ptr, ptr, i64, i64, i64, i64, ptr, ptr, ptr, ptr, i64, i64, i64, ptr, ptr,
  i64, i64, ptr, i64, ptr, i64, ptr, i64 }
; 0 next, 1 kernel, 2 params, 3 keywords, 4 outputs, 5 constants (counts), 6 params, 7 outputs,
; 8 constants, 9 names, 10 workspace class, 11 options, 12 result, 13 error, 14 unflatten,
; 15 arguments, 16 nodes (counts), 17 nodes, 18 guards (a count), 19 guards, 20 numbers (a count)
; that the kernel writes after the outputs, 21 what they must be (see `mlc.runtime.entry_looks`),
; 22 the class of the room for outputs of other sizes, 0 for none; names: of each argument (or
; null), then "out"
%param = type { i32, i32, i32, i32, i64, ptr, ptr, i64, i64, ptr, i64, i64, i64,
  i64, ptr, i64, i64 }
; 0 kind, 1 rank, 2 flags, 3 type number, 4 byte order, 5 shape, 6 pairs of stride and mask or null,
; 7 first byte, 8 last byte, 9 static object or the type of NumPy's scalars, 10 layout,
; 11 whether its value follows that of the param before, in one buffer, 12 the least int that it
; may be, 13 how far others may be above that, 14 the strides of an array to be made, null for C's,
; 15 the first size of an output: 0 as the shape says, n what number n after the outputs says;
; 16 where the kernel writes an output that is copied from there, in a block of room; or -1
%callable = type { i64, ptr, ptr, ptr, ptr, ptr, ptr }
; 2 entry, 3 slow callable, 4 dictionary, 5 weak references, 6 signatures
%array = type { i64, ptr, ptr, i32, ptr, ptr, ptr, ptr, i32 }
; 1 type, 2 data, 3 rank, 4 shape, 5 strides, 6 base, 7 descr, 8 flags
%descr = type { i64, ptr, ptr, i8, i8, i8, i8, i32 }
%tuple = type { i64, ptr, i64, [0 x ptr] }
%float = type { i64, ptr, double }
%guard = type { ptr, ptr, ptr }
; 0 where a pointer lies, or a dict, 1 null, or the key in it, 2 what is to be there

@PyArray_Type = external global i8
@PyTuple_Type = external global i8
@PyFloat_Type = external global i8
@PyLong_Type = external global i8
@PyBool_Type = external global i8
@_Py_TrueStruct = external global i8
@_Py_NoneStruct = external global i8
@PyList_Type = external global i8
@PyDict_Type = external global i8
@PyUnicode_Type = external global i8
@truths = internal constant [2 x i8] c"\\00\\01"
@mlc_workspace_cells = external global [48 x ptr]
@mlc_room_cells = external global [48 x ptr]
@mlc_workspace_limit = external global i64
@mlc_aligned_results = external global ptr
@mlc_results_to_come = external global i64
@mlc_when_many_results = external global ptr
declare ptr @mlc_slow_entry(ptr, ptr, i64, ptr)
declare ptr @PyArray_New(ptr, i32, ptr, i32, ptr, ptr, i32, i32, ptr)
declare ptr @PyArray_Return(ptr)
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyList_New(i64)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare i64 @PyDict_Size(ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare void @PyErr_Clear()
declare ptr @PyErr_NoMemory()
declare i32 @PyObject_RichCompareBool(ptr, ptr, i32)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @malloc(i64)
declare void @free(ptr)

define ptr @mlc_entry(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) {
entry:
  %n = and i64 %nargsf, 9223372036854775807
  %chain = getelementptr %callable, ptr %self, i32 0, i32 6
  %first = load ptr, ptr %chain
  br label %next
next:
  %signature = phi ptr [ %first, %entry ], [ %following, %missed ]
  %depth = phi i64 [ 0, %entry ], [ %deeper, %missed ]
  %over = icmp eq ptr %signature, null
  br i1 %over, label %slow, label %form
form:
  %n_nodes_at = getelementptr %signature, ptr %signature, i32 0, i32 16
  %n_nodes = load i64, ptr %n_nodes_at
  %flat = icmp eq i64 %n_nodes, 0
  br i1 %flat, label %try, label %arrange
try:
  %result = call ptr @attempt(ptr %signature, ptr %args, i64 %n, ptr %kwnames)
  %miss = icmp eq ptr %result, inttoptr (i64 1 to ptr)
  br i1 %miss, label %again, label %done
again:
  %unnamed = icmp eq ptr %kwnames, null
  br i1 %unnamed, label %missed, label %arrange
arrange:
  %found = call ptr @arranged(ptr %signature, ptr %args, i64 %n, ptr %kwnames, i64 %n_nodes)
  %unfit = icmp eq ptr %found, inttoptr (i64 1 to ptr)
  br i1 %unfit, label %missed, label %done
missed:
  %following = load ptr, ptr %signature
  %deeper = add i64 %depth, 1
  br label %next
done:
  %value = phi ptr [ %result, %try ], [ %found, %arrange ]
  %deep = icmp ugt i64 %depth, 7
  br i1 %deep, label %often, label %leave
often:
  call void @to_front(ptr %chain, ptr %signature)
  br label %leave
leave:
  ret ptr %value
slow:
  %answer = tail call ptr @mlc_slow_entry(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames)
  ret ptr %answer
}

; Put a signature first in its chain. While it ran the chain may have become another.
define internal void @to_front(ptr %chain, ptr %signature) noinline {
entry:
  br label %next
next:  ; the link that leads to a signature: the chain's own, or the first part of the one before
  %link = phi ptr [ %chain, %entry ], [ %here, %onward ]
  %here = load ptr, ptr %link
  %over = icmp eq ptr %here, null
  br i1 %over, label %leave, label %compare
compare:
  %is_it = icmp eq ptr %here, %signature
  br i1 %is_it, label %move, label %onward
onward:
  br label %next
move:
  %following = load ptr, ptr %signature
  store ptr %following, ptr %link
  %new_first = load ptr, ptr %chain
  store ptr %new_first, ptr %signature
  store ptr %signature, ptr %chain
  br label %leave
leave:
  ret void
}

; The same as `attempt`, for one argument for each param; `outs` are the given outputs, or null.
define internal ptr @checked(ptr %s, ptr %args, ptr %outs) noinline {
entry:
  %n_params_at = getelementptr %signature, ptr %s, i32 0, i32 2
  %n_params = load i64, ptr %n_params_at
  %n_outputs_at = getelementptr %signature, ptr %s, i32 0, i32 4
  %n_outputs = load i64, ptr %n_outputs_at
  %options_at = getelementptr %signature, ptr %s, i32 0, i32 11
  %options = load i64, ptr %options_at
  %made_new = icmp eq ptr %outs, null
  %n_constants_at = getelementptr %signature, ptr %s, i32 0, i32 5
  %n_constants = load i64, ptr %n_constants_at
  %n_numbers_at = getelementptr %signature, ptr %s, i32 0, i32 20
  %n_numbers = load i64, ptr %n_numbers_at
  ; One block on the stack: the buffers, the output objects, the values of scalars, the numbers.
  %in_and_const = add i64 %n_params, %n_constants
  %with_outputs = add i64 %in_and_const, %n_outputs
  %n_buffers = add i64 %with_outputs, %n_numbers
  %with_objects = add i64 %n_buffers, %n_outputs
  %with_scalars = add i64 %with_objects, %n_params
  %with_numbers = add i64 %with_scalars, %n_numbers
  %room = add i64 %with_numbers, 1
  %buffers = alloca i64, i64 %room, align 16
  %objects = getelementptr ptr, ptr %buffers, i64 %n_buffers
  %scalars = getelementptr ptr, ptr %buffers, i64 %with_objects
  %numbers = getelementptr ptr, ptr %buffers, i64 %with_scalars
  %params_at = getelementptr %signature, ptr %s, i32 0, i32 6
  %params = load ptr, ptr %params_at
  %n_guards_at = getelementptr %signature, ptr %s, i32 0, i32 18
  %n_guards = load i64, ptr %n_guards_at
  %unguarded = icmp eq i64 %n_guards, 0
  br i1 %unguarded, label %begin, label %guarded
guarded:
  %guards_at = getelementptr %signature, ptr %s, i32 0, i32 19
  %guards = load ptr, ptr %guards_at
  %holds = call i1 @unchanged(ptr %guards, i64 %n_guards)
  br i1 %holds, label %begin, label %miss
begin:
  br label %param

param:
  %i = phi i64 [ 0, %begin ], [ %i_next, %stored ], [ %i_static, %static_fits ]
  %b = phi i64 [ 0, %begin ], [ %b_next, %stored ], [ %b, %static_fits ]
  %params_end = icmp eq i64 %i, %n_params
  br i1 %params_end, label %constants, label %one_param
one_param:
  %p = getelementptr %param, ptr %params, i64 %i
  %arg_at = getelementptr ptr, ptr %args, i64 %i
  %arg = load ptr, ptr %arg_at
  %kind = load i32, ptr %p
  %type_at = getelementptr %array, ptr %arg, i32 0, i32 1
  %type = load ptr, ptr %type_at
  %slot = getelementptr i64, ptr %scalars, i64 %i
  switch i32 %kind, label %int_param [ i32 0, label %array_param i32 1, label %static_param
    i32 2, label %bool_param i32 3, label %float_param i32 4, label %float_param ]
array_param:
  %data = call ptr @check_array(ptr %arg, ptr %p)
  %array_misfit = icmp eq ptr %data, null
  br i1 %array_misfit, label %scalar_param, label %stored
scalar_param:
  %scalar_data = call ptr @scalar_value(ptr %arg, ptr %p)
  %scalar_misfit = icmp eq ptr %scalar_data, null
  br i1 %scalar_misfit, label %miss, label %stored
static_param:
  %object_at = getelementptr %param, ptr %p, i32 0, i32 9
  %object = load ptr, ptr %object_at
  %static_same = icmp eq ptr %arg, %object
  %i_static = add i64 %i, 1
  br i1 %static_same, label %static_fits, label %static_other
static_other:
  %static_equal = call i1 @is_equal(ptr %arg, ptr %object)
  br i1 %static_equal, label %static_fits, label %miss
static_fits:
  br label %param
bool_param:
  %is_bool = icmp eq ptr %type, @PyBool_Type
  %is_true = icmp eq ptr %arg, @_Py_TrueStruct
  %truth = zext i1 %is_true to i8
  store i8 %truth, ptr %slot
  br i1 %is_bool, label %stored, label %miss
float_param:
  %is_float = icmp eq ptr %type, @PyFloat_Type
  br i1 %is_float, label %float_value, label %miss
float_value:
  %double_at = getelementptr %float, ptr %arg, i32 0, i32 2
  %double = load double, ptr %double_at
  %to_double = icmp eq i32 %kind, 3
  br i1 %to_double, label %store_double, label %store_float
store_double:
  store double %double, ptr %slot
  br label %stored
store_float:
  %single_float = fptrunc double %double to float
  store float %single_float, ptr %slot
  br label %stored
int_param:
  %is_int = icmp eq ptr %type, @PyLong_Type
  br i1 %is_int, label %int_value, label %miss
int_value:
  %int = call i64 @PyLong_AsLongLongAndOverflow(ptr %arg, ptr %slot)
  %overflow = load i32, ptr %slot
  %too_big = icmp ne i32 %overflow, 0
  br i1 %too_big, label %miss, label %int_fits
int_fits:
  switch i32 %kind, label %store_i64 [ i32 6, label %int_i32 i32 7, label %int_f64
    i32 8, label %int_f32 ]
store_i64:
  %least_at = getelementptr %param, ptr %p, i32 0, i32 12
  %least = load i64, ptr %least_at
  %span_at = getelementptr %param, ptr %p, i32 0, i32 13
  %span = load i64, ptr %span_at
  %above = sub i64 %int, %least
  %within = icmp ule i64 %above, %span
  store i64 %int, ptr %slot
  br i1 %within, label %stored, label %miss
int_i32:
  %narrow = trunc i64 %int to i32
  %wide = sext i32 %narrow to i64
  %fits_i32 = icmp eq i64 %wide, %int
  store i32 %narrow, ptr %slot
  br i1 %fits_i32, label %stored, label %miss
int_f64:
  %int_double = sitofp i64 %int to double
  store double %int_double, ptr %slot
  br label %stored
int_f32:
  %int_float = sitofp i64 %int to float
  store float %int_float, ptr %slot
  br label %stored
stored:
  %buffer = phi ptr [ %data, %array_param ], [ %scalar_data, %scalar_param ],
    [ %slot, %bool_param ], [ %slot, %store_double ],
    [ %slot, %store_float ], [ %slot, %store_i64 ], [ %slot, %int_i32 ], [ %slot, %int_f64 ],
    [ %slot, %int_f32 ]
  %buffer_at = getelementptr ptr, ptr %buffers, i64 %b
  store ptr %buffer, ptr %buffer_at ; where it follows, the next buffer takes its place
  %i_next = add i64 %i, 1
  %follows_at = getelementptr %param, ptr %p, i32 0, i32 11
  %follows = load i64, ptr %follows_at
  %b_after = add i64 %b, 1
  %b_next = sub i64 %b_after, %follows
  br label %param

constants:
  %constants_at = getelementptr %signature, ptr %s, i32 0, i32 8
  %constant_table = load ptr, ptr %constants_at
  br label %constant
constant:
  %c = phi i64 [ 0, %constants ], [ %c_next, %one_constant ]
  %constants_end = icmp eq i64 %c, %n_constants
  br i1 %constants_end, label %outputs, label %one_constant
one_constant:
  %from = getelementptr ptr, ptr %constant_table, i64 %c
  %constant_data = load ptr, ptr %from
  %to_index = add i64 %b, %c
  %to = getelementptr ptr, ptr %buffers, i64 %to_index
  store ptr %constant_data, ptr %to
  %c_next = add i64 %c, 1
  br label %constant

outputs:
  %first_out_index = add i64 %b, %n_constants
  %out_buffers = getelementptr ptr, ptr %buffers, i64 %first_out_index
  %out_specs_at = getelementptr %signature, ptr %s, i32 0, i32 7
  %out_specs = load ptr, ptr %out_specs_at
  %number_buffers = getelementptr ptr, ptr %out_buffers, i64 %n_outputs
  call void @place_numbers(ptr %number_buffers, ptr %numbers, i64 %n_numbers)
  %room_class_at = getelementptr %signature, ptr %s, i32 0, i32 22
  %room_class = load i64, ptr %room_class_at
  %room_block = call ptr @take_block(ptr @mlc_room_cells, i64 %room_class)
  %no_room = icmp eq ptr %room_block, inttoptr (i64 1 to ptr)
  br i1 %no_room, label %out_of_memory, label %with_room
out_of_memory:
  %refused = call ptr @PyErr_NoMemory()
  ret ptr null
with_room:
  %room_begin = call ptr @aligned(ptr %room_block, i64 63)
  br i1 %made_new, label %make, label %given

given:
  %g = phi i64 [ 0, %with_room ], [ %g_next, %inputs_apart ]
  %given_end = icmp eq i64 %g, %n_outputs
  br i1 %given_end, label %go, label %one_given
one_given:
  %gp = getelementptr %param, ptr %out_specs, i64 %g
  %given_at = getelementptr ptr, ptr %outs, i64 %g
  %given_array = load ptr, ptr %given_at
  %given_data = call ptr @check_array(ptr %given_array, ptr %gp)
  %given_misfit = icmp eq ptr %given_data, null
  br i1 %given_misfit, label %miss, label %given_fits
given_fits:
  %given_buffer_at = getelementptr ptr, ptr %out_buffers, i64 %g
  store ptr %given_data, ptr %given_buffer_at
  %given_object_at = getelementptr ptr, ptr %objects, i64 %g
  store ptr %given_array, ptr %given_object_at
  br label %other_output
other_output:
  %o = phi i64 [ 0, %given_fits ], [ %o_next, %one_other ]
  %others_end = icmp eq i64 %o, %g
  br i1 %others_end, label %other_input, label %one_other
one_other:
  %op = getelementptr %param, ptr %out_specs, i64 %o
  %o_data_at = getelementptr ptr, ptr %out_buffers, i64 %o
  %o_data = load ptr, ptr %o_data_at
  %o_next = add i64 %o, 1
  %outputs_apart = call i1 @apart(ptr %gp, ptr %given_data, ptr %op, ptr %o_data, i64 0)
  br i1 %outputs_apart, label %other_output, label %miss
other_input:
  %q = phi i64 [ 0, %other_output ], [ %q_next, %input_apart ]
  %r = phi i64 [ 0, %other_output ], [ %r_next, %input_apart ]
  %inputs_end = icmp eq i64 %q, %n_params
  br i1 %inputs_end, label %inputs_apart, label %one_input
one_input:
  %ip = getelementptr %param, ptr %params, i64 %q
  %i_kind = load i32, ptr %ip
  %i_data_at = getelementptr ptr, ptr %buffers, i64 %r
  %i_data = load ptr, ptr %i_data_at
  %q_next = add i64 %q, 1
  %i_static_too = icmp ne i32 %i_kind, 1
  %i_own = zext i1 %i_static_too to i64
  %i_follows_at = getelementptr %param, ptr %ip, i32 0, i32 11
  %i_follows = load i64, ptr %i_follows_at
  %step = sub i64 %i_own, %i_follows
  %r_next = add i64 %r, %step
  %i_array = icmp eq i32 %i_kind, 0
  br i1 %i_array, label %compare_input, label %input_apart
compare_input:
  %is_apart = call i1 @apart(ptr %gp, ptr %given_data, ptr %ip, ptr %i_data, i64 %options)
  br i1 %is_apart, label %input_apart, label %miss
input_apart:
  br label %other_input
inputs_apart:
  %g_next = add i64 %g, 1
  br label %given

make:
  %m = phi i64 [ 0, %with_room ], [ %m_next, %made ]
  %make_end = icmp eq i64 %m, %n_outputs
  br i1 %make_end, label %go, label %one_made
one_made:
  %mp = getelementptr %param, ptr %out_specs, i64 %m
  %m_next = add i64 %m, 1
  %made_at = getelementptr ptr, ptr %objects, i64 %m
  %made_buffer_at = getelementptr ptr, ptr %out_buffers, i64 %m
  %m_room_at = getelementptr %param, ptr %mp, i32 0, i32 16
  %m_room = load i64, ptr %m_room_at
  %made_later = icmp sge i64 %m_room, 0
  br i1 %made_later, label %give_room, label %make_now
give_room:
  store ptr null, ptr %made_at
  %m_place = getelementptr i8, ptr %room_begin, i64 %m_room
  store ptr %m_place, ptr %made_buffer_at
  br label %made
make_now:
  %m_dims_at = getelementptr %param, ptr %mp, i32 0, i32 5
  %m_dims = load ptr, ptr %m_dims_at
  %m_bytes_at = getelementptr %param, ptr %mp, i32 0, i32 8
  %m_bytes = load i64, ptr %m_bytes_at
  %array = call ptr @new_array(ptr %mp, ptr %m_dims, i64 %m_bytes)
  store ptr %array, ptr %made_at
  %no_array = icmp eq ptr %array, null
  br i1 %no_array, label %not_made, label %had
not_made:
  call void @release(ptr %objects, i64 0, i64 %m)
  call void @keep_block(ptr @mlc_room_cells, i64 %room_class, ptr %room_block)
  ret ptr null
had:
  %made_data_at = getelementptr %array, ptr %array, i32 0, i32 2
  %made_data = load ptr, ptr %made_data_at
  store ptr %made_data, ptr %made_buffer_at
  br label %made
made:
  br label %make

go:
  %release_bit = and i64 %options, 1
  %release_gil = icmp ne i64 %release_bit, 0
  br i1 %release_gil, label %go_free, label %go_held
go_free:
  %thread = call ptr @PyEval_SaveThread()
  %code_free = call i32 @run(ptr %s, ptr %buffers)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %ran
go_held:
  %code_held = call i32 @run(ptr %s, ptr %buffers)
  br label %ran
ran:
  %code = phi i32 [ %code_free, %go_free ], [ %code_held, %go_held ]
  ; From here on we own a reference to each output, given or made.
  br i1 %made_new, label %owned, label %borrow
borrow:
  %k = phi i64 [ 0, %ran ], [ %k_next, %one_borrowed ]
  %borrow_end = icmp eq i64 %k, %n_outputs
  br i1 %borrow_end, label %owned, label %one_borrowed
one_borrowed:
  %borrowed_at = getelementptr ptr, ptr %objects, i64 %k
  %borrowed = load ptr, ptr %borrowed_at
  call void @Py_IncRef(ptr %borrowed)
  %k_next = add i64 %k, 1
  br label %borrow
owned:
  %failed = icmp ne i32 %code, 0
  br i1 %failed, label %report, label %finish
report:
  call void @release(ptr %objects, i64 0, i64 %n_outputs)
  call void @keep_block(ptr @mlc_room_cells, i64 %room_class, ptr %room_block)
  %is_sure = icmp eq i64 %n_numbers, 0 ; else it may be an error of code for other sizes alone
  br i1 %is_sure, label %raise, label %miss
raise:
  %wide_code = sext i32 %code to i64
  %boxed = call ptr @PyLong_FromLongLong(i64 %wide_code)
  store ptr %boxed, ptr %buffers
  %error_at = getelementptr %signature, ptr %s, i32 0, i32 13
  %error = load ptr, ptr %error_at
  %_1 = call ptr @PyObject_Vectorcall(ptr %error, ptr %buffers, i64 1, ptr null)
  call void @Py_DecRef(ptr %boxed)
  ret ptr null

finish:
  %answer = call ptr @answer(ptr %s, ptr %objects, ptr %out_specs, i64 %n_outputs, i1 %made_new,
    ptr %numbers, i64 %n_numbers, ptr %out_buffers)
  call void @keep_block(ptr @mlc_room_cells, i64 %room_class, ptr %room_block)
  ret ptr %answer
miss:
  ret ptr inttoptr (i64 1 to ptr)
}
"""

ENTRY_IR = _ENTRY + ARGUMENTS_IR + CHECKS_IR + LOOKS_IR + RESULTS_IR
