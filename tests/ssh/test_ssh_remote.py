"""The pure half of SSH access: addresses, arguments, keys, lines for a shell."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.client import remote

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 100)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("host", ("host", 22)),
        ("host:2222", ("host", 2222)),
        (" 127.3.4.5:40 ", ("127.3.4.5", 40)),
        ("[2001:db8::1]:99", ("2001:db8::1", 99)),
        ("2001:db8::1", ("2001:db8::1", 22)),
        ("[::1]", ("::1", 22)),
    ],
)
def test_destinations(text, place):
    assert remote.parse_destination(text) == (*place, "ubuntu")


@pytest.mark.parametrize("text", ["", ":22", "host:", "host:0", "host:65536", "host:ssh", "host:²"])
def test_what_is_no_destination(text):
    with pytest.raises(ValueError, match="host:port"):
        remote.parse_destination(text)


def test_the_named_key_comes_first_then_one_the_bid_accepts():
    candidates = [
        (Path("a"), "ssh-rsa AAA me@a"),
        (Path("b"), "ssh-ed25519 BBB"),
        (Path("c"), "ssh-ed25519 BBB"),
    ]
    assert remote.choose_key("/k/id", candidates, ["ssh-ed25519 BBB other"]) == Path("/k/id")
    assert remote.choose_key("/k/id.pub", [], []) == Path("/k/id")
    assert remote.choose_key(None, candidates, ["ssh-ed25519 CCC", "ssh-ed25519 BBB other"]) == Path("b")
    assert remote.choose_key("", candidates, ["ssh-dss AAA"]) is None


def test_the_systems_ssh_is_asked_for_a_batch_or_a_terminal():
    batch = remote.ssh_argv("h", 5, key=Path("/k"), command=["a", "b c"], control=Path("/c"))
    assert batch[-3:] == ["ubuntu@h", "--", "a 'b c'"]
    assert {"-T", "BatchMode=yes", "IdentitiesOnly=yes", "ControlMaster=auto", "ControlPath=/c/%C"} <= set(
        batch
    )
    shell = remote.ssh_argv("h", control=Path("/c"))
    assert shell[-1] == "ubuntu@h"
    assert not {"-T", "-i", "ControlMaster=auto"} & set(shell)
    assert shell[shell.index("-p") + 1] == "22"


@settings(max_examples=15, deadline=None)
@given(folder=NAMES, name=NAMES, data=st.binary(max_size=200))
def test_a_written_file_is_read_back_whatever_it_is_called(tmp_path_factory, folder, name, data):
    home = tmp_path_factory.mktemp("home")
    for path in (f"{home}/{folder}/{name}", f"{folder}/{name}", name):
        written = subprocess.run(
            ["bash", "-c", remote.write_line(path)], input=data, cwd=home, capture_output=True
        )
        is_folder = path == name and name == folder
        assert (written.returncode == 0) is not is_folder, written.stderr
        read = subprocess.run(["bash", "-c", remote.read_line(path)], cwd=home, capture_output=True)
        assert (read.returncode, read.stdout) == ((remote.NO_FILE, b"") if is_folder else (0, data))
    assert shlex.split(remote.line_of([name, data.hex()])) == [name, data.hex()]
