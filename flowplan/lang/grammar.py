"""What of Jinja the language has: checks a parsed text, and turns each use of a root into a numbered path."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from flowplan.lang.functions import METHOD_NAMES
from flowplan.lang.words import FUNCTIONS, ROOTS, ExpressionError, PathExpr, Slot
from flowplan.values.diagnostic import did_you_mean

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.AssignBlock,
    nodes.Name, nodes.Const, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Tuple, nodes.CondExpr,
    nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat,
    nodes.Compare, nodes.Operand, nodes.BinExpr, nodes.UnaryExpr,
)  # fmt: skip
_STATEMENTS = "if, for and set"


class Rewriter(NodeTransformer):
    """Checks a parsed text against the language and turns each use of a root into a call of ``_p(number, …)``."""

    def __init__(self, local: set[str]) -> None:
        self.local = local
        self.paths: list[PathExpr] = []
        self.files: list[str] = []
        self.loops = False

    def generic_visit(self, node: nodes.Node, *args: Any, **options: Any) -> nodes.Node:
        """Refuse what the language does not have."""
        if not isinstance(node, _ALLOWED):
            word = type(node).__name__.lower()
            raise ExpressionError(
                f"{{% {word} %}} is not part of the language", f"The statements are {_STATEMENTS}."
            )
        return super().generic_visit(node, *args, **options)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        """A root becomes a path; any other name must be known."""
        if node.ctx != "load":
            if node.name in ROOTS or node.name in FUNCTIONS or node.name.startswith("_"):
                raise ExpressionError(f"{node.name!r} is reserved and cannot be set here", needle=node.name)
            return node
        if node.name in ROOTS:
            return self._path(node)
        if node.name in self.local or node.name in FUNCTIONS:
            return node
        known = [*sorted(ROOTS - {"value"}), *FUNCTIONS, *sorted(self.local)]
        near = did_you_mean(node.name, known)
        raise ExpressionError(
            f"{node.name!r} is not defined",
            near
            or "Start from var.NAME, local.NAME, each.key or a resource such as task.NAME. "
            'A name with a hyphen is written as in volume["my-data"]; for literal braces write {% raw %}…{% endraw %}.',
            node.name,
        )

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        """Part of a path, or an attribute of a value."""
        return self._path(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """Part of a path, or an item of a value."""
        return self._path(node)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        """Only functions of the language and methods of values are called."""
        called = node.node
        if isinstance(called, nodes.Getattr) and called.attr in METHOD_NAMES:
            called.node = self.visit(called.node)
        elif isinstance(called, nodes.Name) and called.name in FUNCTIONS:
            if called.name == "template_file" and node.args and isinstance(node.args[0], nodes.Const):
                self.files.append(str(node.args[0].value))
        else:
            name = getattr(called, "name", getattr(called, "attr", ""))
            known = [*FUNCTIONS, *METHOD_NAMES]
            near = did_you_mean(str(name), known) or f"The functions are {', '.join(FUNCTIONS)}."
            raise ExpressionError(f"{name or 'this'}() is not a function of the language", near, str(name))
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError("* and ** cannot stand in a call")
        node.args = [self.visit(arg) for arg in node.args]
        for keyword in node.kwargs:
            keyword.value = self.visit(keyword.value)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        """Loops are counted."""
        if node.recursive:
            raise ExpressionError("recursive loops are not part of the language")
        self.loops = True
        self.generic_visit(node)
        node.iter = nodes.Call(nodes.Name("_each", "load"), [node.iter], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """Joined texts are bounded."""
        self.generic_visit(node)
        return nodes.Call(nodes.Name("_cat", "load"), node.nodes, [], None, None, lineno=node.lineno)

    def _path(self, node: nodes.Expr) -> nodes.Node:
        chain: list[nodes.Getattr | nodes.Getitem] = []
        inner: nodes.Expr = node
        while isinstance(inner, (nodes.Getattr, nodes.Getitem)):
            if isinstance(inner, nodes.Getattr) and inner.attr.startswith("_"):
                raise ExpressionError(
                    f"{inner.attr!r} is not allowed: names that start with _ are not data", "", inner.attr
                )
            if isinstance(inner, nodes.Getitem) and isinstance(inner.arg, nodes.Slice):
                chain.clear()
            chain.append(inner)
            inner = inner.node
        if not (isinstance(inner, nodes.Name) and inner.name in ROOTS and inner.ctx == "load"):
            return node if node is inner else self._descend(node)
        if (
            chain
            and isinstance(chain[0], nodes.Getitem)
            and isinstance(chain[0].arg, nodes.Slice)
            and chain[0] is not node
        ):
            return self._descend(node)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            return self._descend(node)
        parts: list[str | int | Slot] = []
        subscripts: list[nodes.Expr] = []
        text = inner.name
        for step in reversed(chain):
            if isinstance(step, nodes.Getattr):
                parts.append(step.attr)
                text += f".{step.attr}"
            elif isinstance(step.arg, nodes.Const) and type(step.arg.value) in (str, int):
                parts.append(step.arg.value)
                text += f"[{step.arg.value!r}]"
            else:
                parts.append(Slot(len(subscripts)))
                subscripts.append(self.visit(step.arg))
                text += "[…]"
        self.paths.append(PathExpr(inner.name, tuple(parts), text))
        number = nodes.Const(len(self.paths) - 1, lineno=node.lineno)
        call = nodes.Name("_p", "load", lineno=node.lineno)
        return nodes.Call(call, [number, *subscripts], [], None, None, lineno=node.lineno)

    def _descend(self, node: nodes.Expr) -> nodes.Node:
        return self.generic_visit(node)
