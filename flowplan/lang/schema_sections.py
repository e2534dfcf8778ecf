"""The sections of a stack file around its resources, as JSON Schema."""

from __future__ import annotations

import attrs

from flowplan.lang.checks import SEVERITIES
from flowplan.lang.header import PROVIDER_FIELDS, PROVIDERS
from flowplan.lang.lookups import LOOKUPS, LookupKind
from flowplan.lang.meta import CHOICES, TIMEOUTS
from flowplan.lang.schema_pieces import (
    DURATION,
    EXPRESSION,
    IS_EXPRESSION,
    MONEY,
    Schema,
    closed,
    named,
    or_expression,
    rows,
    text,
)
from flowplan.lang.stack import Budget, Condition, Limits
from flowplan.lang.value_types import TYPES
from flowplan.values.address import Kind

_JSON_TYPES = {
    "string": "string", "int": "integer", "number": "number", "bool": "boolean", "list": "array",
    "map": "object", "object": "object",
}  # fmt: skip
"""The types of variables whose values look in YAML as they do in JSON."""
_TARGET: Schema = {"$ref": "#/$defs/target"}
_RULE: Schema = {"$ref": "#/$defs/rule"}
_TYPE: Schema = {"$ref": "#/$defs/type"}
_FIELDS: Schema = {"$ref": "#/$defs/fields"}


def sections() -> dict[str, Schema]:
    """The sections around the resources, by name."""
    return {
        "requires": text('The versions of flowplan that it works with, such as ">=0.1".'),
        "description": text("What the stack is for."),
        "provider": _provider(),
        "variables": named("variable", "Values given from outside, by name: {{ var.NAME }}."),
        "locals": named(None, "Values that are used more than once, by name: {{ local.NAME }}."),
        "data": named("lookup", "What is read and not owned, by name: {{ data.NAME.ATTRIBUTE }}."),
        "modules": named("module", "Folders that are called with inputs, by name: {{ module.NAME.OUTPUT }}."),
        "defaults": {
            "description": "Fields for every resource of a kind that does not say them itself.",
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {kind.section: {"$ref": f"#/$defs/{kind.value}_defaults"} for kind in Kind},
        },
        "moved": rows(
            "Renames: what is recorded at one address becomes another.",
            {"from": _TARGET, "to": _TARGET},
            ["from", "to"],
        ),
        "removed": rows(
            "What the stack lets go of without destroying it.",
            {
                "from": _TARGET,
                "destroy": or_expression({"description": "Destroy it after all.", "type": "boolean"}),
            },
            ["from"],
        ),
        "imports": _imports(),
        "checks": _checks(),
        "budget": _budget(),
        "limits": _limits(),
        "outputs": named("output", "What the stack gives, by name."),
    }


def definitions() -> dict[str, Schema]:
    """The definitions that the sections and the meta-fields refer to, by name."""
    return {
        "rule": {
            "type": "string",
            "pattern": IS_EXPRESSION,
            "description": "An expression that must be true.",
        },
        "type": {
            "description": "What a value is: a word, or list(…) and map(…) with the type of what they hold.",
            "anyOf": [{"enum": list(TYPES)}, {"type": "string", "pattern": r"^\s*(?:list|map)\(.+\)\s*$"}],
        },
        "fields": _fields(),
        "variable": _variable(),
        "output": _output(),
        "lookup": _lookup(),
        "module": _module(),
        "lifecycle": _lifecycle(),
        "timeouts": _timeouts(),
        "depends_on": _depends_on(),
        "for_each": {
            "description": "A list of different texts, or a mapping: one instance each, with each.key and each.value.",
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                {"type": "object"},
                EXPRESSION,
            ],
        },
        "require": _require(),
    }


def _provider() -> Schema:
    told = {
        "type": {
            "description": "The embedded sandbox, which is the default, or Mithril.",
            "enum": [*PROVIDERS, None],
        },
        "project": text("The project's name or id.", null=True),
        "region": text("Where resources live that do not say so themselves.", null=True),
        "api_url": text("The API's address, where it is not the provider's own.", null=True),
    }
    return {
        "description": "Where the stack's resources live.",
        **closed({name: or_expression(told[name]) for name in PROVIDER_FIELDS}),
    }


