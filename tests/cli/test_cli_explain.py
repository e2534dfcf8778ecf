"""``flowplan explain`` on the sandbox: down to the line, the source of a variable, or who did it."""

from __future__ import annotations

import re

import pytest
from inline import Inline

pytestmark = pytest.mark.process

STACK = """\
stack: told
provider: {region: us-central1-b}
variables:
  cuda: {type: string, default: "12.1"}
  token: {type: string, sensitive: true, default: hush-hush}
locals:
  image: "cuda:{{ var.cuda }}"
tasks:
  train:
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    image: "{{ local.image }}"
    env: {T: "{{ var.token }}"}
    command: sleep 1000
  idle:
    when: "{{ var.cuda == '11' }}"
    instance_type: a100
    upload_code: false
    command: sleep 1000
"""


@pytest.fixture
def told(inline: Inline) -> Inline:
    inline.write(STACK)
    inline.apply()
    return inline


def test_a_chain_ends_at_the_source_of_the_variable(told: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    told.write("cuda: '12.9'\n", "flowplan.vars.yaml")
    chain = (
        "task.train must be replaced\n\n"
        "  because image changed, which forces replacement  (stack.yaml:13)\n"
        '      before: "cuda:12.1"\n'
        '      after: "cuda:%s"\n'
        '    <- local.image = "cuda:%s"  (stack.yaml:7)\n'
        '        <- var.cuda = "%s", from %s  (stack.yaml:4)\n'
    )
    out = told.run("explain", "task.train").out
    assert out == chain % (*["12.9"] * 3, "flowplan.vars.yaml")
    monkeypatch.setenv("FLOWPLAN_VAR_cuda", "13")
    assert 'var.cuda = "13", from FLOWPLAN_VAR_cuda' in told.run("explain", "task.train").out
    told.write("cuda: '14'\n", "more.yaml")
    more = ("--var-file", "more.yaml")
    assert 'var.cuda = "14", from more.yaml' in told.run("explain", "task.train", ".", *more).out
    out = told.run("explain", "task.train", ".", *more, "--var", "cuda=15").out
    assert 'var.cuda = "15", from --var cuda' in out


def test_a_secret_is_named_and_not_shown(told: Inline) -> None:
    ended = told.run("explain", "task.train", "--var", "token=other-secret")
    assert "var.token = (sensitive value), from --var token" in ended.out
    as_json = told.run("explain", "task.train", "--var", "token=other-secret", "--json")
    assert '"$sensitive": true' in as_json.out
    assert "secret" not in as_json.text.replace("sensitive", "") and "hush" not in ended.text + as_json.text


def test_drift_is_told_with_who_did_it(told: Inline) -> None:
    told.api("PATCH", f"/v2/spot/bids/{told.id_of('task.train')}", {"limit_price": "$9.00"})
    out = told.run("explain", "task.train").out
    assert "because limit_price was changed outside of flowplan" in out
    assert re.search(r"<- done by user_\w+, as the provider's history says", out)


def test_why_not(told: Inline) -> None:
    out = told.run("explain", "task.idle").out
    assert out == (
        "task.idle is not wanted, and does not exist\n\n  Why nothing is done:\n"
        "    - when is false for task.idle  (stack.yaml:17)\n"
        '        <- var.cuda = "12.1", from default  (stack.yaml:4)\n'
    )
    assert "nothing has drifted" in told.run("explain", "task.train").out
    told.edit("command: sleep 1000", "command: sleep 2000")
    out = told.run("explain", "task.train", "--exclude", "task.t*").out
    assert "--exclude task.t* names it" in out
    ended = told.run("explain", "task.trian", code=1)
    assert "task.trian is neither in the stack nor in its state" in ended.err
    assert "Did you mean 'task.train'?" in ended.err
    assert "is not an address" in told.run("explain", "tr ain", code=1).err


def test_the_plan_as_json_explains_itself(told: Inline) -> None:
    told.edit("sleep 1000", "sleep 2000")
    document = told.run("plan", "--json", "--out", "p.fplan").json()
    (told_of,) = document["explanations"]
    assert told_of["address"] == "task.train" and told_of["actions"] == ["delete", "create"]
    (why,) = told_of["why"]
    assert (why["kind"], why["attribute"], why["file"], why["line"]) == (
        "changed",
        "command",
        "stack.yaml",
        15,
    )
    assert why["value"] == {"before": "sleep 1000", "after": "sleep 2000"}
    assert told.run("show", "p.fplan", "--json").json() == document
    assert "# (because command changed" in told.run("show", "p.fplan").out


def test_a_chain_leads_out_of_a_module_to_who_called_it(inline: Inline) -> None:
    inline.write(
        "variables: {size: {type: int}}\nlocals: {big: '{{ var.size * 2 }}'}\n"
        "volumes: {v: {size_gb: '{{ local.big }}', interface: file}}\n",
        "net/main.yaml",
    )
    stack = (
        "stack: mods\nprovider: {region: us-central1-b}\nvariables: {gb: {type: int, default: 5}}\n"
        "modules:\n  a:\n    source: ./net\n    for_each: [x, y]\n    with: {size: '{{ var.gb }}'}\n"
    )
    inline.write(stack)
    inline.apply()
    out = inline.run("explain", 'module.a["x"].volume.v', "--var", "gb=6").out
    assert (
        '    <- module.a["x"].local.big = 12  (net/main.yaml:2)\n'
        '        <- module.a["x"].var.size = 6  (stack.yaml:8)\n'
        "            <- var.gb = 6, from --var gb  (stack.yaml:3)\n"
    ) in out
    inline.write(stack.replace("[x, y]", "[x]"))
    out = inline.run("explain", 'module.a["y"].volume.v').out
    assert "    <- for_each of module.a has no key 'y'  (stack.yaml:7)\n" in out
