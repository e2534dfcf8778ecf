"""Users, projects and keys: who may do what (provider.md 2.5, 2.6, 2.9, section 7-21)."""

import json
import sqlite3
from datetime import timedelta

import pytest

from flowplan.sandbox import members, open_sandbox
from flowplan.values.diagnostic import FlowplanError

KEYS = "/v2/api-keys"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def as_user(client, key):
    def call(method, path, body=None, **query):
        return client.call(method, path, body, query, bearer(key))

    return call


def new_key(client, clock, days=30, name="ci"):
    return client.post(KEYS, name=name, expires_at=(clock.now + timedelta(days=days)).isoformat())


def test_a_key_opens_until_it_is_revoked(client, clock):
    made = new_key(client, clock)
    ask = as_user(client, made["secret"])
    assert ask("GET", "/v2/me").body == client.get("/v2/me").body
    assert ask("POST", "/v2/spot/bids", client.bid_body()).status == 201
    assert client.delete(f"{KEYS}/{made['fid']}").status == 204
    assert ask("GET", "/v2/me").status == 401
    listed = client.get(KEYS).body
    assert [key["deactivated_at"] is None for key in listed] == [False]
    assert client.delete(f"{KEYS}/{made['fid']}").status == 400
    assert client.delete(f"{KEYS}/apikey_none").status == 404


def test_a_key_expires(client, clock):
    ask = as_user(client, new_key(client, clock, days=1)["secret"])
    clock.advance(86_399)
    assert ask("GET", "/v2/me").status == 200
    clock.advance(1)
    assert ask("GET", "/v2/me").status == 401


@pytest.mark.parametrize(("days", "name"), [(0, "ci"), (-1, "ci"), (400, "ci"), (1, "x" * 60), (1, " ")])
def test_keys_that_cannot_be(client, clock, days, name):
    assert new_key(client, clock, days, name).status == 400
    assert client.get(KEYS).body == []


def test_the_secret_is_shown_once_and_kept_nowhere(client, clock):
    client.sandbox.configure(honour_idempotency_key=True)
    body = {"name": "ci", "expires_at": (clock.now + timedelta(days=1)).isoformat()}
    secret = client.call("POST", KEYS, body, headers={"Idempotency-Key": "once"})["secret"]
    pair = client.call(
        "POST",
        "/v2/ssh-keys",
        {"project": client.project, "name": "made"},
        headers={"Idempotency-Key": "twice"},
    )
    assert len(secret) >= 25
    assert client.get(KEYS).body[0]["snippet"] == f"{secret[:9]}..."
    db = sqlite3.connect(client.sandbox.home / "sandbox.db")
    stored = "".join(row[0] for row in db.execute("SELECT doc FROM objects"))
    db.close()
    assert secret not in stored and "PRIVATE KEY" not in stored
    files = [path for path in client.sandbox.home.rglob("*") if path.is_file() and path.name != "api-key"]
    assert all(secret.encode() not in path.read_bytes() for path in files)
    keys = client.get("/v2/ssh-keys", project=client.project).body
    assert "private_key" not in json.dumps(keys)
    assert pair["public_key"] in {key["public_key"] for key in keys}


