"""Hostile stacks: refused with a diagnostic that has a place, in bounded time and memory, and nothing is read."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from lang_stacks import Files, good, load, shown

from flowplan.lang.build import parse_document
from flowplan.lang.loader import load_stack
from flowplan.lang.reader import FolderReader, NoFiles
from flowplan.lang.stack import Source
from flowplan.report.diagnostics import render_diagnostics
from flowplan.report.paint import Paint

LONGEST = 120
"""The processor seconds that one hostile stack may take, on a slow machine; on a usual one it is a few."""
MEMORY = 2 * 1024**3


def quoted(text: str) -> str:
    return json.dumps(text)


# -- ways out of the sandbox -------------------------------------------------------------------------------

ESCAPES = [
    # attributes of Python objects
    "{{ ''.__class__ }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ [].__class__.__base__ }}", "{{ {}.__class__ }}",
    "{{ ()['__class__'] }}", "{{ ''['__cl' ~ 'ass__'] }}", "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}", "{{ (1).__class__ }}", "{{ true.__class__ }}",
    "{{ none.__class__ }}", "{{ ''.upper.__self__ }}", "{{ ''.join.__globals__ }}", "{{ ''.upper.__func__ }}", "{{ var.x.__class__ }}",
    "{{ var.__init__ }}", "{{ var.__class__.__init__.__globals__ }}", "{{ local.a.__class__ }}", "{{ each.__dict__ }}", "{{ task.__class__ }}",
    "{{ loop.__class__ }}", "{% for a in [1] %}{{ loop.__class__ }}{% endfor %}", "{% for a in [1] %}{{ loop['__init__'] }}{% endfor %}",
    "{% for a in [1] %}{{ loop._iterable }}{% endfor %}", "{% for a in [1] %}{{ loop.cycle.__self__ }}{% endfor %}",
    "{% for a in [1] %}{{ loop(a) }}{% endfor %}", "{% for a in [1] %}{% set x = loop %}{{ x }}{% endfor %}", "{{ undefined_name.__class__ }}",
    "{{ {}.nope.__class__ }}", "{{ {}.nope.__init__.__globals__.os }}", "{{ range.__class__ }}", "{{ file.__globals__ }}", "{{ glob.__code__ }}",
    # by way of filters
    "{{ ''|attr('__class__') }}", "{{ ''|attr(['__class__']|first) }}", "{{ [''] | map(attribute='__class__') }}",
    "{{ [''] | map(attribute='upper.__self__') }}", "{{ [''] | map('attr', '__class__') }}", "{{ [{}] | selectattr('__class__') }}",
    "{{ [''] | sort(attribute='__class__') }}", "{{ [''] | unique(attribute='__class__') }}", "{{ [''] | join(attribute='__class__') | length + 'x' }}",
    "{{ [''] | sum(attribute='__class__') }}", "{{ [''] | groupby('__class__') }}", "{{ [''] | group_by('__class__') }}",
    "{{ [''] | map('format', '{0.__class__}') | map('nope') }}", "{{ {} | xmlattr }}", "{{ '' | pprint }}", "{{ [1] | tojson | safe }}", "{{ 'x' | e }}",
    "{{ '' | filesizeformat }}", "{{ 1 | wordcount }}", "{{ 'a' | striptags }}", "{{ [1] | random }}", "{{ 'http://x' | urlize }}", "{{ 'a' | forceescape }}",
    # by way of texts that format
    "{{ '{0.__class__}'.format(1) }}", "{{ '{0.__class__.__init__.__globals__}'.format(var) }}", "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "{{ '%s'.__mod__(1) }}", "{{ '%(a)s' % {'a': 1} }}", "{{ '%s' % [1] }}", "{{ 'a'.translate({}) }}", "{{ 'a'.encode() }}", "{{ 'a'.maketrans('a', 'b') }}",
    "{{ format('%(a)s', {'a': 1}) }}", "{{ format('%r', '') }}", "{{ format('%*d', 9, 9) }}", "{{ f'{1}' }}",
    # what Jinja has without being asked
    "{{ self }}", "{{ self.__init__ }}", "{{ self._TemplateReference__context }}", "{{ lipsum }}", "{{ lipsum.__globals__.os }}", "{{ lipsum() }}", "{{ cycler('a') }}",
    "{{ cycler.__init__.__globals__.os }}", "{{ joiner() }}", "{{ namespace(a=1) }}", "{{ namespace.__init__ }}", "{{ dict(a=1) }}", "{{ dict.__base__ }}", "{{ get_flashed_messages }}",
    "{{ url_for.__globals__ }}", "{{ request }}", "{{ config }}", "{{ config.items() }}", "{{ g }}", "{{ session }}", "{{ context }}", "{{ environment }}", "{{ caller() }}",
    "{{ varargs }}", "{{ kwargs }}", "{{ super() }}", "{{ _ }}", "{{ gettext('a') }}", "{{ debug() }}", "{% debug %}", "{{ __builtins__ }}", "{{ __import__('os') }}",
    "{{ open('/etc/passwd') }}", "{{ eval('1') }}", "{{ exec('1') }}", "{{ getattr('', '__class__') }}", "{{ type('') }}", "{{ vars() }}", "{{ globals() }}", "{{ input() }}",
    "{{ print(1) }}", "{{ os.environ }}", "{{ os.system('id') }}", "{{ env('HOME') }}", "{{ lookup('env', 'HOME') }}", "{{ query('pipe', 'id') }}",
    # names that the compiler makes
    "{{ _p(0) }}", "{{ _each([1]) }}", "{{ _meter }}", "{{ _meter.spend(-10) }}", "{{ _w(1) }}", "{{ _k(1) }}", "{{ _cat('a') }}", "{{ _result }}", "{% set _meter = 1 %}",
    "{% for _p in [1] %}{{ _p }}{% endfor %}", "{% set _result = 1 %}{{ _result }}", "{{ l_0_a }}", "{{ resolve('a') }}", "{{ missing }}", "{{ upper(meter=1) }}",
    "{{ regex_match('a', 'a', meter=1) }}", "{{ ['a'] | map('regex_match', 'a', meter=1) | map('nope') }}", "{{ range }}", "{{ file }}", "{{ 'a'.upper }}", "{{ {}.items }}",
    # statements
    "{% include '/etc/passwd' %}", "{% import 'os' as os %}", "{% from 'os' import system %}", "{% extends 'x' %}", "{% block a %}{% endblock %}", "{% macro m() %}{% endmacro %}",
    "{% call m() %}{% endcall %}", "{% filter upper %}x{% endfilter %}", "{% do [].append(1) %}", "{% with a = 1 %}{% endwith %}", "{% autoescape true %}{% endautoescape %}",
    "{% set ns = namespace(a=1) %}", "{% set ns.a = 1 %}", "{% set var.x = 1 %}", "{% set var = 1 %}{{ var }}", "{% set range = 1 %}", "{% for a in [1] recursive %}{{ loop([2]) }}{% endfor %}",
    "{% trans %}a{% endtrans %}", "{% continue %}",
    # generators, coroutines, frames, mutation
    "{{ ([1] | map('upper')).gi_frame }}", "{{ ([1] | select).gi_code }}", "{{ ([''] | map('upper')).__next__() }}", "{{ (a for a in [1]) }}", "{{ [a for a in [1]] }}",
    "{{ await x }}", "{{ (lambda: 1)() }}", "{{ [].append(1) }}", "{{ {}.update({'a': 1}) }}", "{{ {}.setdefault('a', 1) }}", "{{ [1].pop() }}", "{{ [1].clear() }}", "{{ {}.popitem() }}",
    "{{ var.x.append(1) }}", "{{ {}.fromkeys('a') }}", "{{ [].copy() }}", "{{ [].sort() }}", "{{ {}.__setitem__('a', 1) }}", "{{ upper.__wrapped__ }}", "{{ x := 1 }}",
    "{{ *[1] }}", "{{ upper(*['a']) }}", "{{ upper(**{}) }}", "{{ 'a' | upper(*[]) }}", "{{ 1 if }}", "{{ {[1]: 2} }}", "{{ {{}: 2} }}", "{{ {'a': 1}[[1]] }}",
]  # fmt: skip


@pytest.mark.parametrize("expression", ESCAPES)
def test_no_way_leads_out_of_the_sandbox(expression: str) -> None:
    text = f"stack: s\nvariables: {{x: {{default: [1]}}}}\nlocals:\n  a: {quoted(expression)}\n"
    stack, found = load(text, Files({"x": "x"}))
    assert stack is None
    assert found.has_errors
    for one in found:
        assert one.span is not None
        assert one.span.line == 4
        assert (
            "<" not in one.summary.replace("<<", "").replace("<=", "").replace(" < ", "").replace("'<'", "")
            or "<" in expression
        )
        assert "0x" not in one.summary
        assert "Traceback" not in one.summary


# -- work and memory ---------------------------------------------------------------------------------------

MANY = "{% for i in range(100000) %}"
END = "{% endfor %}"
DOUBLED = "{% set a0 = 'x' * 90000 %}" + "".join(f"{{% set a{i + 1} = a{i} ~ a{i} %}}" for i in range(40))
NESTED = "{% set a0 = [1] %}{% set b0 = [1] %}" + "".join(
    f"{{% set a{i + 1} = [a{i}, a{i}] %}}{{% set b{i + 1} = [b{i}, b{i}] %}}" for i in range(50)
)
BOMBS = {
    "sum in a loop": "{% set a = range(100000) %}" + MANY + "{{ a | sum }}" + END,
    "in in a loop": "{% set a = range(100000) %}" + MANY + "{{ -1 in a }}" + END,
    "test in a loop": "{% set a = range(100000) %}" + MANY + "{{ -1 is in(a) }}" + END,
    "equality in a loop": "{% set a = range(99999) %}{% set b = range(99999) %}" + MANY + "{{ a == b }}" + END,
    "slice in a loop": "{% set a = range(100000) %}" + MANY + "{{ a[1:] | first }}" + END,
    "text slice in a loop": "{% set a = 'x' * 90000 %}" + MANY + "{% set b = a[1:] %}" + END,
    "set block": "{% set x %}" + MANY + "y" * 100_000 + END + "{% endset %}{{ x | length }}",
    "set block in a set block": "{% set x %}" + MANY + "{% set y %}" + "y" * 100_000 + "{% endset %}" + END + "{% endset %}{{ 1 }}",
    "loops in loops": "{% for a in range(300) %}" * 8 + "x" + END * 8,
    "and in a loop": MANY + "{{ 1 if " + "1 and " * 7_000 + "1 }}" + END,
    "branches in a loop": MANY + "{% if 0 %}a{% endif %}" * 2_000 + END,
    "doubled texts": DOUBLED + "{{ a40 | length }}",
    "equality of doubled lists": NESTED + "{{ a50 == b50 }}",
    "doubled lists as a result": NESTED + "{{ a50 | length }}{{ a50 }}",
    "doubled list as a key": NESTED + "{{ {(a50,): 1} }}",
    "doubled list as json": NESTED + "{{ a50 | tojson }}",
    "many texts kept": "{% set a = 'x' * 90000 %}" + "".join(f"{{% set b{i} = a ~ {i} %}}" for i in range(1200)),
    "power": "{{ 9 ** (9 ** 9) }}", "shift by product": "{{ (2 ** 4000) * (2 ** 4000) * (2 ** 4000) }}",
    "float power": "{{ 2.0 ** 99999 }}", "repetition": "{{ 'x' * 10 ** 12 }}", "repetition of a list": "{{ [[0] * 1000] * 10 ** 9 }}", "range": "{{ range(10 ** 15) }}",
    "width": "{{ format('%999999999d', 1) }}", "precision": "{{ format('%.999999999f', 1.5) }}", "indent": "{{ indent('a', 10 ** 9) }}",
    "indent of many lines": "{{ ('\\n' * 100000) | indent(900) }}", "replace": "{{ ('a' * 90000) | replace('a', 'b' * 90000) }}", "join": "{{ ('b' * 90000).join(['a'] * 90000) }}",
    "product": "{{ product(range(1000), range(1000), range(1000)) }}", "product of many": "{{ product(" + ", ".join(["[0, 1]"] * 40) + ") }}", "json indent": "{{ tojson([" * 1 + "[1] * 90000, " * 1 + "], 8) }}",
    "rsplit": "{{ ('a' * 90000).rsplit('a' + 'b' + 'a' * 90000) }}", "merge in a loop": "{% set m = zipmap(range(50000), range(50000)) %}" + MANY + "{% set n = merge(m, m) %}" + END,
    "map in a loop": "{% set a = range(100000) %}" + MANY + "{% set b = a | map('string') %}" + END, "yaml bomb": "{{ yaml_decode(file('bomb')) }}", "json depth": "{{ json_decode('[' * 100000) }}",
    "yaml depth": "{{ yaml_decode('[' * 100000) }}", "regex": "{{ regex_find_all('a' * 100000, '(a|a)*b|a') }}", "regex in a loop": MANY + "{{ regex_match('a' * 1000, '(a|a)*b') }}" + END,
    "parentheses": "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}", "signs": "{{ " + "-" * 40_000 + "1 }}", "lists": "{{ " + "[" * 20_000 + "]" * 20_000 + " }}",
    "filters": "{{ 1" + " | string" * 4_000 + " }}", "attributes": "{{ {}" + ".a" * 20_000 + " }}", "subscripts": "{{ {}" + "['a']" * 9_000 + " }}", "sums": "{{ 1" + " + 1" * 10_000 + " }}",
    "conditions": "{{ " + "1 if 1 else " * 3_000 + "1 }}", "nested ifs": "{% if 1 %}" * 2_000 + "{% endif %}" * 2_000, "elifs": "{% if 0 %}" + "{% elif 0 %}" * 3_000 + "{% endif %}",
    "nots": "{{ " + "not " * 10_000 + "1 }}", "calls": "{{ " + "upper(" * 6_000 + "'a'" + ")" * 6_000 + " }}", "open braces": "{{ " * 100_000, "open tags": "{% " * 100_000,
    "a hundred thousand parentheses": "{{ " + "(" * 100_000 + ")" * 100_000 + " }}", "a hundred thousand loops": "{% for a in [1] %}" * 100_000,
    "template files": "{{ template_file('many') }}", "digits": "{{ " + "9" * 40_000 + " }}", "int of digits": "{{ int('9' * 100000) }}", "sorted": "{% set a = range(99999) %}" + MANY + "{{ a | sort | first }}" + END,
    "length of a local": "{% for i in range(50000) %}{{ local.big | length }}" + END, "loop over a map": MANY + "{{ local.big | items | length }}" + END,
}  # fmt: skip
TEXTS = {
    "bomb": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
    "many": "{{ template_file('many1') }}" * 100,
    **{f"many{i}": f"{{{{ template_file('many{i + 1}') }}}}" * 100 for i in range(1, 7)},
    "many7": "x" * 1000,
}  # fmt: skip
HARMLESS = ("json indent",)

CHILD = """
import json, resource, sys
seconds, memory = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
sys.path.insert(0, sys.argv[3])
from lang_stacks import Files, load
work = json.load(sys.stdin)
files = Files(work["files"])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
for name, text in work["stacks"].items():
    stack, found = load(text, files)
    place = [str(one.span) for one in found]
    print(json.dumps([name, stack is not None, [one.summary for one in found][:3], place[:3]]), flush=True)
