"""Meta-fields and defaults: lifecycle and timeouts in full, what fills in for what, and every mistake in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lang_folders import good_with, load_with
from lang_stacks import Files, good, load, resource, shown

from flowplan.lang.defaults import merged
from flowplan.lang.stack import Lifecycle

TASK = "tasks:\n  t:\n    instance_type: a100\n"


def test_lifecycle_in_full() -> None:
    text = (
        "volumes: {data: {size_gb: 1}}\n"
        + TASK
        + (
            "    lifecycle:\n      prevent_destroy: true\n      create_before_destroy: true\n"
            "      ignore_changes: [image, env.*, 'env.TOKEN', 'volumes[0].mount_path', 'ports[*]']\n"
            "      replace_triggered_by: [volume.data, volume.data.size_gb, 'task.u[\"a\"].image']\n"
            "      on_remove: retain\n      rerun: never\n      on_lost: fail\n"
            "  u: {for_each: [a], instance_type: a100}\n"
        )
    )
    assert resource(good(text), "task.t").lifecycle == Lifecycle(
        prevent_destroy=True,
        ignore_changes=("image", "env.*", "env.TOKEN", "volumes[0].mount_path", "ports[*]"),
        create_before_destroy=True,
        replace_triggered_by=("volume.data", "volume.data.size_gb", 'task.u["a"].image'),
        on_remove="retain",
        rerun="never",
        on_lost="fail",
    )


def test_lifecycle_takes_expressions() -> None:
    text = (
        "variables: {keep: {default: true}}\n"
        + TASK
        + "    lifecycle: {prevent_destroy: '{{ var.keep }}', on_remove: '{{ \"retain\" if var.keep else \"destroy\" }}'}\n"
    )
    found = resource(good(text), "task.t").lifecycle
    assert (found.prevent_destroy, found.on_remove) == (True, "retain")


def test_triggers_in_a_module_are_absolute() -> None:
    inner = "volumes: {d: {size_gb: 1}}\ntasks:\n  t: {instance_type: a100, lifecycle: {replace_triggered_by: [volume.d.size_gb]}}\n"
    stack = good_with("modules: {m: {source: ./m}}\n", {"m": inner})
    assert resource(stack, "module.m.task.t").lifecycle.replace_triggered_by == ("module.m.volume.d.size_gb",)


def test_all_timeouts() -> None:
    text = TASK + "    timeouts: {create: 10m, update: 5m, delete: 1h, running: 2h, completed: 1d}\n"
    assert dict(resource(good(text), "task.t").timeouts) == {
        "create": timedelta(minutes=10),
        "update": timedelta(minutes=5),
        "delete": timedelta(hours=1),
        "running": timedelta(hours=2),
        "completed": timedelta(days=1),
    }


MISTAKES = [
    ("    lifecycle: {ignore_changes: ['env..x']}\n", ["5:34 'env..x' is no path of attributes"]),
    ("    lifecycle: {ignore_changes: ['env[']}\n", ["5:34 'env[' is no path of attributes"]),
    ("    lifecycle: {replace_triggered_by: [task.t]}\n", ["5:40 task.t cannot be triggered by itself"]),
    (
        "    lifecycle: {replace_triggered_by: [module.m.task.t]}\n",
        ["5:40 there is no module.m in this stack"],
    ),
    ("    lifecycle: {replace_triggered_by: ['task.t[\"a\"]']}\n", ["5:40 task.t has no instance 'a'"]),
    ("    timeouts: {creat: 10m}\n", ["5:16 timeouts has no field 'creat'"]),
    ("    lifecycle: {on_remove: keep}\n", ["5:28 lifecycle.on_remove has no choice 'keep'"]),
]


@pytest.mark.parametrize(("text", "wanted"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_in_meta_fields(text: str, wanted: list[str]) -> None:
    assert shown(load("stack: s\n" + TASK + text)[1]) == wanted


# -- defaults -------------------------------------------------------------------------------------------


def test_defaults_fill_in_what_a_resource_does_not_say() -> None:
    text = (
        "variables: {team: {default: ml}}\n"
        "defaults:\n  tasks: {region: us-central1-b, image: i, env: {TEAM: '{{ var.team }}', A: a}, retries: {max_retries: 5}}\n"
        "  volumes: {interface: file}\n"
        "volumes: {data: {size_gb: 1}}\n"
        "tasks:\n  t: {instance_type: a100, env: {A: own}, image: j, retries: {initial_delay: 2}}\n"
        "  u: {for_each: [x], instance_type: a100, env: null}\n"
    )
    stack = good(text)
    config = resource(stack, "task.t").config
    assert config["env"] == {"TEAM": "ml", "A": "own"}
    assert (config["region"], config["image"]) == ("us-central1-b", "j")
    assert (config["retries"]["max_retries"], config["retries"]["initial_delay"]) == (5, 2)
    assert resource(stack, 'task.u["x"]').config["env"] == {}
    assert resource(stack, "volume.data").config["interface"] == "file"


def test_defaults_see_each_and_make_edges_like_any_field() -> None:
    text = (
        "volumes: {data: {size_gb: 1}}\ndefaults: {tasks: {instance_type: a100, env: {K: '{{ each.key }}', V: '{{ volume.data }}'}}}\n"
        "tasks:\n  t: {for_each: [a, b]}\n"
    )
    task = resource(good(text), 'task.t["b"]')
    assert task.config["env"]["K"] == "b"
    assert [str(reference) for reference in task.references] == ["volume.data.volume_id"]


def test_defaults_of_lifecycle_and_timeouts_are_taken_field_by_field() -> None:
    text = (
        "defaults: {tasks: {lifecycle: {prevent_destroy: true, rerun: never}, timeouts: {running: 1h}}}\n"
        "tasks:\n  t: {instance_type: a100, lifecycle: {rerun: always}, timeouts: {completed: 2h}}\n"
        "  u: {instance_type: a100, lifecycle: null, timeouts: null}\n"
    )
    stack = good(text)
    assert resource(stack, "task.t").lifecycle == Lifecycle(prevent_destroy=True, rerun="always")
    assert set(resource(stack, "task.t").timeouts) == {"running", "completed"}
    assert resource(stack, "task.u").lifecycle == Lifecycle()
    assert not resource(stack, "task.u").timeouts


def test_a_task_file_is_stronger_than_defaults_and_weaker_than_what_stands_beside_it() -> None:
    files = Files({"t.task.yaml": "instance_type: a100\nimage: file\nenv: {A: file, B: file}\n"})
    text = (
        "defaults: {tasks: {image: default, env: {B: default, C: default}, num_instances: 2}}\n"
        "tasks:\n  t: {file: t.task.yaml, env: {A: own}}\n"
    )
    config = resource(good(text, files), "task.t").config
    assert config["env"] == {"A": "own", "B": "file", "C": "default"}
    assert (config["image"], config["num_instances"]) == ("file", 2)


def test_defaults_of_a_stack_are_not_those_of_its_modules() -> None:
    text = "defaults: {tasks: {image: i}}\nmodules: {m: {source: ./m}}\n"
    stack = good_with(text, {"m": "tasks: {t: {instance_type: a100}}\n"})
    assert resource(stack, "module.m.task.t").config["image"] != "i"


DEFAULTS = [
    ("defaults: [a]\n", ["2:11 defaults must be a mapping, not a list"]),
    ("defaults: {task: {}}\n", ["2:12 defaults has no field 'task'"]),
    ("defaults: {tasks: x}\n", ["2:19 defaults.tasks must be a mapping of fields, not a text"]),
    ("defaults: {tasks: {imag: x}}\n", ["2:20 defaults.tasks has no field 'imag'"]),
    ("defaults: {tasks: {for_each: [a]}}\n", ["2:20 for_each cannot stand in defaults.tasks"]),
    ("defaults: {tasks: {name: a}}\n", ["2:20 name cannot stand in defaults.tasks"]),
    (
        "defaults: {tasks: {num_instances: four}}\ntasks:\n  t: {instance_type: a100}\n  u: {instance_type: a100}\n",
        ["2:35 num_instances must be a whole number, not 'four'"],
    ),
    (
        "defaults: {tasks: {env: {A: {x: 1}}}}\ntasks:\n  t: {instance_type: a100, env: {B: b}}\n",
        ["2:29 env.A must be text, not a mapping"],
    ),
    (
        "defaults: {tasks: {image: '{{ var.x }}'}}\ntasks:\n  t: {instance_type: a100}\n  u: {instance_type: a100}\n",
        ["2:31 there is no variable 'x'"],
    ),
]


@pytest.mark.parametrize(("text", "wanted"), DEFAULTS, ids=range(len(DEFAULTS)))
def test_mistakes_in_defaults_are_named_where_they_stand_and_once(text: str, wanted: list[str]) -> None:
    assert shown(load_with(text)[1]) == wanted


VALUES: Any = st.recursive(
    st.none() | st.integers(0, 3) | st.just([1]),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each place of nested mappings where something else than a mapping stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


@given(MAPS, MAPS)
def test_merging_keeps_all_of_the_strong_one_and_what_it_leaves_of_the_weak_one(
    weak: Any, strong: Any
) -> None:
    result = merged(weak, strong)
    said, kept = dict(leaves(strong)), dict(leaves(weak))
    found = dict(leaves(result))
    assert found.items() >= said.items()
    for path, value in found.items():
        assert path in said or kept[path] == value
    assert result.keys() == weak.keys() | strong.keys()
    assert merged(result, strong) == result
    assert merged(weak, {}) == merged({}, weak) == merged(weak, weak) == weak
