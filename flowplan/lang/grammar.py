"""What of Jinja the language has: checks a parsed text, and turns each use of a root into a numbered path."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from flowplan.lang.functions import FILTERS_ALLOWED, METHOD_NAMES, REGISTER, TESTS_ALLOWED
from flowplan.lang.words import FUNCTIONS, FUNCTIONS_TOLD, ROOTS, ExpressionError, PathExpr, Slot
from flowplan.values.diagnostic import did_you_mean

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.AssignBlock,
    nodes.Name, nodes.Const, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Tuple, nodes.CondExpr,
    nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat,
    nodes.Compare, nodes.Operand, nodes.BinExpr, nodes.UnaryExpr,
)  # fmt: skip
_STATEMENTS = "if, for and set"
_ENVIRONMENT = "Declare a variable and write var.NAME: it takes its value from FLOWPLAN_VAR_NAME."
_NAMING = {
    "map": (0, "filter", FILTERS_ALLOWED),
    **dict.fromkeys(("select", "reject"), (0, "test", TESTS_ALLOWED)),
    **dict.fromkeys(("selectattr", "rejectattr"), (1, "test", TESTS_ALLOWED)),
}
"""The filters that are given another filter or a test by its name: as which value, and what there is."""


class Rewriter(NodeTransformer):
    """Checks a parsed text against the language and turns each use of a root into a call of ``_p(number, …)``."""

    def __init__(self, local: set[str]) -> None:
        self.local = local
        self.paths: list[PathExpr] = []
        self.files: list[str] = []
        self.loops = False
        self.repeats = 0  # how many loops and blocks of text are open

    def generic_visit(self, node: nodes.Node, *args: Any, **options: Any) -> nodes.Node:
        """Refuse what the language does not have."""
        if not isinstance(node, _ALLOWED):
            word = type(node).__name__.lower()
            raise ExpressionError(
                f"{{% {word} %}} is not part of the language",
                f"The statements are {_STATEMENTS}.",
                f"{{% {word}",
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
            _ENVIRONMENT
            if node.name in ("env", "environ", "ENV")
            else near
            or "Start from var.NAME, local.NAME, each.key or a resource such as task.NAME; "
            "for literal braces write {% raw %}…{% endraw %}.",
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
        if isinstance(called, nodes.Name) and called.name in REGISTER:
            if not node.args or node.dyn_args is not None or node.dyn_kwargs is not None:
                signature = REGISTER[called.name].signature
                raise ExpressionError(
                    f"{called.name}() needs a value first", f"It is written as {signature}.", called.name
                )
            filtered = nodes.Filter(
                node.args[0], called.name, node.args[1:], node.kwargs, None, None, lineno=node.lineno
            )
            return self.visit_Filter(filtered)
        if isinstance(called, nodes.Getattr) and called.attr in METHOD_NAMES:
            if node.kwargs:
                raise ExpressionError(
                    f"{called.attr}() takes its values without names", "Write them in order.", called.attr
                )
            called.node = self.visit(called.node)
        elif isinstance(called, nodes.Name) and called.name in FUNCTIONS:
            if called.name == "template_file" and node.args and isinstance(node.args[0], nodes.Const):
                self.files.append(str(node.args[0].value))
        else:
            name = getattr(called, "name", getattr(called, "attr", ""))
            known = [*FUNCTIONS, *REGISTER, *METHOD_NAMES]
            near = did_you_mean(str(name), known) or FUNCTIONS_TOLD
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
        inside = sum(
            1 for part in (*node.body, *([node.test] if node.test else [])) for _ in part.find_all(nodes.Node)
        )
        self.repeats += 1
        self.generic_visit(node)
        self.repeats -= 1
        node.iter = self._call("_each", [node.iter, nodes.Const(inside + 1)], node)
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:  # noqa: N802
        """Text that is kept is counted as it is made."""
        self.repeats += 1
        self.generic_visit(node)
        self.repeats -= 1
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        """Literal text is counted where it can be repeated."""
        self.generic_visit(node)
        if self.repeats:
            node.nodes = [
                nodes.Const(part.data, lineno=part.lineno) if isinstance(part, nodes.TemplateData) else part
                for part in node.nodes
            ]
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        """The number and names of what a function is given are checked before it is ever called."""
        function = REGISTER.get(node.name)
        if function is not None and node.dyn_args is None and node.dyn_kwargs is None:
            wrong = function.mismatch(1 + len(node.args), [str(one.key) for one in node.kwargs])
            if wrong:
                raise ExpressionError(wrong, f"It is written as {function.signature}.", node.name)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError("* and ** cannot stand in a call", "Write the values one by one.")
        place = _NAMING.get(node.name)
        if place is not None and len(node.args) > place[0] and isinstance(node.args[place[0]], nodes.Const):
            named = node.args[place[0]].value  # type: ignore[attr-defined]
            if named not in place[2]:
                near = (
                    did_you_mean(str(named), place[2])
                    or f"The {place[1]}s are: {', '.join(sorted(place[2]))}."
                )
                raise ExpressionError(f"there is no {place[1]} {named!r}", near, str(named))
        return self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        """What is compared is counted: two lists may take long."""
        self.generic_visit(node)
        node.expr = self._call("_w", [node.expr], node)
        for operand in node.ops:
            operand.expr = self._call("_w", [operand.expr], node)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        """Keys are texts, or what can be written as one."""
        self.generic_visit(node)
        if not (isinstance(node.key, nodes.Const) and isinstance(node.key.value, str)):
            node.key = self._call("_k", [node.key], node)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """Joined texts are bounded."""
        self.generic_visit(node)
        return self._call("_cat", node.nodes, node)

    def _call(self, name: str, args: list[Any], node: nodes.Node) -> nodes.Call:
        return nodes.Call(nodes.Name(name, "load"), args, [], None, None, lineno=node.lineno)

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
        self.generic_visit(node)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            node.node = self._call("_w", [node.node], node)
        return node
