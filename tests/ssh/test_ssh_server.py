"""The sandbox's SSH server as other clients see it: terminals, files, hang-ups, and a whole served process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

asyncssh = pytest.importorskip("asyncssh", reason="SSH needs asyncssh")

pytestmark = pytest.mark.process
FOREVER = f"sleep {20_000_000 + os.getpid()}"


def sleepers():
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _line(entry) == FOREVER]


def _line(entry):
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, UnicodeDecodeError):
        return ""


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def visit(serving, scenario, **bid):
    """Run a scenario with a served sandbox, one of its bids, and an SSH connection to the bid's first node."""

    async def go():
        async with serving() as served:
            fid = await served.up(served.bid(**bid))
            host, port, user = await served.destination(fid, 0)
            options = {
                "username": user,
                "client_keys": [served.sandbox.ssh_key],
                "known_hosts": None,
                "config": None,
            }
            async with asyncssh.connect(host, port, agent_path=None, **options) as connection:
                return await scenario(served, fid, connection)

    return asyncio.run(go())


def test_a_terminal_is_one(serving):
    async def scenario(served, fid, connection):
        command = "test -t 0 && test -t 1 && echo $TERM && stty size"
        done = await connection.run(command, term_type="vt100", term_size=(91, 17))
        assert done.stdout.split() == ["vt100", "17", "91"]
        async with connection.create_process(term_type="vt100", term_size=(80, 24)) as shell:
            shell.stdin.write("stty -echo; echo r''eady\n")
            await shell.stdout.readuntil("ready")
            shell.change_terminal_size(100, 30)
            # Job control needs a terminal of one's own.
            shell.stdin.write(
                "until stty size | grep '30 100'; do sleep 0.01; done; set -o | grep monitor; exit 9\n"
            )
            rest = await shell.stdout.read()
            assert (await shell.wait()).exit_status == 9
        assert "30 100" in rest
        assert "on" in rest.split("monitor")[1]

    visit(serving, scenario)


def test_a_client_that_leaves_hangs_up(serving):
    async def scenario(served, fid, connection):
        for options in ({}, {"term_type": "vt100"}):
            await connection.create_process(FOREVER, **options)
        await until(lambda: len(sleepers()) == 2)
        connection.abort()
        await until(lambda: not sleepers())

    visit(serving, scenario)


def test_the_end_of_an_instance_ends_what_visitors_run(serving):
    async def scenario(served, fid, connection):
        running = await connection.create_process(f"trap '' TERM HUP; {FOREVER} & {FOREVER}; true")
        await until(lambda: len(sleepers()) == 2)
        served.end(fid)
        await until(lambda: not sleepers())
        await running.wait_closed()
        await connection.wait_closed()

    visit(serving, scenario)


def test_a_shell_outlives_the_script(serving):
    async def scenario(served, fid, connection):
        async with connection.create_process('touch "$FLOW_ROOT/root/go"; cat; hostname') as shell:
            while await served.sandbox.access.completion(fid) is None:
                await asyncio.sleep(0.01)
            shell.stdin.write("still here\n")
            shell.stdin.write_eof()
            assert (await shell.stdout.read()).startswith("still here\n")

    visit(serving, scenario, script='until [ -e "$FLOW_ROOT/root/go" ]; do sleep 0.01; done')


