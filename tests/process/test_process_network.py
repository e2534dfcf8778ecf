"""A bad network between a real apply and a real server: told apart rightly, nothing doubled, and the next run finishes."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bad_network import BadNetwork
from flowplan_program import HELLO, Ended, Project, Served

pytestmark = pytest.mark.process

BIDS, VOLUMES, BID, VOLUME = "/v2/spot/bids", "/v2/volumes", r"/v2/spot/bids/bid_.+", r"/v2/volumes/vol_.+"
LISTS = "/v2/(spot/bids|volumes|reservation)"


@pytest.fixture
def network(served: Served) -> Iterator[BadNetwork]:
    """A bad network between the project's commands and the served sandbox."""
    made = BadNetwork(served.url)
    served.use(made.url)
    served.project.env["FLOWPLAN_REQUEST_TIMEOUT"] = "3s"
    yield made
    made.close()


def whole(project: Project, served: Served) -> None:
    """One volume and one task live and are on record, and there is nothing left to do."""
    rows = project.run("state", "list", "--json", code=0).json()["resources"]
    assert sorted(row["id"] for row in rows) == served.live_ids()
    assert (len(served.live_bids()), len(served.live_volumes())) == (1, 1)
    assert "No changes." in project.run("plan", "--detailed-exitcode", code=0).out


UNCLEAR = (
    "reset, done",
    "silence, done",
    "truncated, done",
    "500, done",
    "502, done",
    "503, done",
    "wrong content type, done",
    "invalid json, done",
    "another document, done",
)


def many(volumes: int, tasks: int = 0) -> str:
    """A stack of so many volumes and tasks that need nothing of each other."""
    text = "stack: many\nprovider: {region: us-central1-b}\nvolumes:\n"
    text += "".join(f"  v{n}: {{size_gb: 1, interface: file}}\n" for n in range(volumes))
    body = "{instance_type: a100, max_price_per_hour: 3.0, upload_code: false, command: echo}"
    return text + ("tasks:\n" if tasks else "") + "".join(f"  t{n}: {body}\n" for n in range(tasks))


def test_what_was_done_and_not_told_is_found_and_never_done_again(
    project: Project, served: Served, network: BadNetwork
) -> None:
    """Every way of not telling, for a volume and for a task each, in one apply."""
    count = len(UNCLEAR)
    project.write(many(count, count))
    made = [network.fault("POST", path, kind) for path in (VOLUMES, BIDS) for kind in UNCLEAR]
    ended = project.apply("--parallelism", "20")
    assert [fault.met for fault in made] == [1] * len(made)
    assert f"{2 * count} added" in ended.out, ended
    posts = [path for _, path in network.mutations()]
    assert posts.count(VOLUMES) == count and posts.count(BIDS) == count, "nothing was sent twice"
    rows = project.run("state", "list", "--json", code=0).json()["resources"]
    assert sorted(row["id"] for row in rows) == served.live_ids() and len(rows) == 2 * count
    assert "No changes." in project.run("plan", "--detailed-exitcode", code=0).out


def test_what_was_not_done_is_looked_for_and_then_sent_again(
    project: Project, served: Served, network: BadNetwork
) -> None:
    project.write(many(3))
    for kind in ("reset", "503", "500"):
        network.fault("POST", VOLUMES, kind)
    assert "3 added" in project.apply().out
    posts = [n for n, request in enumerate(network.requests) if request == ("POST", VOLUMES)]
    assert len(posts) == 6
    between = network.requests[posts[2] + 1 : posts[3]]
    assert between.count(("GET", VOLUMES)) >= 2, "not sent again before looking, and looking again"
    assert len(served.live_volumes()) == 3


@pytest.mark.parametrize("kind", ["502, done", "invalid json, done", "reset"])
def test_an_update_and_a_deletion_that_were_not_answered(
    project: Project, served: Served, network: BadNetwork, kind: str
) -> None:
    project.write(HELLO)
    project.apply()
    project.write(HELLO.replace("3.0", "4.0"))
    made = [
        network.fault("PATCH", BID, kind),
        network.fault("DELETE", BID, kind),
        network.fault("DELETE", VOLUME, kind),
    ]
    if (
        kind == "reset"
    ):  # not done: it is looked at for as long as it might be on its way, so ask for only one of them
        made[0].times = 0
    project.apply()
    if kind != "reset":
        assert [request[0] for request in network.mutations()].count("PATCH") == 1
    assert [bid["limit_price"] for bid in served.live_bids()] == ["$4.00"]
    project.run("destroy", "--auto-approve", code=0)
    assert served.live_ids() == [] and project.run("state", "list", code=0).out == ""
    assert all(fault.met for fault in made if fault.method == "DELETE")


def test_a_slow_answer_is_an_answer(project: Project, served: Served, network: BadNetwork) -> None:
    project.write(HELLO)
    faults = [network.fault(method, ".*", "trickle", -1) for method in ("GET", "POST")]
    assert "2 added" in project.apply().out
    assert all(fault.met for fault in faults)
    whole(project, served)


