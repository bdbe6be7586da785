"""The numbers that the tables of signatures share with the code of the native entry."""

from __future__ import annotations

# Kinds of params, options, kinds of results.
ARRAY, STATIC, BOOL = 0, 1, 2
FLOAT_F64, FLOAT_F32, INT_I64, INT_I32, INT_F64, INT_F32 = 3, 4, 5, 6, 7, 8
RELEASE_GIL, OUT_ALLOWED, OUT_REQUIRED, OUT_POSITIONAL, INPLACE_OK = 1, 2, 4, 8, 16
RETURN_ARRAY, RETURN_TUPLE, RETURN_LIST, RETURN_NONE, RETURN_CALL = 0, 1, 2, 3, 4

# Kinds of nodes. A signature with trees lists its arguments, then the children of the first tree,
# those of the second, and so on; the nodes' objects are found in one walk.
LEAF, TUPLE, LIST, DICT, NONE = 0, 1, 2, 3, 4