# -- values in and out -----------------------------------------------------------------------------------


def _fields() -> Schema:
    inner = closed(
        {
            "type": _TYPE,
            "default": {"description": "Its value where none is written."},
            "description": text("What it is for."),
            "fields": _FIELDS,
        }
    )
    return {
        "description": "The fields of an object, each with a type.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "anyOf": [_TYPE, {**inner, "anyOf": [{"required": ["type"]}, {"required": ["fields"]}]}]
        },
    }


def _variable() -> Schema:
    with_message = closed({"assert": _RULE, "message": text("What to say where it is not.")})
    body = closed(
        {
            "type": _TYPE,
            "fields": _FIELDS,
            "default": {
                "description": "Its value where none is given: a plain value. Without a default, one must be given.",
                "not": {"type": "string", "pattern": IS_EXPRESSION},
            },
            "description": text("What it is for."),
            "sensitive": {
                "description": "Never shown, and stored only as a keyed fingerprint.",
                "type": "boolean",
            },
            "secret": {
                "description": "The name under which its value is kept outside the stack; see docs/language/variables.md.",
                "type": "string",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
            },
            "validate": {"description": "What must hold of its value.", "anyOf": [_RULE, with_message]},
            "deprecated": {
                "description": "What to use instead: giving it a value is a warning.",
                "type": ["string", "boolean"],
            },
        }
    )
    words: list[tuple[Schema, str]] = [({"const": kind}, of) for kind, of in _JSON_TYPES.items()]
    words += [({"pattern": r"^\s*list\("}, "array"), ({"pattern": r"^\s*map\("}, "object")]
    fits = [
        {
            "if": {"properties": {"type": {"type": "string", **word}}, "required": ["type"]},
            "then": {"properties": {"default": {"type": [of, "null"]}}},
        }
        for word, of in words
    ]
    return {"description": "A variable.", **body, "type": ["object", "null"], "allOf": fits}


def _output() -> Schema:
    flag = {"description": "Not shown; needed where a sensitive value went in.", "type": "boolean"}
    fields = {
        "value": {"description": "The value, usually an expression."},
        "type": _TYPE,
        "fields": _FIELDS,
        "description": text("What it is."),
        "sensitive": or_expression(flag),
    }
    return {"description": "An output.", **closed(fields), "required": ["value"]}


def _lookup() -> Schema:
    return {
        "description": "What is looked for: a kind, with a name or more.",
        **closed({name: _looked_for(name, kind) for name, kind in LOOKUPS.items()}),
        "minProperties": 1,
        "maxProperties": 1,
    }


def _looked_for(name: str, kind: LookupKind) -> Schema:
    arguments = closed({each: text(f"The {each} that it has.") for each in kind.arguments})
    needed = [{"required": [each]} for each in kind.needed]
    return {
        "description": f"Its {kind.short}, or a mapping. It gives {', '.join(kind.attributes)}.",
        "anyOf": [{"type": "string", "minLength": 1}, {**arguments, "anyOf": needed}],
    }


def _module() -> Schema:
    flag = {"description": "False means not wanted: what it made is removed.", "type": "boolean"}
    source = text("The module's folder, relative to this file's: ./FOLDER.", pattern=r"^(?![\s\S]*\{[{%])")
    fields = {
        "source": {**source, "minLength": 1},
        "with": {"description": "Values for its variables, by name.", "type": ["object", "null"]},
        "for_each": {"$ref": "#/$defs/for_each"},
        "when": or_expression(flag),
        "depends_on": {"$ref": "#/$defs/depends_on"},
    }
    return {"description": "A call of a module.", **closed(fields), "required": ["source"]}


# -- the whole stack -------------------------------------------------------------------------------------


def _imports() -> Schema:
    fields = {
        "to": {"$ref": "#/$defs/address"},
        "id": text("The provider's id of it."),
        "name": text("Its name at the provider, where that is unique."),
    }
    found = rows("What exists at the provider and becomes the stack's.", fields, ["to"])
    found["items"]["oneOf"] = [{"required": ["id"]}, {"required": ["name"]}]
    return found


