"""Modules: inputs and outputs, instances, nesting, names, files, and every way to call one wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lang_folders import good_with, load_with, places
from lang_stacks import resource, shown

from flowplan.lang.folders import digest_of_files, dump_lock, parse_lock
from flowplan.lang.naming import default_name, module_slug
from flowplan.lang.stack import Condition, Source
from flowplan.values.address import Address, Kind, module_path
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.value import NotYetKnown, Reference, Sensitive, Unknown, resolve, reveal

STORE = """\
variables:
  size: {type: int, default: 10}
volumes:
  data: {size_gb: "{{ var.size }}", interface: file}
outputs:
  id: {value: "{{ volume.data.volume_id }}", type: string}
  size: {value: "{{ volume.data.size_gb }}"}
"""
TASK = "  use: {instance_type: a100, command: 'x %s'}\n"


def test_a_module_gives_its_resources_their_addresses_and_its_outputs_to_its_caller() -> None:
    text = "modules:\n  net: {source: ./store, with: {size: 20}}\ntasks:\n" + TASK % "{{ module.net.size }}"
    stack = good_with(text, {"store": STORE})
    assert [str(address) for address in stack.resources] == ["task.use", "module.net.volume.data"]
    assert resource(stack, "module.net.volume.data").config["size_gb"] == 20
    assert resource(stack, "task.use").config["command"] == "x 20"
    assert stack.modules == {"module.net": "./store"}


def test_what_a_module_gives_may_be_known_only_later_and_makes_the_edge() -> None:
    text = "modules:\n  net: {source: ./store}\ntasks:\n" + TASK % "{{ module.net.id }}"
    task = resource(good_with(text, {"store": STORE}), "task.use")
    assert isinstance(task.config["command"], Unknown)
    assert [str(reference) for reference in task.references] == ["module.net.volume.data.volume_id"]
    assert task.config["command"].resolve(lambda reference: "vol_1") == "x vol_1"


def test_unknown_values_flow_into_a_module_and_make_the_edge() -> None:
    inner = "variables: {vol: {type: string}}\ntasks:\n" + TASK % "{{ var.vol }}"
    text = "volumes: {d: {size_gb: 1}}\nmodules:\n  m: {source: ./m, with: {vol: '{{ volume.d }}'}}\n"
    task = resource(good_with(text, {"m": inner}), "module.m.task.use")
    assert [str(reference) for reference in task.references] == ["volume.d.volume_id"]


def test_a_volume_of_the_caller_is_mounted_in_a_module_as_in_the_stack() -> None:
    inner = "variables: {vol: {type: string, validate: '{{ value != \"x\" }}'}}\ntasks:\n  t: {instance_type: a100, volumes: ['{{ var.vol }}']}\n"
    text = (
        "volumes: {d: {size_gb: 7, mount_path: /x}}\n"
        "modules:\n  m: {source: ./m, with: {vol: '{{ volume.d }}'}}\n"
    )
    [mount] = resource(good_with(text, {"m": inner}), "module.m.task.t").config["volumes"]
    assert (mount["mount_path"], mount["size_gb"]) == ("/x", 7)


def test_for_each_makes_an_instance_for_each_key() -> None:
    text = (
        "modules:\n  net: {source: ./store, for_each: {a: 1, b: 2}, with: {size: '{{ each.value }}'}}\n"
        "outputs: {o: {value: '{{ module.net[\"b\"].size }} {{ module.net.a.size }}'}}\n"
    )
    stack = good_with(text, {"store": STORE})
    assert [str(address) for address in stack.resources] == [
        'module.net["a"].volume.data',
        'module.net["b"].volume.data',
    ]
    assert stack.outputs["o"].value == "2 1"


def test_when_switches_a_module_off() -> None:
    text = "variables: {on: {default: true}}\nmodules:\n  net: {source: ./store, when: '{{ var.on }}'}\n"
    assert len(good_with(text, {"store": STORE}).resources) == 1
    assert not good_with(text, {"store": STORE}, on=False).resources


def test_modules_nest() -> None:
    outer = (
        "variables: {n: {}}\nmodules:\n  in: {source: ../store, with: {size: '{{ var.n * 2 }}'}}\n"
        "outputs: {size: {value: '{{ module.in.size }}'}}\n"
    )
    text = (
        "modules:\n  out: {source: ./outer, with: {n: 4}}\noutputs: {o: {value: '{{ module.out.size }}'}}\n"
    )
    stack = good_with(text, {"outer": outer, "store": STORE})
    assert [str(address) for address in stack.resources] == ["module.out.module.in.volume.data"]
    assert stack.outputs["o"].value == 8


def test_two_modules_may_feed_each_other_as_long_as_no_value_feeds_itself() -> None:
    inner = (
        "variables: {a: {default: 1}, b: {default: 1}}\n"
        "outputs: {x: {value: '{{ var.a + 1 }}'}, y: {value: '{{ var.b + 1 }}'}}\n"
    )
    text = (
        "modules:\n  one: {source: ./m, with: {a: 5, b: '{{ module.two.x }}'}}\n"
        "  two: {source: ./m, with: {a: '{{ module.one.x }}'}}\noutputs: {o: {value: '{{ module.one.y }}'}}\n"
    )
    assert good_with(text, {"m": inner}).outputs["o"].value == 8
    bad = text.replace("{a: 5, b:", "{a: '{{ module.two.x }}', b:")
    [one] = [found for found in load_with(bad, {"m": inner})[1] if "circle" in found.summary]
    assert "module.one.var.a → module.two.output.x → module.two.var.a → module.one.output.x" in one.summary


def test_a_long_chain_of_modules_needs_no_deep_stack() -> None:
    inner = "variables: {n: {}}\noutputs: {n: {value: '{{ var.n + 1 }}'}}\n"
    calls = ["  m0: {source: ./m, with: {n: 0}}"]
    calls += [f"  m{i}: {{source: ./m, with: {{n: '{{{{ module.m{i - 1}.n }}}}'}}}}" for i in range(1, 600)]
    text = "modules:\n" + "\n".join(reversed(calls)) + "\noutputs: {o: {value: '{{ module.m599.n }}'}}\n"
    assert good_with(text, {"m": inner}).outputs["o"].value == 600


def test_a_module_sees_only_its_variables() -> None:
    inner = "locals: {x: '{{ var.size }} {{ local.mine }}'}\n"
    text = "variables: {size: {default: 1}}\nlocals: {mine: 1}\nmodules:\n  m: {source: ./m}\n"
    _, found = load_with(text, {"m": inner})
    assert places(found) == [
        "m/main.yaml:1:17: there is no variable 'size'",
        "m/main.yaml:1:32: there is no local 'mine'",
    ]


def test_its_caller_sees_only_its_outputs() -> None:
    text = "modules:\n  net: {source: ./store}\nlocals: {a: '{{ module.net.data }}', b: '{{ volume.data.size_gb }}'}\n"
    _, found = load_with(text, {"store": STORE})
    assert shown(found) == ["4:17 the module net has no output 'data'", "4:45 there is no volume 'data'"]


def test_depends_on_in_and_of_modules() -> None:
    inner = STORE + "tasks:\n  t: {instance_type: a100, depends_on: [volume.data]}\n"
    text = (
        "modules:\n  one: {source: ./m}\n  two: {source: ./m, depends_on: [module.one]}\n"
        "tasks:\n  use: {instance_type: a100, depends_on: {module.two: completed, module.one.task.t: running}}\n"
    )
    stack = good_with(text, {"m": inner})

    def edges(address: str) -> list[tuple[str, Condition]]:
        return [(str(one.address), one.condition) for one in resource(stack, address).depends_on]

    assert edges("module.one.task.t") == [("module.one.volume.data", Condition.CREATED)]
    assert edges("module.two.volume.data") == [
        ("module.one.volume.data", Condition.CREATED),
        ("module.one.task.t", Condition.CREATED),
    ]
    assert edges("task.use") == [
        ("module.two.volume.data", Condition.CREATED),
        ("module.two.task.t", Condition.COMPLETED),
        ("module.one.task.t", Condition.RUNNING),
    ]


def test_sensitive_inputs_and_outputs_stay_sensitive() -> None:
    inner = (
        "variables: {tok: {sensitive: true}}\ntasks:\n  t: {instance_type: a100, env: {T: '{{ var.tok }}'}}\n"
        "outputs: {t: {value: 'x{{ var.tok }}', sensitive: true}}\n"
    )
    text = (
        "modules:\n  m: {source: ./m, with: {tok: hunter2}}\ntasks:\n"
        "  u: {instance_type: a100, env: {U: '{{ module.m.t }}'}}\n"
    )
    stack = good_with(text, {"m": inner})
    assert isinstance(resource(stack, "module.m.task.t").config["env"]["T"], Sensitive)
    assert resource(stack, "task.u").config["env"]["U"] == Sensitive("xhunter2")
    _, found = load_with(text, {"m": inner.replace(", sensitive: true}}\n", "}}\n")})
    assert places(found) == ["m/main.yaml:4:22: the output t is computed from a sensitive value"]


def test_files_of_a_module_are_its_own() -> None:
    files = {
        "main.yaml": "tasks:\n  t: {file: t.task.yaml, env: {X: '{{ file(\"x.txt\") }}'}}\n",
        "x.txt": "hello",
        "t.task.yaml": "instance_type: a100\nenv: {Y: y}\n",
    }
    config = resource(good_with("modules: {m: {source: ./m}}\n", {"m": files}), "module.m.task.t").config
    assert config["env"] == {"X": "hello", "Y": "y"}
    files["t.task.yaml"] = "instance_type: a100\nimag: x\n"
    _, found = load_with("modules: {m: {source: ./m}}\n", {"m": files})
    assert places(found) == ["m/t.task.yaml:2:1: imag is not a field"]
    files["main.yaml"] = "tasks:\n  t: {instance_type: a100, command: '{{ file(\"../x\") }}'}\n"
    _, found = load_with("modules: {m: {source: ./m}}\n", {"m": files})
    assert places(found) == ["m/main.yaml:2:47: '../x' lies outside the module's folder"]


def test_a_mistake_in_a_module_that_is_called_often_is_reported_once() -> None:
    text = "modules:\n  m: {source: ./m, for_each: [a, b, c]}\n"
    _, found = load_with(text, {"m": "volumes: {data: {sise_gb: 1}}\n"})
    assert places(found) == ["m/main.yaml:1:18: sise_gb is not a field"]


MISTAKES = [
    ("modules: {m: }\n", ["2:11 a module is called by a mapping, not null"]),
    ("modules: {m: {}}\n", ["2:11 the module m has no source"]),
    ("modules: {m: {source: 1}}\n", ["2:23 source must be a text, not a whole number"]),
    ("modules: {m: {source: '{{ 1 }}'}}\n", ["2:23 source is a plain path, without expressions"]),
    ("modules: {m: {source: ./x}}\n", ["2:23 the module's folder './x' is not there"]),
    ("modules: {m: {source: ./store, sise: 1}}\n", ["2:32 a module's call has no field 'sise'"]),
    ("modules: {m: {source: ./store, with: [1]}}\n", ["2:38 with must be a mapping of variables to values, not a list"]),
    ("modules: {m: {source: ./store, with: {sise: 1}}}\n", ["2:39 the module m has no variable 'sise'"]),
    ("modules: {m: {source: ./need}}\n", ["2:11 the module m needs a value for its variable n (int)"]),
    ("modules: {m: {source: ./need, with: {n: x}}}\n", ["2:41 the variable n of module m must be a whole number, not a text"]),
    ("modules: {m: {source: ./need, with: {n: 99}}}\n", ["2:41 the value 99 of the variable n of module m is not valid"]),
    ("modules: {m: {source: ./need, with: {n: '{{ var.x }}'}}}\n", ["2:45 there is no variable 'x'"]),
    ("modules: {m: {source: ./store, for_each: [a, a]}}\n", ["2:46 for_each has 'a' twice"]),
    ("modules: {m: {source: ./self}}\n", ["1:23 modules call each other in a circle: self → self"]),
    ("modules: {m: {source: ./head}}\n", ["1:1 provider belongs to the stack, not to a module"]),
    ("modules: {m: {source: ./store}}\nlocals: {a: '{{ module.m }}'}\n", ["3:17 module.m alone is no value"]),
    ("modules: {m: {source: ./store}}\nlocals: {a: '{{ module.n.id }}'}\n", ["3:17 there is no module 'n'"]),
    (
        "modules: {m: {source: ./store, for_each: [a]}}\nlocals: {a: '{{ module.m.id }}'}\n",
        ["3:17 module.m has for_each, so it is several modules"],
    ),
    (
        "modules: {m: {source: ./store, for_each: [a]}}\nlocals: {a: '{{ module.m[\"b\"].id }}'}\n",
        ["3:17 module.m has no instance 'b'"],
    ),
    (
        "modules: {m: {source: ./store, when: false}}\nlocals: {a: '{{ module.m.id }}'}\n",
        ["3:17 module.m is switched off by its when"],
    ),
    (
        "volumes: {v: {size_gb: 1}}\nmodules: {m: {source: ./store, for_each: ['{{ volume.v }}']}}\n",
        ["3:43 a key of for_each must be known when the plan is made, and this is known only after apply"],
    ),
    (
        "tasks:\n  t: {instance_type: a100, depends_on: [module.n]}\nmodules: {m: {source: ./store}}\n",
        ["3:41 there is no module.n in this stack"],
    ),
    (
        "tasks:\n  t: {instance_type: a100, depends_on: [module.m.volume.dat]}\nmodules: {m: {source: ./store}}\n",
        ["3:41 there is no module.m.volume.dat in this stack"],
    ),
    ("modules: {m: {source: ./store, depends_on: [module.m]}}\n", ["2:45 module.m refers to itself"]),
]  # fmt: skip
FOLDERS = {
    "store": STORE,
    "need": "variables: {n: {type: int, validate: '{{ value < 10 }}'}}\n",
    "self": "modules: {x: {source: .}}\n".replace("source: .", "source: ../self"),
    "head": "provider: {type: mithril}\n",
}


@pytest.mark.parametrize(("text", "wanted"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_wrong_call_is_named_where_it_stands_and_once(text: str, wanted: list[str]) -> None:
    stack, found = load_with(text, FOLDERS)
    assert stack is None
    assert shown(found) == wanted


def test_without_a_folder_there_are_no_modules() -> None:
    _, found = load_with("modules: {m: {source: ./store}}\n")
    assert shown(found) == ["2:23 the module './store' cannot be read: this stack has no folder"]


def test_a_folder_is_read_once_however_often_it_is_called() -> None:
    text = "modules:\n  m: {source: ./m, for_each: '{{ range(300) | map(\"string\") | list }}', with: {n: '{{ each.key }}'}}\n"
    stack = good_with(text, {"m": "variables: {n: {}}\nvolumes: {data: {size_gb: 1}}\n"})
    assert len(stack.resources) == 300
    assert len([source for source in stack.sources if source.path == "m/main.yaml"]) == 1


def test_modules_cannot_make_a_stack_without_end() -> None:
    keys = "'{{ range(300) | map(\"string\") | list }}'"
    folders = {
        "a": f"modules: {{x: {{source: ../b, for_each: {keys}}}}}\n",
        "b": f"modules: {{x: {{source: ../c, for_each: {keys}}}}}\n",
        "c": "volumes: {v: {size_gb: 1}}\n",
    }
    _, found = load_with("modules: {x: {source: ./a}}\n", folders)
    assert [one.summary for one in found][:1] == [
        "the modules of this stack have more than 10,000 instances, or too much in them"
    ]
    deep = {f"m{i}": f"modules: {{x: {{source: ../m{i + 1}}}}}\n" for i in range(200)}
    _, found = load_with("modules: {x: {source: ./m0}}\n", deep)
    assert [one.summary for one in found] == ["modules are nested more than 30 deep"]


# -- names ----------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z](-?[a-z0-9]){0,4}", fullmatch=True)
KEYS = st.none() | st.text("ab-B.", min_size=1, max_size=3)
PARTS = st.lists(st.tuples(NAMES, KEYS), max_size=3)


@given(PARTS, PARTS, NAMES, NAMES)
@settings(max_examples=300)
def test_resources_of_different_modules_never_have_the_same_default_name(
    one: list[tuple[str, str | None]], two: list[tuple[str, str | None]], name: str, other: str
) -> None:
    def named(parts: list[tuple[str, str | None]], own: str) -> str:
        return default_name(Kind.VOLUME, "s", own, "", tuple(module_slug(*part) for part in parts))

    assert (named(one, name) == named(two, other)) == ((one, name) == (two, other))


@given(PARTS, NAMES, KEYS)
def test_addresses_in_modules_are_read_back(
    parts: list[tuple[str, str | None]], name: str, key: str | None
) -> None:
    from flowplan.values.address import module_part

    path = tuple(module_part(*part) for part in parts)
    address = Address(Kind.TASK, name, key, path)
    assert Address.parse(str(address)) == address
    if path:
        assert module_path(".".join(f"module.{part}" for part in path)) == path


# -- the lock -------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text("ab/.", min_size=1, max_size=6), st.binary(max_size=8), max_size=5))
def test_a_lock_is_read_back_and_any_change_changes_the_digest(files: dict[str, bytes]) -> None:
    digest = digest_of_files(files)
    pins, found = parse_lock(Source("flowplan.lock.yaml", dump_lock({'../a "b"\\c': digest})))
    assert not found
    assert pins == {'../a "b"\\c': digest}
    assert digest_of_files({**files, "new": b""}) != digest
    for path in files:
        assert digest_of_files({**files, path: files[path] + b"x"}) != digest


@pytest.mark.parametrize("text", ["modules: [a]\n", "a: 1\n", "modules: {a: 1}\n", "[", "x\n"])
def test_a_lock_that_is_none_is_refused(text: str) -> None:
    pins, found = parse_lock(Source("flowplan.lock.yaml", text))
    assert not pins
    assert found.has_errors


def test_an_empty_lock_pins_nothing() -> None:
    assert parse_lock(Source("flowplan.lock.yaml", dump_lock({})))[0] == {}


def test_names_with_hyphens_are_names() -> None:
    text = (
        "modules:\n  my-net: {source: ./store, with: {size: 3}}\n  my-nets: {source: ./store, for_each: [a]}\n"
        "outputs: {o: {value: \"{{ module.my-net.size + 1 }} {{ module.my-nets['a'].size }} {{ module['my-net'].size }}\"}}\n"
    )
    assert good_with(text, {"store": STORE}).outputs["o"].value == "4 10 3"


GIVEN = "volumes: {d: {size_gb: 1}}\nmodules:\n  m: {source: ./m, with: {in: %s}}\n"
INNER = "variables: {in: %s}\noutputs: {out: {value: '{{ var.in }}'}}\n"
FIRST = "'{{ [volume.d.volume_id] | first }}'"


@pytest.mark.parametrize(
    ("declared", "given", "known", "wanted"),
    [
        ("{type: string}", FIRST, "v", "v"),
        ("{type: size}", FIRST, "2TB", 2000),
        ("{type: int}", FIRST, "v", "the variable in of module m must be a whole number, not a text"),
        ("{type: list(size)}", f"[{FIRST}, 3GB]", "2TB", [2000, 3]),
        ("{type: list(int)}", f"[1, {FIRST}]", "v", "the variable in[1] of module m must be a whole number"),
        ("{validate: '{{ value != \"v\" }}'}", FIRST, "w", "w"),
        ("{validate: '{{ value != \"v\" }}'}", FIRST, "v", "the value of the variable in of module m is not valid"),
        ("{validate: '{{ value.a != \"v\" }}'}", f"{{a: {FIRST}, b: 1}}", "w", {"a": "w", "b": 1}),
        ("{validate: '{{ value.a != \"v\" }}'}", f"{{a: {FIRST}, b: 1}}", "v", "is not valid"),
        ("{type: int, sensitive: true}", FIRST, "hunter2", "the variable in of module m must be a whole number, not a text"),
        ("{sensitive: true, validate: '{{ value != \"v\" }}'}", FIRST, "v", "the value of the variable in of module m"),
    ],
)  # fmt: skip
def test_what_becomes_known_later_is_held_against_what_is_declared(
    declared: str, given: str, known: str, wanted: object
) -> None:
    text = GIVEN % given + "outputs: {o: {value: '{{ module.m.out }}', sensitive: true}}\n"
    inner = (INNER % declared).replace("{{ var.in }}'", "{{ var.in }}', sensitive: true")
    output = good_with(text, {"m": inner}).outputs["o"]
    assert [str(reference) for reference in output.references] == ["volume.d.volume_id"]
    if not isinstance(wanted, str) or " " not in wanted:
        assert reveal(resolve(output.value, lambda reference: known)) == wanted
        return
    with pytest.raises(FlowplanError) as failed:
        resolve(output.value, lambda reference: known)
    [told] = failed.value.diagnostics
    assert wanted in told.summary and known not in told.summary.split()
    assert told.span is not None and told.span.line == 4


def test_an_input_that_is_not_known_holds_up_no_other_part_of_its_map() -> None:
    inner = (
        "variables: {in: {validate: '{{ value.a != value.b }}'}}\noutputs: {a: {value: '{{ var.in.a }}'}}\n"
    )
    text = (
        "volumes: {d: {size_gb: 1}, e: {size_gb: 1}, f: {size_gb: 1, name: '{{ module.m.a }}'}}\n"
        "modules:\n  m: {source: ./m, with: {in: {a: '{{ volume.d.volume_id }}', b: '{{ volume.e.volume_id }}'}}}\n"
    )
    name = resource(good_with(text, {"m": inner}), "volume.f").config["name"]

    def only_d(reference: Reference) -> str:
        if str(reference.address) == "volume.e":
            raise NotYetKnown
        return "vol-d"

    assert resolve(name, only_d) == "vol-d"