"""


def apart(
    stacks: dict[str, str], files: dict[str, str] | None = None, seconds: int = LONGEST
) -> dict[str, list[object]]:
    """What loading each gives, in a process that may use so many processor seconds and so much memory."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(seconds), str(MEMORY), str(Path(__file__).parent)],
        input=json.dumps({"stacks": stacks, "files": files or {}}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = {line[0]: line[1:] for line in map(json.loads, done.stdout.splitlines())}
    missing = [name for name in stacks if name not in told]
    assert done.returncode == 0, (missing[:1], done.stderr[-2000:])
    return told


@pytest.mark.process
@pytest.mark.parametrize("group", range(6))
def test_no_expression_runs_away(group: int) -> None:
    big = "locals:\n  big: {" + ", ".join(f"k{i}: {i}" for i in range(20_000)) + "}\n"
    named = list(BOMBS)[group::6]
    told = apart({name: f"stack: s\n{big}  a: {quoted(BOMBS[name])}\n" for name in named}, TEXTS)
    for name, (loaded, summaries, places) in told.items():
        assert loaded == (name in HARMLESS), name
        assert all(place.startswith("s.yaml:") for place in places)  # type: ignore[attr-defined]
        assert loaded or summaries


def chained(first: str, step: str, length: int) -> str:
    rows = [f"  l{i}: {quoted(step.replace('LAST', f'local.l{i - 1}'))}" for i in range(1, length)]
    return (
        f"stack: s\nvolumes:\n  v: {{size_gb: 1, interface: file, mount_path: /d}}\nlocals:\n  l0: {quoted(first)}\n"
        + "\n".join(rows)
        + "\n"
    )


def resources_of(count: int, body: str) -> str:
    return "\n".join(f"  t{i}: {body}" for i in range(count))


KEYS = "{{ range(90000) | map('string') }}"
STACKS = {
    "texts that double": chained("{{ 'x' * 1000 }}", "{{ LAST }}{{ LAST }}", 60),
    "lists that double": chained("{{ [1] }}", "{{ [LAST, LAST] }}", 60),
    "texts of many locals": "stack: s\nlocals:\n  big: \"{{ 'x' * 90000 }}\"\n" + "".join(f"  l{i}: \"{{{{ local.big }}}}{i}\"\n" for i in range(60_000)),
    "a long list in many places": "stack: s\nlocals:\n  big: \"{{ range(100000) }}\"\n" + "".join(f"  l{i}: \"{{{{ local.big }}}}\"\n" for i in range(60_000)),
    "many instances of many": f"stack: s\ntasks:\n{resources_of(40, '{instance_type: a100, for_each: ' + quoted(KEYS) + '}')}\n",
    "many mistakes": "stack: s\nlocals:\n" + "".join(f"  l{i}: \"{{{{ local.m{i} }}}}\"\n" for i in range(30_000)),
    "many files": "stack: s\nlocals:\n" + "".join(f"  l{i}: \"{{{{ file('big') }}}}\"\n" for i in range(20_000)),
}  # fmt: skip


@pytest.mark.process
@pytest.mark.parametrize("name", STACKS)
def test_no_stack_runs_away(name: str) -> None:
    told = apart({name: STACKS[name]}, {"big": "x" * 4_000_000})
    loaded, summaries, _ = told[name]
    assert not loaded
    assert summaries


def test_unknowns_that_double_are_computed_once_each() -> None:
    text = (
        chained("{{ volume.v.volume_id }}", "{{ LAST | first }}{{ LAST | last }}", 600)
        + "outputs:\n  o: {value: '{{ local.l599 }}'}\n"
    )
    stack, found = load(text)
    assert stack is not None, shown(found)
    asked = []
    assert stack.outputs["o"].value.resolve(lambda ref: asked.append(ref) or "ab") in ("ab", "aa", "bb", "ba")
    assert len(asked) <= 2


# -- texts and files ---------------------------------------------------------------------------------------

NESTED_TEXTS = {
    "brackets": "[" * 1_000_000, "braces": "{a: " * 200_000, "dashes": "- " * 200_000, "questions": "? " * 100_000, "closed": "[" * 100_000 + "]" * 100_000,
    "indentation": "".join(" " * i + "a:\n" for i in range(2_000)), "keys in keys": "{" * 100_000, "tags": "!a " * 100_000, "anchors": "&a " * 100_000,
    "quotes": "'" * 100_001, "stars": "*a " * 100_000, "values": "a: " * 100_000, "pipes": "|\n" * 100_000, "percent": "%YAML 1.2\n" * 10_000, "documents": "---\n" * 100_000,
    "one line": "a: " + "x" * 5_000_000, "commas": "[" + "," * 100_000, "backslashes": '"' + "\\" * 100_001, "carriage returns": "a:\r" * 50_000, "colons": ":" * 100_000,
}  # fmt: skip


@pytest.mark.process
def test_no_text_takes_long_to_refuse() -> None:
    told = apart({name: f"stack: s\nx-a:\n  b:\n{text}" for name, text in NESTED_TEXTS.items()})
    told |= apart({f"{name} alone": text for name, text in NESTED_TEXTS.items()})
    harmless = {"one line"}
    assert {name for name, (loaded, *_) in told.items() if loaded} <= harmless


def test_alias_bombs_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    merges = ["m0: &m0 {a: 1}"] + [
        f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}], k{i}: 1}}" for i in range(1, 20)
    ]
    for bomb in (lines, merges):
        text = "stack: s\nlocals:\n" + "\n".join(f"  {line}" for line in bomb) + "\n"
        stack, found = load(text)
        if bomb is lines:
            assert stack is None
            assert any("aliases make this document too large" in line for line in shown(found))


