from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.models.strategies import json_values
from flowplan.values.address import Address, Kind
from flowplan.values.value import (
    Fingerprint,
    NotYetKnown,
    Reference,
    Sensitive,
    Unknown,
    dump,
    fingerprint,
    is_known,
    is_sensitive,
    leaves,
    load,
    path_text,
    resolve,
    reveal,
    seal,
    unknowns,
)

KEY = b"k" * 32
ADDRESS = Address(Kind.VOLUME, "data")
REFERENCE = Reference(ADDRESS, "volume_id")


def nested(leaf):
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )


plain = nested(json_values())
secrets = json_values().map(Sensitive)
mixed = nested(json_values() | secrets)


@given(plain)
def test_plain_data_passes_through_everything(value):
    assert reveal(value) == value
    assert seal(value, KEY) == value
    assert load(dump(value)) == value
    assert resolve(value, lambda _: None) == value
    assert is_known(value)
    assert not is_sensitive(value)


@given(mixed)
def test_what_is_sealed_can_be_stored_and_read_back(value):
    sealed = seal(value, KEY)
    stored = json.loads(json.dumps(dump(sealed)))
    assert load(stored) == sealed
    assert is_sensitive(sealed) == is_sensitive(value)
    assert seal(sealed, KEY) == sealed


@given(nested(secrets))
def test_secrets_are_never_dumped_or_shown(value):
    if is_sensitive(value):
        with pytest.raises(TypeError, match="sealed"):
            dump(value)


@given(st.text(min_size=8), st.text(min_size=8))
def test_fingerprints_tell_values_apart_and_hide_them(first, second):
    assert (fingerprint(first, KEY) == fingerprint(second, KEY)) == (first == second)
    assert fingerprint(Sensitive(first), KEY) == fingerprint(first, KEY)
    assert fingerprint(first, b"other") != fingerprint(first, KEY)
    assert first not in repr(Sensitive(first)) or first in "Sensitive(…)"


@given(st.dictionaries(st.text(), st.integers()))
def test_fingerprints_do_not_depend_on_the_order_of_keys(mapping):
    turned = dict(reversed(mapping.items()))
    assert fingerprint(turned, KEY) == fingerprint(mapping, KEY)


@given(mixed)
def test_revealed_data_holds_no_secrets(value):
    assert not any(isinstance(leaf, Sensitive) for _, leaf in leaves(reveal(value)))


@given(plain)
def test_leaves_stand_where_their_paths_say(value):
    for path, leaf in leaves(value):
        here = value
        for part in path:
            here = here[part]
        assert here is leaf or here == leaf


def unknown(source="volume.data.volume_id", **more):
    return Unknown((REFERENCE,), source, **more)


def test_an_unknown_resolves_when_its_reference_is_known():
    value = {"a": [unknown(), 1], "b": unknown(evaluate=lambda lookup: f"x-{lookup(REFERENCE)}")}
    assert not is_known(value)
    assert len(list(unknowns(value))) == 2
    assert resolve(value, lambda reference: "vol_1") == {"a": ["vol_1", 1], "b": "x-vol_1"}

    def nothing_yet(reference):
        raise NotYetKnown(str(reference))

    assert resolve(value, nothing_yet) == value
    assert str(REFERENCE) == "volume.data.volume_id"
    assert str(Reference(ADDRESS)) == "volume.data"


def test_an_unknown_of_many_references_needs_a_way_to_be_computed():
    with pytest.raises(NotYetKnown):
        Unknown((REFERENCE, Reference(ADDRESS, "region")), "x").resolve(lambda reference: "y")


def test_unknowns_are_equal_by_source_and_references():
    assert unknown() == unknown(evaluate=lambda lookup: 1)
    assert unknown() != unknown(source="other")
    assert is_sensitive([unknown(sensitive=True)])
    assert not is_sensitive([unknown()])


def test_unknowns_hidden_in_sensitive_values_are_found_and_resolved():
    value = {"token": Sensitive(unknown())}
    assert [u.source for u in unknowns(value)] == ["volume.data.volume_id"]
    assert reveal(resolve(value, lambda reference: "vol_1")) == {"token": "vol_1"}


def test_stored_forms():
    assert dump(Fingerprint("ab")) == {"$fingerprint": "ab"}
    assert dump(unknown())["$unknown"] == "volume.data.volume_id"
    assert load({"$fingerprint": "ab"}) == Fingerprint("ab")


@pytest.mark.parametrize("key", ["$fingerprint", "$$fingerprint", "$", "$unknown", "$sensitive"])
def test_a_users_own_data_is_not_mistaken_for_a_fingerprint(key: str):
    written = {"env": {key: "mine"}}
    assert load(dump(written)) == written


def test_paths_as_people_read_them():
    assert path_text(("volumes", 0, "mount_path")) == "volumes[0].mount_path"
    assert path_text(()) == ""
