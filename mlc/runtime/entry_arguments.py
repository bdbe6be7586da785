"""The part of the native entry that finds the object for each param: `attempt` in a call that is as
the table says, `arranged` in one with keywords in other places, or of tuples, lists and dicts.
"""

from __future__ import annotations

ARGUMENTS_IR = """
%node = type { i64, i64, ptr }
; 0 kind, 1 the number of its param, or of its children, 2 a dict's keys
%list = type { i64, ptr, i64, ptr }

; The result of the call, null with an exception set, or 1 if the signature does not fit.
define internal ptr @attempt(ptr %s, ptr %args, i64 %n, ptr %kwnames) alwaysinline {
entry:
  %n_params_at = getelementptr %signature, ptr %s, i32 0, i32 2
  %n_params = load i64, ptr %n_params_at
  %n_keywords_at = getelementptr %signature, ptr %s, i32 0, i32 3
  %n_keywords = load i64, ptr %n_keywords_at
  %n_outputs_at = getelementptr %signature, ptr %s, i32 0, i32 4
  %n_outputs = load i64, ptr %n_outputs_at
  %options_at = getelementptr %signature, ptr %s, i32 0, i32 11
  %options = load i64, ptr %options_at
  %required_bit = and i64 %options, 4
  %required = icmp ne i64 %required_bit, 0
  %after_args = getelementptr ptr, ptr %args, i64 %n_params
  %unnamed = icmp eq ptr %kwnames, null
  br i1 %unnamed, label %plain, label %named

plain:
  %no_keywords = icmp eq i64 %n_keywords, 0
  br i1 %no_keywords, label %count, label %miss
count:
  %just = icmp eq i64 %n, %n_params
  br i1 %just, label %without_out, label %more
more:
  %positional_bit = and i64 %options, 8
  %positional = icmp ne i64 %positional_bit, 0
  %total = add i64 %n_params, %n_outputs
  %all = icmp eq i64 %n, %total
  %outs_follow = and i1 %positional, %all
  br i1 %outs_follow, label %check, label %miss
named:
  %n_positional = sub i64 %n_params, %n_keywords
  %same_count = icmp eq i64 %n, %n_positional
  br i1 %same_count, label %names, label %miss
names:
  %n_names_at = getelementptr %tuple, ptr %kwnames, i32 0, i32 2
  %n_names = load i64, ptr %n_names_at
  %extra = sub i64 %n_names, %n_keywords
  %one_at_most = icmp ule i64 %extra, 1
  %wanted_names_at = getelementptr %signature, ptr %s, i32 0, i32 9
  %all_names = load ptr, ptr %wanted_names_at
  %wanted_names = getelementptr ptr, ptr %all_names, i64 %n_positional
  br i1 %one_at_most, label %name, label %miss
name:
  %name_i = phi i64 [ 0, %names ], [ %name_j, %same_name ]
  %names_end = icmp eq i64 %name_i, %n_names
  br i1 %names_end, label %named_out, label %compare_name
compare_name:
  %name_at = getelementptr %tuple, ptr %kwnames, i32 0, i32 3, i64 %name_i
  %name_given = load ptr, ptr %name_at
  %wanted_at = getelementptr ptr, ptr %wanted_names, i64 %name_i
  %name_wanted = load ptr, ptr %wanted_at
  %name_equal = icmp eq ptr %name_given, %name_wanted
  %name_j = add i64 %name_i, 1
  br i1 %name_equal, label %same_name, label %miss
same_name:
  br label %name
named_out:
  %has_out = icmp eq i64 %extra, 1
  br i1 %has_out, label %take_out, label %without_out
take_out:
  %allowed_bit = and i64 %options, 2
  %allowed = icmp ne i64 %allowed_bit, 0
  br i1 %allowed, label %how_many, label %miss
how_many:
  %listed = call ptr @listed(ptr %s, ptr %after_args)
  %unlisted = icmp eq ptr %listed, null
  br i1 %unlisted, label %miss, label %check
without_out:
  br i1 %required, label %miss, label %check

check:
  %outs = phi ptr [ null, %without_out ], [ %after_args, %more ], [ %listed, %how_many ]
  %done = call ptr @checked(ptr %s, ptr %args, ptr %outs)
  ret ptr %done
miss:
  ret ptr inttoptr (i64 1 to ptr)
}

; The objects that an argument `out` stands for, null if they are not as many as the outputs.
define internal ptr @listed(ptr %s, ptr %out_at) alwaysinline {
entry:
  %n_outputs_at = getelementptr %signature, ptr %s, i32 0, i32 4
  %n_outputs = load i64, ptr %n_outputs_at
  %single = icmp eq i64 %n_outputs, 1
  br i1 %single, label %alone, label %group
alone:
  ret ptr %out_at
group:
  %tuple = load ptr, ptr %out_at
  %tuple_type_at = getelementptr %tuple, ptr %tuple, i32 0, i32 1
  %tuple_type = load ptr, ptr %tuple_type_at
  %is_tuple = icmp eq ptr %tuple_type, @PyTuple_Type
  br i1 %is_tuple, label %tuple_size, label %miss
tuple_size:
  %size_at = getelementptr %tuple, ptr %tuple, i32 0, i32 2
  %size = load i64, ptr %size_at
  %items = getelementptr %tuple, ptr %tuple, i32 0, i32 3
  %size_fits = icmp eq i64 %size, %n_outputs
  %given = select i1 %size_fits, ptr %items, ptr null
  ret ptr %given
miss:
  ret ptr null
}

; The same as `attempt`, for keywords in any order and arguments that are trees.
define internal ptr @arranged(ptr %s, ptr %args, i64 %n, ptr %kwnames, i64 %n_nodes) noinline {
entry:
  %n_args_at = getelementptr %signature, ptr %s, i32 0, i32 15
  %n_args = load i64, ptr %n_args_at
  %n_keywords_at = getelementptr %signature, ptr %s, i32 0, i32 3
  %n_keywords = load i64, ptr %n_keywords_at
  %wanted_at = getelementptr %signature, ptr %s, i32 0, i32 9
  %wanted = load ptr, ptr %wanted_at
  %options_at = getelementptr %signature, ptr %s, i32 0, i32 11
  %options = load i64, ptr %options_at
  %n_positional = sub i64 %n_args, %n_keywords
  %few = icmp ule i64 %n, %n_positional
  br i1 %few, label %named, label %miss
named:
  %unnamed = icmp eq ptr %kwnames, null
  br i1 %unnamed, label %counted, label %count
count:
  %n_names_at = getelementptr %tuple, ptr %kwnames, i32 0, i32 2
  %n_names = load i64, ptr %n_names_at
  br label %counted
counted:
  %names = phi i64 [ 0, %named ], [ %n_names, %count ]
  %given = add i64 %n, %names
  %most = add i64 %n_args, 1
  %enough = icmp uge i64 %given, %n_args
  %not_more = icmp ule i64 %given, %most
  %possible = and i1 %enough, %not_more
  br i1 %possible, label %clear, label %miss

clear:
  ; Each argument's object, `out`, then those of the nodes below.
  %with_nodes = add i64 %n_nodes, %most
  %objects = alloca ptr, i64 %with_nodes, align 16
  %out_slot = alloca ptr, align 16
  br label %place
place:
  %i = phi i64 [ 0, %clear ], [ %i_next, %one_place ]
  %places_end = icmp eq i64 %i, %most
  br i1 %places_end, label %name, label %one
one:
  %by_place = icmp ult i64 %i, %n
  %arg_at = getelementptr ptr, ptr %args, i64 %i
  br i1 %by_place, label %take, label %one_place
take:
  %arg = load ptr, ptr %arg_at
  br label %one_place
one_place:
  %object = phi ptr [ null, %one ], [ %arg, %take ]
  %object_at = getelementptr ptr, ptr %objects, i64 %i
  store ptr %object, ptr %object_at
  %i_next = add i64 %i, 1
  br label %place

name:
  %j = phi i64 [ 0, %place ], [ %j_next, %name_stored ]
  %names_end = icmp eq i64 %j, %names
  br i1 %names_end, label %complete, label %one_name
one_name:
  %name_at = getelementptr %tuple, ptr %kwnames, i32 0, i32 3, i64 %j
  %name_given = load ptr, ptr %name_at
  br label %search
search:
  %k = phi i64 [ %n, %one_name ], [ %k_next, %other ]
  %search_end = icmp ugt i64 %k, %n_args
  br i1 %search_end, label %miss, label %compare
compare:
  %known_at = getelementptr ptr, ptr %wanted, i64 %k
  %known = load ptr, ptr %known_at
  %same_name = icmp eq ptr %known, %name_given
  br i1 %same_name, label %found, label %other
other:
  %k_next = add i64 %k, 1
  br label %search
found:
  %slot = getelementptr ptr, ptr %objects, i64 %k
  %before = load ptr, ptr %slot
  %free = icmp eq ptr %before, null
  %number = add i64 %n, %j
  %value_at = getelementptr ptr, ptr %args, i64 %number
  br i1 %free, label %name_stored, label %miss
name_stored:
  %value = load ptr, ptr %value_at
  store ptr %value, ptr %slot
  %j_next = add i64 %j, 1
  br label %name

complete:
  %c = phi i64 [ 0, %name ], [ %c_next, %present ]
  %complete_end = icmp eq i64 %c, %n_args
  br i1 %complete_end, label %out, label %one_argument
one_argument:
  %argument_at = getelementptr ptr, ptr %objects, i64 %c
  %argument = load ptr, ptr %argument_at
  %absent = icmp eq ptr %argument, null
  br i1 %absent, label %miss, label %present
present:
  %c_next = add i64 %c, 1
  br label %complete

out:
  %last_at = getelementptr ptr, ptr %objects, i64 %n_args
  %last = load ptr, ptr %last_at
  store ptr %last, ptr %out_slot
  %without = icmp eq ptr %last, null
  %required_bit = and i64 %options, 4
  %required = icmp ne i64 %required_bit, 0
  %allowed_bit = and i64 %options, 2
  %allowed = icmp ne i64 %allowed_bit, 0
  br i1 %without, label %no_out, label %some_out
no_out:
  br i1 %required, label %miss, label %flat
some_out:
  br i1 %allowed, label %list_out, label %miss
list_out:
  %listed = call ptr @listed(ptr %s, ptr %out_slot)
  %unlisted = icmp eq ptr %listed, null
  br i1 %unlisted, label %miss, label %flat
flat:
  %outs = phi ptr [ null, %no_out ], [ %listed, %list_out ]
  %is_flat = icmp eq i64 %n_nodes, 0
  br i1 %is_flat, label %run, label %unfold
run:
  %result = call ptr @checked(ptr %s, ptr %objects, ptr %outs)
  ret ptr %result

unfold:
  %n_params_at = getelementptr %signature, ptr %s, i32 0, i32 2
  %n_params = load i64, ptr %n_params_at
  %nodes_at = getelementptr %signature, ptr %s, i32 0, i32 17
  %nodes = load ptr, ptr %nodes_at
  %leaves = alloca ptr, i64 %n_params, align 16
  br label %node
node:
  %m = phi i64 [ 0, %unfold ], [ %m_next, %next_node ]
  %end = phi i64 [ %n_args, %unfold ], [ %end_after, %next_node ]
  %nodes_end = icmp eq i64 %m, %n_nodes
  br i1 %nodes_end, label %go, label %one_node
one_node:
  %p = getelementptr %node, ptr %nodes, i64 %m
  %kind = load i64, ptr %p
  %count_at = getelementptr %node, ptr %p, i32 0, i32 1
  %children = load i64, ptr %count_at
  %tree_at = getelementptr ptr, ptr %objects, i64 %m
  %tree = load ptr, ptr %tree_at
  %type_at = getelementptr %tuple, ptr %tree, i32 0, i32 1
  %type = load ptr, ptr %type_at
  switch i64 %kind, label %none [ i64 0, label %leaf i64 1, label %tuple i64 2, label %list
    i64 3, label %dict ]
leaf:
  %leaf_at = getelementptr ptr, ptr %leaves, i64 %children
  store ptr %tree, ptr %leaf_at
  br label %next_node
none:
  %is_none = icmp eq ptr %tree, @_Py_NoneStruct
  br i1 %is_none, label %next_node, label %give_up
tuple:
  %is_tuple = icmp eq ptr %type, @PyTuple_Type
  %tuple_items = getelementptr %tuple, ptr %tree, i32 0, i32 3
  br i1 %is_tuple, label %sized, label %give_up
list:
  %is_list = icmp eq ptr %type, @PyList_Type
  br i1 %is_list, label %list_items, label %give_up
list_items:
  %items_at = getelementptr %list, ptr %tree, i32 0, i32 3
  %items_of_list = load ptr, ptr %items_at
  br label %sized
sized:
  %items = phi ptr [ %tuple_items, %tuple ], [ %items_of_list, %list_items ]
  %size_at = getelementptr %tuple, ptr %tree, i32 0, i32 2
  %size = load i64, ptr %size_at
  %size_fits = icmp eq i64 %size, %children
  br i1 %size_fits, label %item, label %give_up
item:
  %t = phi i64 [ 0, %sized ], [ %t_next, %one_item ]
  %items_end = icmp eq i64 %t, %children
  br i1 %items_end, label %with_children, label %one_item
one_item:
  %item_at = getelementptr ptr, ptr %items, i64 %t
  %item_object = load ptr, ptr %item_at
  call void @Py_IncRef(ptr %item_object)
  %item_place = add i64 %end, %t
  %item_to = getelementptr ptr, ptr %objects, i64 %item_place
  store ptr %item_object, ptr %item_to
  %t_next = add i64 %t, 1
  br label %item
dict:
  %is_dict = icmp eq ptr %type, @PyDict_Type
  br i1 %is_dict, label %dict_size, label %give_up
dict_size:
  %entries = call i64 @PyDict_Size(ptr %tree)
  %keys_at = getelementptr %node, ptr %p, i32 0, i32 2
  %keys = load ptr, ptr %keys_at
  %entries_fit = icmp eq i64 %entries, %children
  br i1 %entries_fit, label %key, label %give_up
key:
  %e = phi i64 [ 0, %dict_size ], [ %e_next, %one_entry ]
  %keys_end = icmp eq i64 %e, %children
  br i1 %keys_end, label %with_children, label %one_key
one_key:
  %key_at = getelementptr ptr, ptr %keys, i64 %e
  %key_object = load ptr, ptr %key_at
  %entry_object = call ptr @PyDict_GetItemWithError(ptr %tree, ptr %key_object)
  %missing = icmp eq ptr %entry_object, null
  %entry_place = add i64 %end, %e
  br i1 %missing, label %no_entry, label %one_entry
no_entry:
  call void @PyErr_Clear()
  call void @release(ptr %objects, i64 %n_args, i64 %entry_place)
  br label %miss
one_entry:
  call void @Py_IncRef(ptr %entry_object)
  %entry_to = getelementptr ptr, ptr %objects, i64 %entry_place
  store ptr %entry_object, ptr %entry_to
  %e_next = add i64 %e, 1
  br label %key
with_children:
  %end_children = add i64 %end, %children
  br label %next_node
next_node:
  %end_after = phi i64 [ %end, %leaf ], [ %end, %none ], [ %end_children, %with_children ]
  %m_next = add i64 %m, 1
  br label %node
give_up:
  call void @release(ptr %objects, i64 %n_args, i64 %end)
  br label %miss
go:
  %answer = call ptr @checked(ptr %s, ptr %leaves, ptr %outs)
  call void @release(ptr %objects, i64 %n_args, i64 %end)
  ret ptr %answer
miss:
  ret ptr inttoptr (i64 1 to ptr)
}
"""
