"""Functions whose operations go through a helper: what `mlc.testing.rounding` runs."""

from __future__ import annotations

import ast
import functools
import inspect
import types

from .source import definition

HELPER = "__rounding__"
_NO_WAY = {"super", "locals", "eval", "exec", "vars", "globals"}


@functools.lru_cache(512)
def instrumented(code: types.CodeType) -> types.CodeType | None:
    """``code`` with operations that go through the shaker; None where that cannot be."""
    parts = code.co_filename.replace("\\", "/").split("/")
    names = set(code.co_names)
    if "@py_builtins" in names:  # an assert that pytest has rewritten
        names.discard("locals")
    if "site-packages" in parts or _NO_WAY & names:
        return None
    if code.co_filename.startswith(_standard_library()):
        return None
    found = definition(code)
    if found is None:
        return None
    node = found if isinstance(found, ast.FunctionDef) else _named(found)
    node.decorator_list, node.returns = [], None
    node = _Rewrite().visit(node)
    assert isinstance(node, ast.FunctionDef)
    node.name = "__mlc_function__"  # within the factory its own name must not hide the global one
    nothing: ast.expr = ast.Constant(None)
    node.args.defaults = [nothing] * len(node.args.defaults)
    node.args.kw_defaults = [None if d is None else nothing for d in node.args.kw_defaults]
    for part in ast.walk(node.args):
        if isinstance(part, ast.arg):
            part.annotation = None
    factory = ast.parse(f"def factory({', '.join((*code.co_freevars, HELPER))}): pass").body[0]
    assert isinstance(factory, ast.FunctionDef)
    factory.body = [node]
    module = ast.Module([factory], [])
    whole = compile(ast.fix_missing_locations(module), code.co_filename, "exec", dont_inherit=True)
    outer = next(c for c in whole.co_consts if isinstance(c, types.CodeType))
    inner = (c for c in outer.co_consts if isinstance(c, types.CodeType))
    return next(c for c in inner if c.co_name == node.name).replace(co_name=code.co_name)


def _named(node: ast.Lambda) -> ast.FunctionDef:
    made = ast.parse("def function(): pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.args, made.body = node.args, [ast.Return(node.body)]
    return made


@functools.cache
def _standard_library() -> str:
    return inspect.__file__.removesuffix("inspect.py")


def _to(name: str, *parts: ast.expr) -> ast.Call:
    helper = ast.Attribute(ast.Name(HELPER, ast.Load()), name, ast.Load())
    return ast.Call(helper, list(parts), [])


_NAMES: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.MatMult: "matmul",
    ast.FloorDiv: "floordiv", ast.Mod: "mod", ast.Pow: "pow", ast.BitOr: "or_", ast.BitAnd: "and_",
    ast.BitXor: "xor", ast.LShift: "lshift", ast.RShift: "rshift",
}  # fmt: skip


_TESTS: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip


class _Rewrite(ast.NodeTransformer):
    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) > 1 or type(node.ops[0]) not in _TESTS:
            return node
        name = ast.Constant(_TESTS[type(node.ops[0])])
        return _to("compared", name, node.left, node.comparators[0])

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return _to("binary", ast.Constant(_NAMES[type(node.op)]), node.left, node.right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        called = _to("call", node.func, *node.args)
        called.keywords = node.keywords
        return called

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        name = ast.Constant("i" + _NAMES[type(node.op)].rstrip("_"))
        match node.target:
            case ast.Subscript(value=owner, slice=index):
                return ast.Expr(_to("augment_item", name, owner, _as_value(index), node.value))
            case ast.Name(id=variable):
                value = _to("augment", name, ast.Name(variable, ast.Load()), node.value)
                return ast.Assign([ast.Name(variable, ast.Store())], value)
        return node


def _as_value(index: ast.expr) -> ast.expr:
    """An index as an expression outside of brackets: ``1:, 2`` becomes ``(slice(1, None), 2)``."""
    match index:
        case ast.Slice(lower, upper, step):
            ends = [end or ast.Constant(None) for end in (lower, upper, step)]
            return _to("slice", *ends)
        case ast.Tuple(elts=parts):
            return ast.Tuple([_as_value(part) for part in parts], ast.Load())
    return index
