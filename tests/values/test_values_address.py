from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.values.address import Address, Kind

names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
keys = st.text(max_size=12)


@st.composite
def addresses(draw):
    modules = []
    for _ in range(draw(st.integers(0, 3))):
        name, key = draw(names), draw(st.none() | keys)
        # A module's part is written as it stands in the address of a resource without a module.
        part = str(Address(Kind.TASK, name, key)).removeprefix("task.")
        modules.append(part)
    return Address(draw(st.sampled_from(Kind)), draw(names), draw(st.none() | keys), tuple(modules))


@given(addresses())
def test_what_is_written_is_read_back(address):
    assert Address.parse(str(address)) == address
    assert str(Address.parse(str(address))) == str(address)
    assert hash(Address.parse(str(address))) == hash(address)


@given(addresses(), addresses())
def test_different_addresses_are_written_differently(first, second):
    assert (first == second) == (str(first) == str(second))


@given(st.lists(addresses(), max_size=6))
def test_order_is_total_and_repeatable(some):
    backwards = list(reversed(some))
    assert sorted(some) == sorted(backwards)


@given(addresses())
def test_the_resource_is_the_address_without_its_key(address):
    assert address.resource.key is None
    assert address.resource.resource == address.resource
    assert str(address).startswith(str(address.resource))


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_is_refused(text):
    try:
        address = Address.parse(text)
    except ValueError as error:
        assert repr(text) in str(error) or "kind" in str(error)
    else:
        assert Address.parse(str(address)) == address


def test_examples():
    assert str(Address(Kind.TASK, "train", 'a"b\\')) == 'task.train["a\\"b\\\\"]'
    assert Address.parse("task.train['base']") == Address(Kind.TASK, "train", "base")
    assert Address.parse('module.net["a"].module.x.volume.d') == Address(
        Kind.VOLUME, "d", None, ('net["a"]', "x")
    )
    assert [kind.section for kind in sorted(Kind, key=lambda k: k.rank)] == [
        "volumes",
        "reservations",
        "tasks",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "task", "task.", ".train", "task.Train", "task.train[a]", "task.train\n", "server.x", "module.x"],
)
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"task\.train|the kinds are"):
        Address.parse(text)
