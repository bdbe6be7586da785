"""Walking and rewriting expressions, written once, without recursion on the Python stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .affine import ALWAYS, as_sum
from .expr import Apply, Expr, Load, Var, const

Rule = Callable[[Expr], "Expr | None"]


def postorder(root: Expr) -> Iterator[Expr]:
    """Every distinct sub-expression of ``root``, children before parents."""
    done: dict[Expr, None] = {}
    stack = [root]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        pending = [child for child in node.children if child not in done]
        if pending:
            pending.reverse()
            stack += pending
            continue
        stack.pop()
        done[node] = None
    return iter(done)


def rewrite(
    root: Expr, rule: Rule, memo: dict[Expr, Expr] | None = None, finished: object = Expr
) -> Expr:
    """``root`` rebuilt bottom-up; ``rule`` returns the new term for a node, or None to keep it.

    The rule sees each node once, with its children already rewritten; not those nodes whose
    ``_simple`` is ``finished``, which stay as they are. ``memo`` may be shared between calls with
    the same rule.
    """
    done: dict[Expr, Expr] = {} if memo is None else memo
    known = done.get(root)
    if known is not None:
        return known
    stack = [root]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        children = node.children
        rebuilt = node
        if children:
            if node._simple is finished:
                stack.pop()
                done[node] = node
                continue
            pending = [child for child in children if child not in done]
            if pending:
                pending.reverse()
                stack.extend(pending)
                continue
            fresh = tuple([done[child] for child in children])
            for new, old in zip(fresh, children, strict=True):
                if new is not old:
                    rebuilt = node.with_children(fresh)
                    break
        stack.pop()
        replaced = rule(rebuilt)
        done[node] = rebuilt if replaced is None else replaced
    return done[root]


def substitute(
    root: Expr, mapping: Mapping[Var, Expr], memo: dict[Expr, Expr] | None = None
) -> Expr:
    """``root`` with variables replaced. The axes that a Reduce binds must not be among the keys.

    ``memo`` may be shared between calls with the same mapping.
    """
    if not mapping or not root.children:
        return mapping.get(root, root) if isinstance(root, Var) else root
    if mapping.keys().isdisjoint(variables_of(root)):
        return root
    done: dict[Expr, Expr] = {} if memo is None else memo
    stack = [root]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        fresh, pending, is_same = [], [], True
        for child in node.children:
            new = done.get(child)
            if new is None:
                if child.children:
                    pending.append(child)
                    continue
                new = mapping.get(child, child)  # type: ignore[call-overload]
            fresh.append(new)
            is_same = is_same and new is child
        if pending:
            pending.reverse()
            stack += pending
            continue
        stack.pop()
        done[node] = node if is_same else node.with_children(tuple(fresh))
    return done[root]


def substitute_numbers(
    root: Expr, numbers: Mapping[Var, int], memo: dict[Expr, Expr] | None = None
) -> Expr:
    """``root`` with whole numbers for variables; ``memo`` may be shared between calls with the same
    ones. Sums of variables in normal form come out in normal form."""
    done: dict[Expr, Expr] = {} if memo is None else memo
    found = done.get(root)
    if found is not None:
        return found
    variables = numbers.keys()
    stack = [root]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        children = node.children
        if not children:
            number = numbers.get(node)  # type: ignore[call-overload]
            known = node if number is None else const(number)
        elif variables.isdisjoint(variables_of(node)):
            known = node
        elif node._simple is ALWAYS:
            known = as_sum(node).at(numbers).expr()
        else:
            fresh, pending = [], []
            for child in children:
                new = done.get(child)
                if new is None:
                    pending.append(child)
                else:
                    fresh.append(new)
            if pending:
                pending.reverse()
                stack += pending
                continue
            known = node.with_children(tuple(fresh))
        stack.pop()
        done[node] = known
    return done[root]


def substitute_loads(root: Expr, replace: Callable[[Load], Expr | None]) -> Expr:
    """``root`` with loads replaced by what ``replace`` returns for them (None keeps them)."""
    return rewrite(root, lambda node: replace(node) if isinstance(node, Load) else None)


def loads_of(root: Expr) -> tuple[Load, ...]:
    """All distinct loads in ``root``, in order of first evaluation."""
    if not root.children:
        return (root,) if isinstance(root, Load) else ()
    try:
        inside = root._loads
    except AttributeError:
        nodes = postorder(root)
        inside = tuple([n for n in nodes if isinstance(n, Load) and n is not root])
        root._loads = inside
    return (*inside, root) if isinstance(root, Load) else inside


def variables_of(root: Expr) -> tuple[Var, ...]:
    """All distinct variables in ``root``, in order of first appearance."""
    if not root.children:
        return (root,) if isinstance(root, Var) else ()
    try:
        return root._variables
    except AttributeError:
        pass
    stack = [root]
    while stack:
        node = stack[-1]
        found: tuple[Var, ...] = ()
        pending = []
        for child in node.children:
            more: tuple[Var, ...] = ()
            if child.children:
                try:
                    more = child._variables
                except AttributeError:
                    pending.append(child)
            elif isinstance(child, Var):
                more = (child,)
            if not found:
                found = more
            elif more and more is not found:
                found = tuple(dict.fromkeys(found + more))
        if pending:
            stack += pending
            continue
        stack.pop()
        node._variables = found
    return root._variables


def conjuncts(test: Expr | None) -> list[Expr]:
    """The parts of ``a & b & c``, in order; none for None."""
    match test:
        case None:
            return []
        case Apply(fn="bitand", args=(a, b)):
            return conjuncts(a) + conjuncts(b)
        case _:
            return [test]
