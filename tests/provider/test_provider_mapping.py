"""The mapping by the kinds' own declarations: what is written reads back the same, and errors name attributes."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from attrs import fields, frozen
from doubles import AUCTIONS, TYPES, bid, reservation, volume
from hypothesis import given
from hypothesis import strategies as st

from flowplan.provider.mithril.catalogue import Catalogue, UnmappableError, parse_spelling
from flowplan.provider.mithril.codecs import CODECS, Context, task_has_ended, task_status
from flowplan.provider.mithril.keys import choose_keys
from flowplan.provider.mithril.mapping import compile_mapping
from flowplan.provider.mithril.wire import (
    Auction,
    Bid,
    InstanceType,
    Reservation,
    Volume,
    structure,
    structure_all,
)
from flowplan.provider.mithril.wire_account import SshKey
from flowplan.resources import kind_of
from flowplan.values.address import Kind
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.quantity import Money
from flowplan.values.value import Sensitive, Unknown

CATALOGUE = Catalogue.of(structure_all(InstanceType, TYPES), structure_all(Auction, AUCTIONS))
SHAPES = {Kind.TASK: Bid, Kind.VOLUME: Volume, Kind.RESERVATION: Reservation}
BLANK = {
    Kind.TASK: bid(instances=[]),
    Kind.VOLUME: volume(),
    Kind.RESERVATION: reservation(),
}
words = st.text(min_size=1, max_size=20)
ids = st.lists(st.from_regex(r"vol_[a-z0-9]{4}", fullmatch=True), max_size=4)
dollars = st.integers(0, 10**9).map(lambda cents: cents / 100)
instants = st.datetimes(timezones=st.timezones())
market = st.sampled_from([("8xh100", "r-one"), ("8xh100", "r-two"), ("1xa100", "r-one"), ("8xa100", "r-two")])

TASKS = st.builds(
    lambda offer, **more: {"instance_type": offer[0], "region": offer[1], **more},
    market,
    name=words,
    num_instances=st.integers(1, 100),
    limit_price=dollars,
    volume_ids=ids,
    ssh_key_ids=ids,
    startup_script=st.one_of(words, words.map(Sensitive)),
)
VOLUMES = st.fixed_dictionaries(
    {
        "name": words,
        "region": words,
        "size_gb": st.integers(1, 15000),
        "interface": st.sampled_from(["block", "file"]),
    }
)
RESERVATIONS = st.builds(
    lambda offer, **more: {"instance_type": offer[0], "region": offer[1], **more},
    market,
    name=words,
    quantity=st.integers(1, 100),
    start_time_utc=instants,
    end_time_utc=instants,
    volume_ids=ids,
    ssh_key_ids=ids,
)
CASES = st.one_of(
    st.tuples(st.just(Kind.TASK), TASKS),
    st.tuples(st.just(Kind.VOLUME), VOLUMES),
    st.tuples(st.just(Kind.RESERVATION), RESERVATIONS),
)


def document_of(kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
    """The document a faithful server makes of a create request."""
    renamed = {"size_gb": "capacity_gb", "disk_interface": "interface"} if kind is Kind.VOLUME else {}
    return {**BLANK[kind], **{renamed.get(key, key): value for key, value in body.items()}}


@given(CASES)
def test_what_is_written_reads_back_the_same(case: tuple[Kind, dict[str, Any]]) -> None:
    kind, attributes = case
    mapping = compile_mapping(kind_of(kind))
    context = Context(CATALOGUE, attributes["region"])
    body = mapping.body(attributes, context)
    read = mapping.attributes(structure(SHAPES[kind], document_of(kind, body)), context)
    for name, value in attributes.items():
        if name == "startup_script":
            text = value.reveal() if isinstance(value, Sensitive) else value
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            assert name not in read and read["script_digest"] == digest
        elif name.endswith("_utc"):
            assert mapping.body({**attributes, name: read[name]}, context) == body
        else:
            assert read[name] == value
    assert mapping.body({**attributes, **{k: v for k, v in read.items() if k in attributes}}, context) == body


@pytest.mark.parametrize("kind", list(Kind))
def test_every_declared_path_and_codec_exists(kind: Kind) -> None:
    mapping = compile_mapping(kind_of(kind))
    for way in mapping.reads:
        assert way.path[0] in {field.name for field in fields(SHAPES[kind])}
    read = mapping.attributes(structure(SHAPES[kind], BLANK[kind]), Context(CATALOGUE))
    assert kind_of(kind).id_attribute in read


def test_a_task_on_the_wire() -> None:
    body = compile_mapping(kind_of(Kind.TASK)).body(
        {
            "name": "t",
            "instance_type": "h100",
            "region": "r-one",
            "limit_price": 1234.5,
            "volume_ids": ["vol_1"],
        },
        Context(CATALOGUE, "r-one"),
    )
    assert body == {
        "name": "t",
        "instance_type": "it_h8",
        "region": "r-one",
        "limit_price": "$1234.50",
        "launch_specification": {"volumes": ["vol_1"]},
    }


def test_a_null_region_says_nothing_and_a_null_price_is_none() -> None:
    document = structure(Bid, bid(region=None, limit_price=None, created_by=None))
    read = compile_mapping(kind_of(Kind.TASK)).attributes(document, Context(CATALOGUE))
    assert "region" not in read and read["limit_price"] is None and read["created_by"] is None


def test_an_unknown_value_is_not_sent() -> None:
    with pytest.raises(UnmappableError, match="not known yet"):
        compile_mapping(kind_of(Kind.VOLUME)).body({"name": Unknown(())}, Context(CATALOGUE))


@given(st.one_of(st.integers(-(10**12), 10**12), st.floats(), st.text(), st.booleans(), st.none()))
def test_money_is_written_exactly_or_refused(value: Any) -> None:
    codec = CODECS["money"]
    try:
        text = codec.encode(value, Context(CATALOGUE))
    except UnmappableError:
        return
    assert (
        Money.parse(text).cents >= 0 and codec.decode(text, Context(CATALOGUE)) == Money.parse(text).dollars
    )


@given(st.text())
def test_an_unknown_status_is_alive(status: str) -> None:
    assert task_status(status) in {
        "pending",
        "running",
        "paused",
        "preempting",
        "completed",
        "failed",
        "cancelled",
    }
    if status.strip().lower() not in {
        "terminated",
        "replaced",
        "cancelled",
        "canceled",
        "completed",
        "failed",
    }:
        assert not task_has_ended(status) or status.strip().lower().startswith("status_")


def test_statuses_of_bids() -> None:
    pairs = {
        "Open": "pending",
        "Allocated": "running",
        "Preempting": "preempting",
        "Relocating": "preempting",
    }
    pairs |= {"Paused": "paused", "Terminated": "cancelled", "Hibernating": "pending"}
    assert {word: task_status(word) for word in pairs} == pairs


@pytest.mark.parametrize(
    "spelled", ["8xh100", "h100:8", "H100x8", "h100", "h100-80gb.sxm.8x", " H100-80GB.SXM.8X "]
)
def test_spellings_of_one_type(spelled: str) -> None:
    assert CATALOGUE.resolve(spelled, "r-one") == "it_h8"
    assert CATALOGUE.resolve(spelled, "r-two") == "it_h8b"


def test_ids_pass_and_bare_a100_is_one_gpu() -> None:
    assert CATALOGUE.resolve("it_anything", "nowhere") == "it_anything"
    assert CATALOGUE.resolve("a100", "r-one") == "it_a1"
    assert CATALOGUE.resolve("h200", "r-one") == "it_hh"  # has no market: the server decides
    assert CATALOGUE.name_of("it_hh") == "8xh200" and CATALOGUE.name_of("it_new") == "it_new"


@pytest.mark.parametrize(
    ("spelled", "region", "words"),
    [
        ("8xa100", "r-one", "r-two"),
        ("8xa100", "r-onr", "r-one"),
        ("3xa100", "r-one", "1xa100"),
        ("8xh10O", "r-one", "8xh100"),
        ("9xb300", "r-one", "There are"),
    ],
)
def test_a_type_that_is_not_there_gets_advice(spelled: str, region: str, words: str) -> None:
    with pytest.raises(UnmappableError) as caught:
        CATALOGUE.resolve(spelled, region)
    assert words in caught.value.diagnostic.suggestion


@given(st.text())
def test_any_spelling_is_survived(text: str) -> None:
    parse_spelling(text)
    try:
        assert CATALOGUE.resolve(text, "r-one")
    except UnmappableError as error:
        assert error.diagnostic.summary


def test_offers() -> None:
    first = CATALOGUE.offers()[0]
    assert (first.instance_type, first.region, first.type_id) == ("1xa100", "r-one", "it_a1")
    assert (first.available, first.price_cents, first.gpus, first.gpu_memory_gb) == (5, 100050, 1, 80)


def test_a_document_that_cannot_be_read_names_the_field_and_no_value() -> None:
    with pytest.raises(ValueError, match="instance_quantity") as caught:
        structure_all(Bid, [bid(), bid(instance_quantity="secret", name=None)])
    assert "row 1" in str(caught.value) and "name" in str(caught.value) and "secret" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_any_document_is_a_bid_or_an_error(document: Any) -> None:
    with pytest.raises(ValueError):
        structure_all(Bid, [document])


KEYS = [
    SshKey("sshkey_a", "laptop", False),
    SshKey("sshkey_b", "team", True),
    SshKey("sshkey_c", "twin"),
    SshKey("sshkey_d", "twin"),
]


@given(st.lists(st.sampled_from(["laptop", "team", "sshkey_a", "sshkey_x"])))
def test_required_keys_are_always_there_once(asked: list[str]) -> None:
    keys = choose_keys(asked, KEYS).fids
    assert keys[0] == "sshkey_b" and len(set(keys)) == len(keys)
    assert ("sshkey_a" in keys) == bool({"laptop", "sshkey_a"} & set(asked))


def test_some_key_is_always_there() -> None:
    assert choose_keys([], KEYS[:1] + KEYS[2:]).fids == ("sshkey_a",)
    for asked, known, words in (
        ([], [], "console"),
        (["twin"], KEYS, "sshkey_c"),
        (["laptp"], KEYS, "laptop"),
    ):
        with pytest.raises(FlowplanError) as caught:
            choose_keys(asked, known)
        assert words in caught.value.diagnostics[0].suggestion


@frozen
class Ring:
    """The keys of a pretended machine."""

    name: str | None = None
    pairs: tuple[str, ...] = ()
    made: str | None = None

    def named(self) -> str | None:
        return self.name

    def present(self) -> tuple[str, ...]:
        return self.pairs

    def read(self, path: str) -> str | None:
        return {"~/.ssh/one.pub": "ssh-ed25519 AAAA me@here"}.get(path)

    def own(self) -> str | None:
        return self.made


def test_where_no_key_is_asked_for_the_machine_decides() -> None:
    known = [
        SshKey("sshkey_a", "laptop", False, "ssh-ed25519 AAAA somebody"),
        SshKey("sshkey_b", "other", False, "ssh-ed25519 BBBB"),
    ]
    here, fresh, own = "ssh-ed25519 BBBB me@here", "ssh-ed25519 CCCC me@here", "ssh-ed25519 DDDD flowplan"
    for ring, fids, missing in (
        (Ring(pairs=(here,)), ("sshkey_b",), ()),
        (Ring(name=fresh, pairs=(here,)), (), (fresh,)),
        (Ring(name=here), ("sshkey_b",), ()),
        (Ring(pairs=(fresh,), made=own), (), (own,)),
        (Ring(), ("sshkey_a",), ()),
    ):
        choice = choose_keys([], known, ring)
        assert (choice.fids, choice.missing) == (fids, missing)
        assert choose_keys(["_auto_"], known, ring) == choice


def test_a_key_in_a_file_is_known_by_its_text() -> None:
    known = [SshKey("sshkey_a", "laptop", False, "ssh-ed25519 AAAA somebody")]
    assert choose_keys(["~/.ssh/one.pub"], known, Ring()).fids == ("sshkey_a",)
    assert choose_keys(["~/.ssh/one.pub"], [], Ring()).missing == ("ssh-ed25519 AAAA me@here",)
    with pytest.raises(FlowplanError, match=r"no SSH key in '~/\.ssh/two\.pub'"):
        choose_keys(["~/.ssh/two.pub"], known, Ring())