def _checks() -> Schema:
    fields = {
        "assert": _RULE,
        "message": text("What to say where it does not hold.", null=True),
        "severity": {
            "description": "Whether it stops the plan, or is a warning.",
            "enum": list(SEVERITIES),
        },
    }
    return rows("What must hold of the finished plan.", fields, ["assert"])


def _budget() -> Schema:
    told = {
        "max_hourly_usd": "Dollars an hour at most, for all at limit prices.",
        "max_committed_usd": "Dollars at most that are committed and cannot be taken back.",
    }
    amount = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": MONEY}]}
    fields = {
        each.name: or_expression({"description": told[each.name], **amount})
        for each in attrs.fields(Budget)
        if each.name != "span"
    }
    return {"description": "What the whole stack may cost.", **closed(fields), "type": ["object", "null"]}


def _limits() -> Schema:
    told = {
        "max_resources": "Resources at most.",
        "max_instances": "Instances at most, over all tasks.",
        "max_gpus": "GPUs at most, over all tasks.",
        "max_storage_gb": "Gigabytes at most, over all volumes.",
        "max_destroys": "Resources at most that one plan destroys.",
    }
    fields = {
        each.name: or_expression({"description": told[each.name], "type": "integer", "minimum": 0})
        for each in attrs.fields(Limits)
        if each.name != "span"
    }
    return {"description": "How large the stack may become.", **closed(fields), "type": ["object", "null"]}


# -- meta-fields -----------------------------------------------------------------------------------------


def _depends_on() -> Schema:
    condition = or_expression(
        {"description": "How far it must have come.", "enum": [c.value for c in Condition]}
    )
    passing = {"description": "Go on even where it has failed.", "type": "boolean"}
    way = {
        "anyOf": [
            condition,
            closed({"condition": condition, "failed_ok": or_expression(passing)}),
            {"type": "null"},
        ]
    }
    return {
        "description": "What comes first: addresses, or a mapping of them to how far each must have come.",
        "anyOf": [
            {"type": "array", "items": _TARGET},
            {"type": "object", "propertyNames": _TARGET, "additionalProperties": way},
            {"type": "null"},
        ],
    }


def _require() -> Schema:
    message = text("What to say where it does not hold.", null=True)
    found = rows("What must hold of the resource.", {"assert": _RULE, "message": message}, ["assert"])
    return {
        "description": found["description"],
        "anyOf": [found["items"], {"type": "array", "items": found["items"]}, {"type": "null"}],
    }


def _lifecycle() -> Schema:
    texts = {"type": "array", "items": {"type": "string"}}
    flags = {
        "prevent_destroy": "Refuse every plan that would destroy it.",
        "create_before_destroy": "Make a replacement before the old one is destroyed.",
    }
    lists = {
        "ignore_changes": "Attributes whose changes are passed over.",
        "replace_triggered_by": "References whose change replaces this resource.",
    }
    words = {
        "on_remove": "What becomes of it when it is removed from the stack.",
        "rerun": "What becomes of a task that has completed.",
        "on_lost": "What becomes of a task whose instance has vanished.",
    }
    fields = {
        **{name: or_expression({"description": said, "type": "boolean"}) for name, said in flags.items()},
        **{name: {"description": said, **texts} for name, said in lists.items()},
        **{
            name: or_expression({"description": said, "enum": list(CHOICES[name])})
            for name, said in words.items()
        },
    }
    return {
        "description": "How the resource may be changed and removed.",
        **closed(fields),
        "type": ["object", "null"],
    }


def _timeouts() -> Schema:
    told = {
        "create": "How long making it may take.",
        "update": "How long a change of it may take.",
        "delete": "How long destroying it may take.",
        "running": "How long it is waited for until it runs.",
        "completed": "How long it is waited for until it has completed.",
    }
    fields = {
        name: or_expression(text(f"{told[name]} As 30s, 10m or 2h.", pattern=DURATION)) for name in TIMEOUTS
    }
    return {"description": "How long steps may take.", **closed(fields), "type": ["object", "null"]}
