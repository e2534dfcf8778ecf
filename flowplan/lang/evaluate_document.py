"""A stack as it is once everything in it is evaluated: a document in the stack's own words, for people and programs.

A stack of plain resources whose values are all known reads back as the same stack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs

from flowplan.lang.format_yaml import dump_yaml
from flowplan.lang.stack import Condition, Dependency, Lifecycle, ProviderSettings, Resource, Stack
from flowplan.lang.template import is_template
from flowplan.values.address import Kind
from flowplan.values.value import Sensitive, Unknown

HIDDEN = "(sensitive value)"
"""What stands for a value that is not shown."""
LATER = "known after apply"
"""The comment beside an expression that cannot be evaluated yet."""


def build_rendered(stack: Stack) -> dict[str, Any]:
    """The document of a stack; leaves may be `Unknown` and `Sensitive`. What is null or empty is left out.

    An instance of a resource with ``for_each`` stands under ``name["key"]``, those of a module under ``modules``.
    """
    found: dict[str, Any] = {"stack": stack.name, "description": stack.description}
    found["provider"] = _said(stack.provider, ProviderSettings())
    found |= {name: _said(getattr(stack, name), None) for name in ("budget", "limits")}
    modules: dict[str, Any] = {}
    for resource in stack.resources.values():
        place = found
        for part in resource.address.module:
            place = (modules if place is found else place.setdefault("modules", {})).setdefault(part, {})
        place.setdefault(resource.kind.section, {})[_label(resource)] = _body(resource)
    found["modules"] = modules
    found["outputs"] = {
        name: _kept(
            {"value": output.value, "description": output.description, "sensitive": output.sensitive or None}
        )
        | ({} if _is_something(output.value) else {"value": output.value})
        for name, output in stack.outputs.items()
    }
    order = ["stack", "description", "provider", "budget", "limits", "modules", *(k.section for k in Kind)]
    return _kept({name: found.get(name) for name in (*order, "outputs")})


def render_yaml(document: dict[str, Any]) -> str:
    """The document as YAML. An unknown value is its expression with a comment, a sensitive one a placeholder."""
    return dump_yaml({key: _literally(value) for key, value in document.items()}, _note)


def _body(resource: Resource) -> dict[str, Any]:
    body = _without_null(resource.config)
    for name, value in body.items():
        if isinstance(value, list):
            # What a mount or a source does not say; deeper down a null is the user's own.
            body[name] = [_without_null(item) if isinstance(item, dict) else item for item in value]
    body |= _kept(
        {
            "depends_on": {str(each.address): _condition(each) for each in resource.depends_on},
            "lifecycle": _said(resource.lifecycle, Lifecycle()),
            "timeouts": {name: f"{limit.total_seconds():g}s" for name, limit in resource.timeouts.items()},
        }
    )
    return body


def _condition(dependency: Dependency) -> Any:
    if dependency.failed_ok:
        return {"condition": dependency.condition.value, "failed_ok": True}
    return dependency.condition.value if dependency.condition is not Condition.CREATED else "created"


def _label(resource: Resource) -> str:
    """The address of a resource without its module and kind."""
    return str(attrs.evolve(resource.address, module=())).partition(".")[2]


def _said(value: Any, default: Any) -> dict[str, Any]:
    """The fields of an attrs value that differ from those of ``default``, or from nothing."""
    found: dict[str, Any] = {}
    for each in attrs.fields(type(value)):
        held = getattr(value, each.name)
        if each.name == "span" or each.name.startswith("_"):
            continue
        if held != (getattr(default, each.name) if default is not None else None):
            found[each.name] = _data(held)
    return found


def _data(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return [_data(item) for item in value] if isinstance(value, tuple) else value


def _kept(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if _is_something(value)}


def _without_null(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _is_something(value: Any) -> bool:
    return value is not None and not (isinstance(value, (str, dict, list, tuple)) and not value)


def _literally(value: Any) -> Any:
    """``value`` with each text that would be read as an expression written as one that gives it."""
    if isinstance(value, str):
        return f"{{{{ {json.dumps(value, ensure_ascii=False)} }}}}" if is_template(value) else value
    if isinstance(value, dict):
        return {_literally(key): _literally(item) for key, item in value.items()}
    return [_literally(item) for item in value] if isinstance(value, (list, tuple)) else value


def _note(leaf: Any) -> tuple[Any, str]:
    if isinstance(leaf, Unknown) and not leaf.sensitive:
        source = leaf.source or ", ".join(str(reference) for reference in leaf.references)
        return source if is_template(source) else f"{{{{ {source} }}}}", LATER
    if isinstance(leaf, (Sensitive, Unknown)):
        return HIDDEN, ""
    return str(leaf), ""