def test_a_huge_text_is_refused_before_it_is_parsed() -> None:
    _, found = parse_document("big.yaml", "a" * 17 * 1024 * 1024)
    [one] = found
    assert one.summary == "the file is longer than 16 MB"


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    with pytest.raises(ValueError, match="larger than 4 MB"):
        FolderReader(tmp_path).read_text("big")


@pytest.mark.process
def test_the_command_refuses_a_huge_stack_quickly(tmp_path: Path) -> None:
    with (tmp_path / "stack.yaml").open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "flowplan", "validate", "stack.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 1
    assert "is larger than" in done.stderr or "longer than" in done.stderr
    assert after.ru_utime - before.ru_utime < 30


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x9b", "\ud800", "\ufffe", "\x07"])
def test_characters_that_are_no_text_are_named(character: str) -> None:
    for text in (f"stack: {character}s\n", f"stack: s\nlocals: {{a{character}: 1}}\n", f"{character}"):
        stack, found = load(text)
        assert stack is None
        assert any(f"U+{ord(character):04X}" in one.summary for one in found)


ESCAPE = "\\e[31m\\a\\x9b2J\\u202e"


@pytest.mark.parametrize(
    "text",
    [
        'stack: "NAME"\n', 'stack: s\n"NAME": 1\n', 'stack: s\nlocals: {"NAME": 1}\n', 'stack: s\ntasks: {"NAME": {}}\n', 'stack: s\ntasks: {t: {"NAME": 1}}\n',
        'stack: s\nvariables: {v: {type: "NAME"}}\n', 'stack: s\nvariables: {v: {"NAME": 1}}\n', 'stack: s\nvariables: {v: {deprecated: "NAME", fields: {"NAME": int}}}\n',
        'stack: s\nlocals: {a: "{{ NAME }}"}\n', "stack: s\nlocals: {a: \"{{ file('NAME') }}\"}\n", "stack: s\nlocals: {a: \"{{ 'a' | NAME }}\"}\n", "stack: s\nlocals: {a: \"{{ {'NAME': 1}.b }}\"}\n",
        'stack: s\ntasks: {t: {instance_type: "NAME", depends_on: ["NAME"]}}\n', 'stack: s\nprovider: {type: "NAME"}\n', 'stack: s\nrequires: "NAME"\n',
        'stack: s\ntasks: {t: {for_each: ["NAME", "NAME"], instance_type: a}}\n', 'stack: s\nvariables: {v: {default: "NAME", validate: "{{ value == 1 }}"}}\n',
    ],
)  # fmt: skip
def test_no_name_drives_a_terminal(text: str) -> None:
    stack, found = load(text.replace("NAME", ESCAPE))
    assert stack is None
    shown_to_people = render_diagnostics(found, Paint())
    assert not [
        c for c in shown_to_people if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e")
    ]


