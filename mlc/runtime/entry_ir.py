"""LLVM IR text of a kernel's native entry: argument checks, allocation, the call, the result.

``ptr @mlc_entry(ptr callable, ptr args, i64 nargsf, ptr kwnames)`` is a vectorcall function. The
module it is added to defines ``i32 @mlc_main(ptr buffers, ptr workspace)``, 0 for success. On any
mismatch the entry jumps to the function in ``@mlc_next``: the next signature, in the end the slow
path. ``i32 @mlc_run(ptr buffers)`` is for callers that did the checks themselves: the buffers of
params and outputs filled in, room left for the constants.

The layout of ndarray objects is part of NumPy's binary interface (the same in 1.26 and 2.x).
"""

from __future__ import annotations

import math

from mlc.runtime.entry import ArraySpec, EntrySpec, ScalarSpec, StaticSpec
from mlc.runtime.symbols import WORKSPACE_CELLS

NO_MEMORY = -(1 << 31)  # what mlc_run returns when there is no workspace to be had
_STACK_WORKSPACE = 8 << 10

# Byte offsets into PyArrayObject, PyArray_Descr, PyTupleObject and PyFloatObject.
_TYPE, _DATA, _ND, _DIMS, _STRIDES, _DESCR, _FLAGS = 8, 16, 24, 32, 40, 56, 64
_BYTEORDER, _TYPE_NUM = 26, 28
_TUPLE_SIZE, _TUPLE_ITEMS = 16, 24
_FLOAT_VALUE = 16
_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400


def entry_ir(spec: EntrySpec, attributes: str = "") -> str:
    """The text to add to the module that defines ``@mlc_main``.

    ``attributes`` go on every function (see `Target.attributes`). The module must not declare
    ``malloc``, ``free`` or anything of Python's and NumPy's itself.
    """
    return _Writer(spec, f"nounwind {attributes}").module()