def test_files_stay_in_the_root(serving, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    outside = tmp_path / "outside"
    outside.mkdir()

    async def scenario(served, fid, connection):
        root = served.folder(fid) / "root"
        for name, target in (
            ("abs", secret),
            ("up", "../" * 20 + str(secret).lstrip("/")),
            ("dir", outside),
            ("loop", "loop"),
            ("own", "/data/file"),
        ):
            (root / "data" / name).symlink_to(target)
        (root / "data/file").write_text("mine")
        read = served.sandbox.access.read_file
        assert await read(fid, 0, "/data/own") == b"mine"
        assert await read(fid, 0, "../../../data/file") == b"mine"
        os.mkfifo(root / "data/pipe")
        for path in ("abs", "up", "dir/x", "loop", "pipe", ".", "file/..", "no\0ne"):
            assert await read(fid, 0, f"/data/{path}") is None
        async with connection.start_sftp_client() as sftp:
            assert await sftp.realpath(".") == "/root"
            assert await sftp.realpath("/data/own") == "/data/file"
            for path in ("abs", "up", "loop", "../../../.." + str(secret)):
                with pytest.raises(asyncssh.SFTPError):
                    await sftp.open(f"/data/{path}")
                with pytest.raises(asyncssh.SFTPError):
                    await sftp.stat(f"/data/{path}")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.listdir("/data/dir")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.mkdir("/data/dir/made")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.open("/data/dir/made", "wb")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.rename("/data/file", "/data/dir/made")
            await sftp.symlink(str(secret), "/data/new")
            assert await sftp.readlink("/data/new") == str(secret)
            with pytest.raises(asyncssh.SFTPError):
                await sftp.setstat("/data/new", asyncssh.SFTPAttrs(permissions=0o777))
            async with sftp.open("/data/own", "ab") as file:
                await file.write(b" too")
            assert sorted(await sftp.listdir("/data"))[2:5] == ["abs", "dir", "file"]
            await sftp.remove("/data/abs")
        assert (root / "data/file").read_text() == "mine too"
        assert secret.read_text() == "secret"
        assert list(outside.iterdir()) == []
        # A link inside the root whose target is outside means a place inside: copying there makes it there.
        up = tmp_path / "up.bin"
        up.write_bytes(bytes(range(256)) * 1000)
        await asyncssh.scp(up, (connection, "/data/up.bin"))
        assert (root / "data/up.bin").read_bytes() == up.read_bytes()
        served.end(fid)
        assert await read(fid, 0, "/data/own") == b"mine too"
        assert await read(fid, 0, "/data/new") is None

    visit(serving, scenario)


def test_a_volume_is_part_of_the_files(serving):
    async def go():
        async with serving() as served:
            size = {
                "project": served.project,
                "disk_interface": "File",
                "region": "us-central1-b",
                "size_gb": 1,
            }
            volume = served.call("POST", "/v2/volumes", name="data", **size)["fid"]
            launch = {"volumes": [volume], "ssh_keys": [served.key], "startup_script": "true"}
            made = served.call(
                "POST",
                "/v2/spot/bids",
                project=served.project,
                region="us-central1-b",
                instance_type=served.type,
                limit_price="$20.00",
                instance_quantity=1,
                name="job",
                launch_specification=launch,
            )
            fid = await served.up(made["fid"])
            access = served.access()
            place = '"${FLOW_MNT:-/mnt}"/data/file'
            assert (await access.run(fid, 0, f"echo kept > {place}"))[0] == 0
            assert await served.sandbox.access.read_file(fid, 0, "/mnt/data/file") == b"kept\n"
            await access.close()
            assert (served.sandbox.home / "volumes" / volume / "file").read_text() == "kept\n"

    asyncio.run(go())


def test_the_users_key_is_private_and_is_kept(serving):
    async def go():
        async with serving() as served:
            key = served.sandbox.ssh_key
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
            public = key.with_name("id_ed25519.pub").read_text().strip()
            assert served.keys()[0]["public_key"] == public
            served.sandbox.reset()
            served.project = served.call("GET", "/v2/projects")[0]["fid"]
            assert served.keys()[0]["public_key"] == public
            text = key.read_bytes()
        async with serving() as served:
            assert served.sandbox.ssh_key.read_bytes() == text

    asyncio.run(go())


def test_whoever_knocks_while_the_door_is_being_closed_leaves_nothing_open(serving):
    async def go(later):
        loop, caller = asyncio.get_running_loop(), socket.socket()
        caller.setblocking(False)

        async def knock(place):
            for _ in range(later):
                await asyncio.sleep(0)
            with contextlib.suppress(OSError):
                await loop.sock_connect(caller, place)

        with caller:
            async with serving() as served:
                fid = await served.up(served.bid("sleep 60"))
                host, port, _ = await served.destination(fid, 0)
                for _ in range(10):
                    await asyncio.sleep(0)  # the door is open now
                knocking = asyncio.create_task(knock((host, port)))
            await knocking

    for later in range(8):
        asyncio.run(go(later))
        with warnings.catch_warnings(record=True) as left:
            warnings.simplefilter("always")
            gc.collect()
        assert [str(one.message) for one in left] == []


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh program is installed")
def test_the_served_program_says_how_to_log_in(tmp_path):
    import httpx

    command = [
        sys.executable,
        "-m",
        "flowplan",
        "sandbox",
        "serve",
        "--port",
        "0",
        "--home",
        str(tmp_path / "home"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as server:
        try:
            said = [server.stdout.readline() for _ in range(5)]
            url = said[0].split()[-1]
            (key,) = (line.partition("=")[2].strip() for line in said if "export MITHRIL_SSH_KEY=" in line)
            headers = {"Authorization": f"Bearer {(tmp_path / 'home/api-key').read_text().strip()}"}
            with httpx.Client(base_url=url, headers=headers) as http:
                project = http.get("/v2/projects").json()[0]["fid"]
                offer = http.get("/v2/spot/availability").json()[0]
                keys = http.get("/v2/ssh-keys", params={"project": project}).json()
                body = {
                    "project": project,
                    "region": offer["region"],
                    "instance_type": offer["instance_type"],
                    "limit_price": "$90.00",
                    "instance_quantity": 1,
                    "name": "job",
                    "launch_specification": {"volumes": [], "ssh_keys": [keys[0]["fid"]]},
                }
                bid = http.post("/v2/spot/bids", json=body).json()["fid"]
                wanted = {"project": project, "bid_fid_in": bid}
                while not (
                    place := http.get("/v2/instances", params=wanted).json()["data"][0]["ssh_destination"]
                ):
                    pass
                from flowplan.client.remote import parse_destination, ssh_argv

                argv = ssh_argv(*parse_destination(place), key=Path(key), command="echo $((6 * 7))")
                done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
                assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
                assert http.delete(f"/v2/spot/bids/{bid}").status_code == 204
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=30) == 0