WAYS_OUT = ["../secret", "../../etc/passwd", "/etc/passwd", "~/.ssh/id_rsa", "a/../../secret", "..", "link", "linked/secret", "loop", "C:\\\\secret", "file:///etc/passwd", "a\\0b", "", "fifo", ".", "a" * 5000, "./../stack/../secret", "linked/../secret"]  # fmt: skip


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("call", ["file", "template_file", "glob"])
def test_no_file_outside_the_stack_is_read(way: str, call: str, tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    (tmp_path / "secret").write_text("hunter2")
    (folder / "link").symlink_to("../secret")
    (folder / "linked").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "fifo")
    text = f"stack: s\nlocals:\n  a: \"{{{{ {call}('{way}') }}}}\"\noutputs: {{o: {{value: '{{{{ local.a }}}}'}}}}\n"
    stack, found = load_stack([Source("s.yaml", text)], [], FolderReader(folder), "0.1.0")
    if call == "glob" and stack is not None:
        assert stack.outputs["o"].value == []
        return
    assert stack is None
    assert "hunter2" not in repr(list(found))
    [one] = found
    assert one.span is not None
    assert one.span.line == 3


def test_without_a_folder_there_are_no_files() -> None:
    for call in ("file('a')", "glob('*')", "template_file('a')"):
        found = load_stack(
            [Source("s.yaml", f'stack: s\nlocals: {{a: "{{{{ {call} }}}}"}}\n')], [], NoFiles(), "0.1.0"
        )[1]
        assert "this stack has no folder" in next(iter(found)).summary


def test_bounds_leave_room_for_real_work() -> None:
    rows = "{% for i in range(2000) %}host-{{ i }} rank={{ i % 8 }} {{ 'a' if i in [1, 2] else 'b' }}\n{% endfor %}"
    value = good(f"outputs:\n  o: {{value: {quoted(rows)}}}\n").outputs["o"].value
    assert value.count("\n") == 2000
    assert (
        good("outputs:\n  o: {value: \"{{ range(50000) | map('string') | join(',') | sha256 }}\"}\n")
        .outputs["o"]
        .value
    )