class _Writer:
    """Collects the text of one entry: globals, declarations, and lines of the current function."""

    def __init__(self, spec: EntrySpec, attributes: str) -> None:
        self.spec = spec
        self.attributes = attributes
        self.globals: dict[str, None] = {}
        self.declared: dict[str, None] = {}
        self.lines: list[str] = []
        self.count = 0
        self.n_inputs = len(spec.buffers)
        self.first_output = self.n_inputs + spec.n_constants
        self.n_buffers = self.first_output + len(spec.outputs)

    # -- small pieces -----------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.lines.append(text)

    def value(self, text: str) -> str:
        """A new SSA value for an instruction."""
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def call(self, result: str, name: str, *arguments: str) -> str:
        """Call an imported function; arguments as ``type value``."""
        types = ", ".join(a.partition(" ")[0] for a in arguments)
        self.declared[f"declare {result} @{name}({types})"] = None
        return self.value(f"call {result} @{name}({', '.join(arguments)})")

    def external(self, name: str) -> str:
        self.globals[f"@{name} = external global i8"] = None
        return f"@{name}"

    def load(self, kind: str, base: str, offset: int) -> str:
        at = self.at(base, offset)
        return self.value(f"load {kind}, ptr {at}")

    def at(self, base: str, offset: int) -> str:
        return self.value(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def require(self, *conditions: str) -> None:
        """Go on if all of these i1 hold, else to the slow path."""
        both = conditions[0]
        for condition in conditions[1:]:
            both = self.value(f"and i1 {both}, {condition}")
        self.count += 1
        name = f"ok{self.count}"
        self.line(f"  br i1 {both}, label %{name}, label %slow, !prof !0")
        self.label(name)

    def equal(self, kind: str, a: str, b: object) -> str:
        return self.value(f"icmp eq {kind} {a}, {b}")

    # -- the module -------------------------------------------------------------------------

    def module(self) -> str:
        spec = self.spec
        self.run_function()
        run = "\n".join(self.lines)
        self.lines = []
        self.entry_function()
        tables = {
            "mlc_constants": spec.n_constants,
            "mlc_names": len(spec.keywords) + 1,
            "mlc_statics": spec.n_statics,
        }
        cells = ["mlc_next", "mlc_error", "mlc_unflatten"]
        head = [f"@{name} = global ptr null" for name in cells]
        head += [
            f"@{name} = global [{max(n, 1)} x ptr] zeroinitializer" for name, n in tables.items()
        ]
        return "\n".join([
            *head, *self.globals, *self.declared, run, *self.lines,
            '!0 = !{!"branch_weights", i32 1000, i32 1}', "",
        ])  # fmt: skip

    def run_function(self) -> None:
        spec = self.spec
        self.line(f"define i32 @mlc_run(ptr %buffers) {self.attributes} {{")
        self.label("entry")
        for i in range(spec.n_constants):
            constant = self.load("ptr", "@mlc_constants", 8 * i)
            self.line(f"  store ptr {constant}, ptr {self.at('%buffers', 8 * (self.n_inputs + i))}")
        if spec.workspace_bytes <= _STACK_WORKSPACE:
            workspace = "null"
            if spec.workspace_bytes:
                workspace = self.value(f"alloca [{spec.workspace_bytes} x i8], align 64")
            code = self.value(f"call i32 @mlc_main(ptr %buffers, ptr {workspace})")
            self.line(f"  ret i32 {code}\n}}")
            return
        size_class = math.ceil(math.log2(spec.workspace_bytes + 64))
        if size_class >= WORKSPACE_CELLS:
            raise ValueError(f"a workspace of {spec.workspace_bytes} bytes is out of reach")
        cell = self.at(self.external("mlc_workspace_cells"), 8 * size_class)
        kept = self.value(f"atomicrmw xchg ptr {cell}, ptr null acq_rel")
        self.line(f"  br i1 {self.equal('ptr', kept, 'null')}, label %fresh, label %have")
        self.label("fresh")
        new = self.call("ptr", "malloc", f"i64 {1 << size_class}")
        self.line(f"  br i1 {self.equal('ptr', new, 'null')}, label %none, label %have")
        self.label("none")
        self.line(f"  ret i32 {NO_MEMORY}")
        self.label("have")
        raw = self.value(f"phi ptr [ {kept}, %entry ], [ {new}, %fresh ]")
        up = self.value(f"ptrtoint ptr {self.at(raw, 63)} to i64")
        rest = self.value(f"and i64 {up}, 63")
        back = self.value(f"sub i64 63, {rest}")
        workspace = self.value(f"getelementptr i8, ptr {raw}, i64 {back}")
        code = self.value(f"call i32 @mlc_main(ptr %buffers, ptr {workspace})")
        pair = self.value(f"cmpxchg ptr {cell}, ptr null, ptr {raw} acq_rel monotonic")
        stored = self.value(f"extractvalue {{ ptr, i1 }} {pair}, 1")
        self.line(f"  br i1 {stored}, label %done, label %surplus")
        self.label("surplus")
        self.declared["declare void @free(ptr)"] = None
        self.line(f"  call void @free(ptr {raw})\n  br label %done")
        self.label("done")
        self.line(f"  ret i32 {code}\n}}")

    def entry_function(self) -> None:
        signature = "ptr %callable, ptr %args, i64 %nargsf, ptr %kwnames"
        self.line(f"define ptr @mlc_entry({signature}) {self.attributes} {{")
        self.label("entry")
        self.line(f"  %buffers = alloca [{max(self.n_buffers, 1)} x ptr], align 16")
        self.line(f"  %made = alloca [{max(len(self.spec.outputs), 1)} x ptr], align 16")
        self.line(f"  %scalars = alloca [{max(self.n_inputs, 1)} x i64], align 16")
        self.line("  %n = and i64 %nargsf, 9223372036854775807")
        self.count_arguments()
        pointers = self.check_params()
        self.make_or_check_outputs(pointers)
        self.run_and_return()
        self.label("slow")
        following = self.load("ptr", "@mlc_next", 0)
        result = self.value(f"musttail call ptr {following}({signature})")
        self.line(f"  ret ptr {result}\n}}")

    def count_arguments(self) -> None:
        """Match the argument counts and keyword names; ends in ``check`` with ``%outs``, the
        address of the given outputs or null."""
        spec = self.spec
        n_params, n_keywords, n_outputs = len(spec.params), len(spec.keywords), len(spec.outputs)
        n_positional = n_params - n_keywords
        ways: list[tuple[str, str]] = []  # value of %outs, from which block
        self.line(
            "  br i1 " + self.equal("ptr", "%kwnames", "null") + ", label %plain, label %named"
        )
        self.label("plain")
        cases = []
        if not n_keywords:
            if spec.out != "required":
                cases.append(f"i64 {n_params}, label %check")
                ways.append(("null", "%plain"))
            if spec.out != "never" and spec.positional_out and n_outputs:
                cases.append(f"i64 {n_params + n_outputs}, label %positional")
        self.line(f"  switch i64 %n, label %slow [ {' '.join(cases)} ]")
        if any("%positional" in case for case in cases):
            self.label("positional")
            ways.append((self.at("%args", 8 * n_params), "%positional"))
            self.line("  br label %check")
        self.label("named")
        names = self.load("i64", "%kwnames", _TUPLE_SIZE)
        self.require(self.equal("i64", "%n", n_positional))
        for i in range(n_keywords):
            # The size is checked first: this reads items that exist.
            if i == 0:
                self.require(self.value(f"icmp uge i64 {names}, {n_keywords}"))
            given = self.load("ptr", "%kwnames", _TUPLE_ITEMS + 8 * i)
            self.require(self.equal("ptr", given, self.load("ptr", "@mlc_names", 8 * i)))
        cases = []
        if n_keywords and spec.out != "required":
            cases.append(f"i64 {n_keywords}, label %named_new")
        if spec.out != "never" and n_outputs:
            cases.append(f"i64 {n_keywords + 1}, label %named_out")
        self.line(f"  switch i64 {names}, label %slow [ {' '.join(cases)} ]")
        if any("%named_new" in case for case in cases):
            self.label("named_new")
            ways.append(("null", "%named_new"))
            self.line("  br label %check")
        if any("%named_out" in case for case in cases):
            self.label("named_out")
            given = self.load("ptr", "%kwnames", _TUPLE_ITEMS + 8 * n_keywords)
            self.require(self.equal("ptr", given, self.load("ptr", "@mlc_names", 8 * n_keywords)))
            at = self.at("%args", 8 * n_params)
            if n_outputs > 1:
                group = self.value(f"load ptr, ptr {at}")
                kind = self.load("ptr", group, _TYPE)
                self.require(self.equal("ptr", kind, self.external("PyTuple_Type")))
                size = self.load("i64", group, _TUPLE_SIZE)
                self.require(self.equal("i64", size, n_outputs))
                at = self.at(group, _TUPLE_ITEMS)
            self.line("  br label %given_out")
            self.label("given_out")
            ways.append((at, "%given_out"))
            self.line("  br label %check")
        self.label("check")
        incoming = ", ".join(f"[ {outs}, {block} ]" for outs, block in ways)
        self.line(f"  %outs = phi ptr {incoming}")

    def check_params(self) -> list[str]:
        """Check every param and store its buffer; the data pointers, one per buffer."""
        pointers: list[str] = []
        statics = 0
        for i, param in enumerate(self.spec.params):
            argument = self.load("ptr", "%args", 8 * i)
            match param:
                case ArraySpec():
                    pointer = self.check_array(argument, param, writeable=False)
                case ScalarSpec():
                    pointer = self.unbox(argument, param, len(pointers))
                case StaticSpec():
                    wanted = self.load("ptr", "@mlc_statics", 8 * statics)
                    self.require(self.equal("ptr", argument, wanted))
                    statics += 1
                    continue
            self.line(f"  store ptr {pointer}, ptr {self.at('%buffers', 8 * len(pointers))}")
            pointers.append(pointer)
        return pointers

    def check_array(self, array: str, spec: ArraySpec, *, writeable: bool) -> str:
        kind = self.load("ptr", array, _TYPE)
        self.require(self.equal("ptr", kind, self.external("PyArray_Type")))
        needed = (
            (_CONTIGUOUS if spec.strides is None else 0)
            | (_ALIGNED if spec.aligned else 0)
            | (_WRITEABLE if writeable else 0)
        )
        rank = self.load("i32", array, _ND)
        flags = self.value(f"and i32 {self.load('i32', array, _FLAGS)}, {needed}")
        descr = self.load("ptr", array, _DESCR)
        order = self.load("i8", descr, _BYTEORDER)
        number = self.load("i32", descr, _TYPE_NUM)
        self.require(
            self.equal("i32", rank, len(spec.shape)),
            self.equal("i32", flags, needed),
            self.equal("i8", order, ord(spec.numpy.byteorder)),
            self.equal("i32", number, self.type_number(spec)),
        )
        if spec.shape:
            dims = self.load("ptr", array, _DIMS)
            self.require(*(
                self.equal("i64", self.load("i64", dims, 8 * i), n)
                for i, n in enumerate(spec.shape)
            ))  # fmt: skip
        used = [i for i, n in enumerate(spec.shape) if n > 1]
        if spec.strides is not None and used and 0 not in spec.shape:
            steps = self.load("ptr", array, _STRIDES)
            self.require(*(
                self.equal("i64", self.load("i64", steps, 8 * i), spec.strides[i]) for i in used
            ))  # fmt: skip
        return self.load("ptr", array, _DATA)

    def type_number(self, spec: ArraySpec) -> str:
        # Dtypes that are registered at run time have another number in every process.
        if spec.numpy.num < 256:
            return str(spec.numpy.num)
        return self.value(f"load i32, ptr {self.external(f'mlc_type_num_{spec.dtype}')}")

    def unbox(self, scalar: str, spec: ScalarSpec, index: int) -> str:
        """Store a Python scalar as a 0-d buffer; its address."""
        slot = self.at("%scalars", 8 * index)
        kind = self.load("ptr", scalar, _TYPE)
        if spec.kind == "bool":
            true = self.equal("ptr", scalar, self.external("_Py_TrueStruct"))
            self.require(self.equal("ptr", kind, self.external("PyBool_Type")))
            value, type_ = self.value(f"zext i1 {true} to i64"), "i64"
        elif spec.kind == "int":
            self.require(self.equal("ptr", kind, self.external("PyLong_Type")))
            self.line(f"  store i32 0, ptr {slot}")
            value = self.call("i64", "PyLong_AsLongLongAndOverflow", f"ptr {scalar}", f"ptr {slot}")
            over = self.value(f"load i32, ptr {slot}")
            self.require(self.equal("i32", over, 0))
            type_ = "i64"
        else:
            self.require(self.equal("ptr", kind, self.external("PyFloat_Type")))
            value, type_ = self.load("double", scalar, _FLOAT_VALUE), "double"
        self.line(f"  store {self.convert(value, type_, spec.dtype)}, ptr {slot}")
        return slot

    def convert(self, value: str, type_: str, dtype: str) -> str:
        """``type value`` of a scalar as the dtype; what does not fit goes the slow path."""
        to = {"float32": "float", "float64": "double", "int32": "i32", "int64": "i64", "bool": "i8"}
        target = to[dtype]
        if target == type_:
            return f"{type_} {value}"
        if type_ == "double":
            if target != "float":
                raise ValueError(f"a Python float cannot be passed as {dtype}")
            return f"float {self.value(f'fptrunc double {value} to float')}"
        if target in ("float", "double"):
            return f"{target} {self.value(f'sitofp i64 {value} to {target}')}"
        small = self.value(f"trunc i64 {value} to {target}")
        wide = self.value(f"sext {target} {small} to i64")
        self.require(self.equal("i64", wide, value))
        return f"{target} {small}"

    def make_or_check_outputs(self, pointers: list[str]) -> None:
        spec = self.spec
        self.line("  br i1 " + self.equal("ptr", "%outs", "null") + ", label %make, label %given")
        self.label("given")
        if spec.out == "never":
            self.line("  br label %slow")
        else:
            self.check_outputs(pointers)
            self.line("  br label %go")
        self.label("make")
        if spec.out == "required":
            self.line("  br label %slow")
        else:
            for j, output in enumerate(spec.outputs):
                self.make_output(j, output)
            self.line("  br label %go")

    def check_outputs(self, pointers: list[str]) -> None:
        spec = self.spec
        outputs: list[tuple[ArraySpec, str]] = []
        for j, output in enumerate(spec.outputs):
            array = self.load("ptr", "%outs", 8 * j)
            data = self.check_array(array, output, writeable=True)
            inputs = [(s, p) for s, p in zip(spec.buffers, pointers) if isinstance(s, ArraySpec)]
            for other, pointer in inputs:
                same = spec.inplace_ok and other.strides is None and other.shape == output.shape
                same = same and other.numpy.itemsize == output.numpy.itemsize
                self.check_apart(output, data, other, pointer, same)
            for other, pointer in outputs:
                self.check_apart(output, data, other, pointer, False)
            outputs.append((output, data))
            self.line(f"  store ptr {data}, ptr {self.at('%buffers', 8 * (self.first_output + j))}")
            self.line(f"  store ptr {array}, ptr {self.at('%made', 8 * j)}")

    def check_apart(self, a: ArraySpec, p: str, b: ArraySpec, q: str, same_ok: bool) -> None:
        """Go the slow path if two arrays share memory, unless they are the same and may be."""
        a_low, a_high = a.span()
        b_low, b_high = b.span()
        if a_low == a_high or b_low == b_high:
            return
        before = self.value(f"icmp ule ptr {self.at(p, a_high)}, {self.at(q, b_low)}")
        after = self.value(f"icmp ule ptr {self.at(q, b_high)}, {self.at(p, a_low)}")
        fine = self.value(f"or i1 {before}, {after}")
        if same_ok:
            fine = self.value(f"or i1 {fine}, {self.equal('ptr', p, q)}")
        self.require(fine)

    def make_output(self, j: int, output: ArraySpec) -> None:
        rank, dims = len(output.shape), "null"
        if rank:
            dims = f"@dims{j}"
            numbers = ", ".join(f"i64 {n}" for n in output.shape)
            self.globals[f"{dims} = internal constant [{rank} x i64] [{numbers}]"] = None
        array = self.call(
            "ptr", "PyArray_New", f"ptr {self.external('PyArray_Type')}", f"i32 {rank}",
            f"ptr {dims}", f"i32 {self.type_number(output)}",
            "ptr null", "ptr null", "i32 0", "i32 0", "ptr null",
        )  # fmt: skip
        self.line(
            f"  br i1 {self.equal('ptr', array, 'null')}, label %lost{j}, label %made{j}, !prof !1"
        )
        self.globals['!1 = !{!"branch_weights", i32 1, i32 1000}'] = None
        self.label(f"lost{j}")
        self.release(j)
        self.line("  ret ptr null")
        self.label(f"made{j}")
        self.line(f"  store ptr {array}, ptr {self.at('%made', 8 * j)}")
        data = self.load("ptr", array, _DATA)
        self.line(f"  store ptr {data}, ptr {self.at('%buffers', 8 * (self.first_output + j))}")

    def release(self, n: int) -> None:
        """Drop the references to the first ``n`` outputs."""
        self.declared["declare void @Py_DecRef(ptr)"] = None
        for j in range(n):
            self.line(f"  call void @Py_DecRef(ptr {self.load('ptr', '%made', 8 * j)})")

    def run_and_return(self) -> None:
        spec, n = self.spec, len(self.spec.outputs)
        self.label("go")
        if spec.release_gil:
            thread = self.call("ptr", "PyEval_SaveThread")
        code = self.value("call i32 @mlc_run(ptr %buffers)")
        if spec.release_gil:
            self.declared["declare void @PyEval_RestoreThread(ptr)"] = None
            self.line(f"  call void @PyEval_RestoreThread(ptr {thread})")
        # From here on the outputs are ours, given or made.
        own = self.equal("ptr", "%outs", "null")
        self.line(f"  br i1 {own}, label %owned, label %borrowed")
        self.label("borrowed")
        self.declared["declare void @Py_IncRef(ptr)"] = None
        for j in range(n):
            self.line(f"  call void @Py_IncRef(ptr {self.load('ptr', '%made', 8 * j)})")
        self.line("  br label %owned")
        self.label("owned")
        failed = self.value(f"icmp ne i32 {code}, 0")
        self.line(f"  br i1 {failed}, label %failed, label %fine, !prof !1")
        self.globals['!1 = !{!"branch_weights", i32 1, i32 1000}'] = None
        self.label("failed")
        self.release(n)
        self.report(code)
        self.line("  ret ptr null")
        self.label("fine")
        self.finish(own)

    def report(self, code: str) -> None:
        """Call the Python function that raises."""
        boxed = self.call(
            "ptr", "PyLong_FromLongLong", f"i64 {self.value(f'sext i32 {code} to i64')}"
        )
        self.line(f"  store ptr {boxed}, ptr %buffers")
        function = self.load("ptr", "@mlc_error", 0)
        self.call(
            "ptr", "PyObject_Vectorcall", f"ptr {function}", "ptr %buffers", "i64 1", "ptr null"
        )
        self.declared["declare void @Py_DecRef(ptr)"] = None
        self.line(f"  call void @Py_DecRef(ptr {boxed})")

    def finish(self, own: str) -> None:
        spec, n = self.spec, len(self.spec.outputs)
        self.unwrap_scalars(own)
        match spec.returns:
            case "array":
                self.line(f"  ret ptr {self.load('ptr', '%made', 0)}")
            case "none":
                self.release(n)
                none = self.external("_Py_NoneStruct")
                self.declared["declare void @Py_IncRef(ptr)"] = None
                self.line(f"  call void @Py_IncRef(ptr {none})\n  ret ptr {none}")
            case "call":
                function = self.load("ptr", "@mlc_unflatten", 0)
                result = self.call(
                    "ptr",
                    "PyObject_Vectorcall",
                    f"ptr {function}",
                    "ptr %made",
                    f"i64 {n}",
                    "ptr null",
                )
                self.release(n)
                self.line(f"  ret ptr {result}")
            case "tuple" | "list":
                kind = "PyTuple" if spec.returns == "tuple" else "PyList"
                group = self.call("ptr", f"{kind}_New", f"i64 {n}")
                self.line(f"  br i1 {self.equal('ptr', group, 'null')}, label %lost, label %fill")
                self.label("lost")
                self.release(n)
                self.line("  ret ptr null")
                self.label("fill")
                for j in range(n):
                    item = self.load("ptr", "%made", 8 * j)
                    self.call("i32", f"{kind}_SetItem", f"ptr {group}", f"i64 {j}", f"ptr {item}")
                self.line(f"  ret ptr {group}")

    def unwrap_scalars(self, own: str) -> None:
        """New 0-d outputs become NumPy scalars, as a ufunc's do; given ones stay arrays."""
        flat = [j for j, output in enumerate(self.spec.outputs) if not output.shape]
        if not flat or self.spec.returns == "none":
            return
        self.line(f"  br i1 {own}, label %unwrap, label %whole")
        self.label("unwrap")
        for j in flat:
            array = self.load("ptr", "%made", 8 * j)
            scalar = self.call("ptr", "PyArray_Return", f"ptr {array}")
            self.line(f"  store ptr {scalar}, ptr {self.at('%made', 8 * j)}")
            self.line(
                f"  br i1 {self.equal('ptr', scalar, 'null')}, label %none{j}, label %scalar{j}"
            )
            self.label(f"none{j}")
            for k in range(len(self.spec.outputs)):
                if k != j:
                    self.line(f"  call void @Py_DecRef(ptr {self.load('ptr', '%made', 8 * k)})")
            self.line("  ret ptr null")
            self.label(f"scalar{j}")
        self.declared["declare void @Py_DecRef(ptr)"] = None
        self.line("  br label %whole")
        self.label("whole")