def test_a_made_key_pair_belongs_together(client):
    asyncssh = pytest.importorskip("asyncssh")
    made = client.post("/v2/ssh-keys", project=client.project, name="made")
    private = asyncssh.import_private_key(made["private_key"])
    assert made["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert made["public_key"].split()[:2] == private.export_public_key().decode().split()[:2]
    assert client.bid(ssh_keys=[made["fid"]]).status == 201


def test_without_the_library_ssh_keygen_makes_the_pair(client, monkeypatch, tmp_path):
    import shutil

    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    made = client.post("/v2/ssh-keys", project=client.project, name="made")
    assert made.status == 201
    assert "PRIVATE KEY" in made["private_key"]
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = client.post("/v2/ssh-keys", project=client.project, name="made")
    assert refused.status == 501


@pytest.fixture
def other(client):
    """A member of a second project who is no admin: the project and a way to ask."""
    project = members.add_project(client.sandbox, "other")
    user = members.add_user(client.sandbox, "ann", [project])
    return project, as_user(client, members.add_key(client.sandbox, user))


def test_admins_are_members_of_every_project(client, other):
    project, _ = other
    assert [row["fid"] for row in client.get("/v2/projects").body] == [client.project, project]


def test_nobody_sees_into_a_foreign_project(client, other, clock):
    project, ask = other
    bid, volume = client.bid(), client.volume()
    key = client.post("/v2/ssh-keys", project=client.project, name="mine", public_key=_KEY)
    script = client.post("/v2/lifecycle-scripts", project=client.project, name="s", content="c")
    cluster = client.post("/v2/kubernetes/clusters", **_cluster(client))
    res = client.post("/v2/reservation", **client.reservation_body(clock.now, 3))
    assert {answer.status for answer in (bid, volume, key, script, cluster, res)} == {201}
    assert [row["fid"] for row in ask("GET", "/v2/projects").body] == [project]
    assert ask("GET", "/v2/spot/bids")["data"] == []
    for path in ("volumes", "ssh-keys", "reservation", "instances", "lifecycle-scripts", "quotas"):
        assert ask("GET", f"/v2/{path}", project=client.project).status == 404
        assert ask("GET", f"/v2/{path}", project=project).status == 200
    for method, path in (
        ("GET", f"spot/bids/{bid['fid']}"),
        ("GET", f"spot/bids/{bid['fid']}/status"),
        ("GET", f"spot/bids/{bid['fid']}/history"),
        ("PATCH", f"spot/bids/{bid['fid']}"),
        ("DELETE", f"spot/bids/{bid['fid']}"),
        ("PATCH", f"volumes/{volume['fid']}"),
        ("DELETE", f"volumes/{volume['fid']}"),
        ("PATCH", f"ssh-keys/{key['fid']}"),
        ("DELETE", f"ssh-keys/{key['fid']}"),
        ("GET", f"lifecycle-scripts/{script['fid']}/content"),
        ("PATCH", f"lifecycle-scripts/{script['fid']}"),
        ("DELETE", f"lifecycle-scripts/{script['fid']}"),
        ("GET", f"kubernetes/clusters/{cluster['fid']}"),
        ("DELETE", f"kubernetes/clusters/{cluster['fid']}"),
        ("PATCH", f"reservation/{res['fid']}"),
        ("POST", f"reservation/{res['fid']}/extend"),
        ("POST", f"reservation/{res['fid']}/terminate-instances"),
        ("GET", f"reservation/{res['fid']}/history"),
        ("GET", f"reservation/{res['fid']}/usage"),
        ("GET", f"reservation/{res['fid']}/extension-availability"),
        ("GET", f"instances/{bid['instances'][0]}/status"),
        ("POST", f"instances/{bid['instances'][0]}/refresh-boot-disk"),
    ):
        assert ask(method, f"/v2/{path}", {} if method in ("PATCH", "POST") else None).status == 404, path
    change = {"instances": [res["instances"][0]], "status": "STATUS_PAUSED"}
    assert ask("PATCH", "/v2/instances", change).status == 404
    for path in ("instances/status/history", "instances/pricing/history"):
        assert ask("GET", f"/v2/{path}", project=project, bid_fid=bid["fid"]).status == 404


def test_nobody_orders_for_or_with_a_foreign_project(client, other, clock):
    project, ask = other
    volume = client.volume()["fid"]
    own = ask("POST", "/v2/ssh-keys", {"project": project, "name": "own", "public_key": _KEY})["fid"]
    foreign = client.bid_body()
    assert ask("POST", "/v2/spot/bids", foreign).status == 403
    body = {**foreign, "project": project}
    assert ask("POST", "/v2/spot/bids", body).status == 404
    spec = {"ssh_keys": [own], "volumes": []}
    assert ask("POST", "/v2/spot/bids", {**body, "launch_specification": spec}).status == 201
    spec = {"ssh_keys": [own], "volumes": [volume]}
    assert ask("POST", "/v2/spot/bids", {**body, "launch_specification": spec}).status == 404
    for path, wanted in (
        ("ssh-keys", {"name": "x", "public_key": _KEY}),
        ("lifecycle-scripts", {"name": "x", "content": "x"}),
        ("volumes", {"name": "x", "disk_interface": "File", "region": "us-central1-b", "size_gb": 1}),
        ("kubernetes/clusters", _cluster(client)),
        ("reservation", client.reservation_body(clock.now, 3)),
    ):
        assert ask("POST", f"/v2/{path}", {**wanted, "project": client.project}).status == 403, path


def test_a_required_key_binds_its_own_project_only(client, other):
    project, ask = other
    own = ask("POST", "/v2/ssh-keys", {"project": project, "name": "own", "public_key": _KEY})["fid"]
    client.patch(f"/v2/ssh-keys/{client.key}", required=True)
    spec = {"ssh_keys": [own], "volumes": []}
    body = {**client.bid_body(), "project": project, "launch_specification": spec}
    assert ask("POST", "/v2/spot/bids", body).status == 201


def test_only_admins_require_keys(client, other):
    project, ask = other
    body = {"project": project, "name": "own", "public_key": _KEY}
    assert ask("POST", "/v2/ssh-keys", {**body, "required": True}).status == 403
    own = ask("POST", "/v2/ssh-keys", body)["fid"]
    assert ask("PATCH", f"/v2/ssh-keys/{own}", {"required": True}).status == 403
    assert client.patch(f"/v2/ssh-keys/{own}", required=True).status == 200


def test_a_key_may_be_for_one_project(client, other):
    project, _ = other
    ask = as_user(client, members.add_key(client.sandbox, project=project))
    assert [row["fid"] for row in ask("GET", "/v2/projects").body] == [project]
    assert ask("GET", "/v2/volumes", project=client.project).status == 404
    assert ask("GET", "/v2/me")["fid"] == client.get("/v2/me")["fid"]
    # What it makes opens no more than it does.
    body = {"name": "x", "expires_at": (client.sandbox.real_now() + timedelta(days=1)).isoformat()}
    narrow = as_user(client, ask("POST", KEYS, body)["secret"])
    assert [row["fid"] for row in narrow("GET", "/v2/projects").body] == [project]


def test_keys_are_their_users_own(client, other, clock):
    _, ask = other
    mine = new_key(client, clock)
    assert mine["fid"] not in {key["fid"] for key in ask("GET", KEYS).body}
    assert ask("DELETE", f"{KEYS}/{mine['fid']}").status == 404


def test_teammates_share_a_project(client, other):
    project, ask = other
    stranger = members.add_user(client.sandbox, "bob", [client.project])
    seen = {row["fid"]: row for row in ask("GET", "/v2/me/teammates").body}
    assert ask("GET", "/v2/me")["fid"] in seen and stranger not in seen
    assert all(row["project_ids"] == [project] for row in seen.values())
    assert stranger in {row["fid"] for row in client.get("/v2/me/teammates").body}


def test_what_cannot_be_set_up_is_told(client):
    for wrong in (
        lambda: members.add_user(client.sandbox, "x", ["proj_none"]),
        lambda: members.add_key(client.sandbox, "user_none"),
        lambda: members.add_key(client.sandbox, project="proj_none"),
        lambda: members.set_quota(client.sandbox, "Beer", 1),
    ):
        with pytest.raises(FlowplanError):
            wrong()


def test_another_process_sees_keys_at_once(client, clock, make_client):
    twin = make_client(open_sandbox(client.sandbox.home, clock, execute=False))
    made = new_key(client, clock)
    assert as_user(twin, made["secret"])("GET", "/v2/me").status == 200
    twin.delete(f"{KEYS}/{made['fid']}")
    assert as_user(client, made["secret"])("GET", "/v2/me").status == 401
    twin.sandbox.close()


def test_a_file_from_before_projects_is_still_good(client, clock):
    home, key = client.sandbox.home, client.key
    client.sandbox.close()
    db = sqlite3.connect(home / "sandbox.db")
    db.execute("DELETE FROM objects WHERE kind IN ('project', 'user')")
    db.commit()
    db.close()
    again = type(client)(open_sandbox(home, clock, execute=False))
    assert (again.project, again.key) == (client.project, key)
    assert again.bid().status == 201
    again.sandbox.close()


def test_quotas_are_enforced_by_project(client, other, clock):
    project, _ = other
    members.set_quota(client.sandbox, "Storage", 15)
    assert client.volume("one").status == 201
    refused = client.volume("two")
    assert (refused.status, "quota" in refused.detail) == (403, True)
    rows = {row["name"]: row for row in client.get("/v2/quotas", project=client.project).body}
    assert (rows["Storage"]["total_quantity"], rows["Storage"]["used_quantity"]) == (15, 10)
    rows = {row["name"]: row for row in client.get("/v2/quotas", project=project).body}
    assert rows["Storage"]["used_quantity"] == 0
    members.set_quota(client.sandbox, "Reservations", 7, client.h100)
    assert client.post("/v2/reservation", **client.reservation_body(clock.now, 4, 2)).status == 403
    made = client.post("/v2/reservation", **client.reservation_body(clock.now, 3, 2))
    assert made.status == 201
    longer = {"end_time": (clock.now + timedelta(hours=4)).isoformat()}
    assert client.post(f"/v2/reservation/{made['fid']}/extend", **longer).status == 403
    organization = client.get("/v2/me")["organization_id"]
    status, _, body = client.sandbox.handle(
        "GET", f"/v2/organizations/{organization}/quotas", headers=bearer(client.sandbox.api_key)
    )
    row = next(row for row in json.loads(body) if row["region"] == "us-central1-b")
    assert (status, row["used"], row["limit_source"]) == (200, 10, "override")


_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA somebody"


def _cluster(client):
    place = {"project": client.project, "region": "us-central1-b", "instance_type": client.h100}
    return {**place, "name": "k", "ssh_keys": [client.key]}