def test_a_storm_of_429_is_waited_out(project: Project, served: Served, network: BadNetwork) -> None:
    project.write(HELLO)
    faults = [network.fault("GET", LISTS, "429", 2), network.fault("POST", f"{BIDS}|{VOLUMES}", "429", 3)]
    assert "2 added" in project.apply().out
    assert [fault.times for fault in faults] == [0, 0]
    whole(project, served)


def test_429_without_end_is_a_passing_failure_and_nothing_is_made(
    project: Project, served: Served, network: BadNetwork
) -> None:
    project.write(HELLO)
    fault = network.fault("POST", VOLUMES, "429", -1)
    ended = project.run("apply", "--auto-approve", code=6)
    assert "too many requests" in ended.text and "task.hello" in ended.out, "what was skipped is named"
    assert served.live_ids() == []
    assert "interrupted" not in project.run("plan", code=0).out, "a refusal leaves nothing open"
    fault.times = 0
    project.apply()
    whole(project, served)


def test_where_no_one_can_find_out_it_is_remembered_and_the_next_run_finds_it(
    project: Project, served: Served, network: BadNetwork
) -> None:
    project.write(HELLO)
    network.fault("POST", VOLUMES, "reset, done")
    lists = network.fault("NONE", LISTS, "500", -1)

    def blind() -> None:
        assert network.faults[0].reached.wait(30)
        lists.method = "GET"

    watch = threading.Thread(target=blind)
    watch.start()
    ended = project.run("apply", "--auto-approve", code=9)
    watch.join()
    assert "The outcome of the create of volume.notes is not known" in ended.err
    assert len(served.live_volumes()) == 1 and served.live_bids() == []
    recover = project.run("recover", code=9)
    assert "not known" in recover.err
    lists.times = 0
    assert "interrupted create found at the provider" in project.run("plan", code=0).out
    project.apply()
    assert network.mutations().count(("POST", VOLUMES)) == 1
    whole(project, served)


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("503", 6, "fault of its own"),
        ("reset", 6, "the connection broke"),
        ("wrong content type", 1, "does not answer as the Mithril API does"),
        ("invalid json", 1, "does not answer as the Mithril API does"),
    ],
)
def test_a_plan_that_cannot_read_says_why(
    project: Project, served: Served, network: BadNetwork, kind: str, code: int, words: str
) -> None:
    project.write(HELLO)
    network.fault("GET", "/v2/(volumes|spot/bids)", kind, -1)
    assert words in project.run("apply", "--auto-approve", code=code).err
    assert network.mutations() == []
    assert not (project.state / "flowplan.db").exists()


# -- no connection at all


def unreachable(project: Project, url: str, code: int) -> Ended:
    project.write(HELLO)
    project.env |= {"FLOWPLAN_SANDBOX_URL": url, "MITHRIL_API_KEY": "k", "FLOWPLAN_REQUEST_TIMEOUT": "2s"}
    ended = project.run("apply", "--auto-approve", code=code)
    assert not (project.state / "flowplan.db").exists()
    return ended


def test_a_refused_connection(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "the connection was refused" in unreachable(project, f"http://127.0.0.1:{port}", 1).err


def test_a_connection_that_is_refused_in_the_midst_of_an_apply_was_never_used(
    project: Project, served: Served, network: BadNetwork
) -> None:
    """The server goes away while a creation is held: what was sent is unknown, and what was not is not sent."""
    project.write(HELLO)
    gate = network.gate("POST", VOLUMES, "before")
    assert gate is not None
    fault = network.fault("POST", VOLUMES, "silence, done")
    process = project.start("apply", "--auto-approve")
    assert fault.reached.wait(30)
    network._closing = True
    network._listener.close()
    from flowplan_program import finish

    ended = finish(process)
    assert ended.code == 9, ended
    served.use()
    assert len(served.live_volumes()) == 1
    project.apply()
    whole(project, served)


def test_a_server_that_speaks_no_tls(project: Project, served: Served) -> None:
    url = served.url.replace("http://", "https://")
    assert "the TLS handshake failed" in unreachable(project, url, 1).err


def test_a_certificate_that_is_not_trusted(project: Project, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _certificate(tmp_path)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as made:
                    made.recv(100)

    threading.Thread(target=serve, daemon=True).start()
    ended = unreachable(project, f"https://127.0.0.1:{listener.getsockname()[1]}", 1)
    listener.close()
    assert "the certificate was not accepted" in ended.err and "SSL_CERT_FILE" in ended.err


def _certificate(folder: Path) -> None:
    """A certificate that nobody has signed."""
    import subprocess

    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl makes no certificate here")


def test_a_timeout_that_cannot_be_read(project: Project, served: Served) -> None:
    project.write(HELLO)
    project.env["FLOWPLAN_REQUEST_TIMEOUT"] = "soon"
    assert "FLOWPLAN_REQUEST_TIMEOUT cannot be read" in project.run("plan", code=1).err
