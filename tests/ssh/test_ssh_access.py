"""`SshAccess` against the sandbox's SSH server: real sockets, real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil

import pytest

pytest.importorskip("asyncssh", reason="SSH needs asyncssh")

from flowplan.client.ssh import (
    HostChanged,
    KeyMissing,
    PermissionDenied,
    SshAccess,
    Unreachable,
)

pytestmark = pytest.mark.process
FOREVER = f"sleep {30_000_000 + os.getpid()}"


def run(serving, scenario, **options):
    """Run a scenario with a served sandbox and an access to it."""

    async def go():
        async with serving() as served:
            access = served.access(**options)
            try:
                return await scenario(served, access)
            finally:
                await access.close()

    return asyncio.run(go())


def test_commands_run_on_the_node_asked_for(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid("exit 0", quantity=2))
        assert await access.run(bid, 1, "echo hi $NODE_RANK; echo no >&2; exit 3") == (3, b"hi 1\n", b"no\n")
        assert await access.run(bid, 0, ["printf", "%s|", "a b", "$HOME", "'"]) == (0, b"a b|$HOME|'|", b"")
        assert (await access.run(bid, 0, "kill -KILL $$"))[0] == 137
        # Its standard input is closed: whatever reads it goes on.
        assert await access.run(bid, 0, "cat; echo read") == (0, b"read\n", b"")
        assert "MITHRIL" not in (await access.run(bid, 0, "env"))[1].decode()

    run(serving, scenario)


def test_output_is_exact_whatever_its_bytes_and_size(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid())
        data = bytes(range(256)) * 4 + b"\r\n\n\x00end"
        await access.upload(bid, 0, data, "/data/deep/er/file.bin")
        assert await access.read_file(bid, 0, "/data/deep/er/file.bin") == data
        assert await access.run(bid, 0, 'cat "$FLOW_ROOT/data/deep/er/file.bin"') == (0, data, b"")
        big = os.urandom(1 << 20) * 5
        await access.upload(bid, 0, big, "big")
        assert await access.read_file(bid, 0, "big") == big
        assert (served.folder(bid) / "root/root/big").read_bytes() == big
        assert await access.read_file(bid, 0, "/data/none") is None
        assert await access.read_file(bid, 0, "/data") is None
        assert await access.read_file(bid, 1, "big") is None

    run(serving, scenario)


def test_what_a_launch_script_keeps_is_read_from_where_it_keeps_it(serving):
    from flowplan.launch.render import LaunchFacts, render

    config = {
        "name": "job",
        "command": "echo to out; echo to err >&2; exit 6",
        "image": "",
        "upload_code": False,
    }
    script, problems = render({**config, "working_dir": "/workspace"}, LaunchFacts("job"))
    assert problems == []

    async def scenario(served, access):
        bid = await served.up(served.bid(script.text))
        while (record := await access.completion(bid)) is None:
            await asyncio.sleep(0.02)
        assert record["exit_code"] == 6
        assert record == await served.sandbox.access.completion(bid)
        while not (await access.log(bid, 0, "stdout", 0))[0]:
            await asyncio.sleep(0.02)
        assert await access.log(bid, 0, "stdout", 0) == (b"to out\n", 7)
        assert await access.log(bid, 0, "stdout", 3) == (b"out\n", 7)
        assert await access.log(bid, 0, "stdout", 7) == (b"", 7)
        assert (await access.log(bid, 0, "stderr", 0))[0].endswith(b"to err\n")
        assert b"to out\n" in (await access.log(bid, 0, "startup", 0))[0]
        assert await access.log(bid, 1, "stdout", 0) is None
        assert await access.log(bid, 0, "other", 0) is None

    run(serving, scenario)


def test_the_wrong_key_and_the_wrong_user_are_refused(serving, tmp_path):
    import asyncssh

    async def scenario(served, access):
        stranger = tmp_path / "stranger"
        made = asyncssh.generate_private_key("ssh-ed25519")
        stranger.write_bytes(made.export_private_key())
        bid = await served.up(served.bid())
        other = served.access(stranger)
        with pytest.raises(PermissionDenied) as refused:
            await other.run(bid, 0, "true")
        assert "MITHRIL_SSH_KEY" in refused.value.diagnostics[0].suggestion
        host, port, _ = await served.destination(bid, 0)

        async def as_root(task, node):
            return host, port, "root"

        with pytest.raises(PermissionDenied):
            await SshAccess(as_root, served.sandbox.ssh_key).run(bid, 0, "true")
        # A key that the project has is no key of an instance that was not launched with it.
        public = made.export_public_key().decode()
        fid = served.call("POST", "/v2/ssh-keys", project=served.project, name="new", public_key=public)[
            "fid"
        ]
        with pytest.raises(PermissionDenied):
            await other.run(bid, 0, "true")
        own = await served.up(served.bid(keys=[fid]))
        assert (await other.run(own, 0, "true"))[0] == 0
        with pytest.raises(PermissionDenied):
            await access.run(own, 0, "true")
        await other.close()

    run(serving, scenario)


def test_a_missing_or_broken_key_is_named(serving, tmp_path):
    (tmp_path / "broken").write_text("nonsense")

    async def scenario(served, access):
        bid = await served.up(served.bid())
        for key, word in (
            (tmp_path / "none", "none"),
            (tmp_path / "broken", "broken"),
            (None, "no private key"),
        ):
            with pytest.raises(KeyMissing) as missing:
                await SshAccess(served.destination, key).run(bid, 0, "true")
            assert word in str(missing.value)
            assert "MITHRIL_SSH_KEY" in missing.value.diagnostics[0].suggestion

    run(serving, scenario)


def test_a_lost_connection_is_made_again(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid())
        assert (await access.run(bid, 0, "true"))[0] == 0
        for connection in access._connections.values():
            connection.abort()
        assert await access.run(bid, 0, "echo again") == (0, b"again\n", b"")
        # One that is lost while a command runs is not: nobody knows what the command has done.
        running = asyncio.create_task(access.run(bid, 0, f'echo >"$FLOW_ROOT/root/began"; {FOREVER}'))
        began = served.folder(bid) / "root/root/began"
        while not began.exists():
            await asyncio.sleep(0.01)
        next(iter(access._connections.values())).abort()
        with pytest.raises(Unreachable):
            await running

    run(serving, scenario)


def test_an_instance_that_ends_takes_its_connections_with_it(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid())
        began = served.folder(bid) / "root/root/began"
        running = asyncio.create_task(access.run(bid, 0, f'echo >"$FLOW_ROOT/root/began"; {FOREVER}'))
        while not began.exists():
            await asyncio.sleep(0.01)
        host, port, _ = await served.destination(bid, 0)
        served.end(bid)
        try:
            code, _, _ = await running
            assert code > 128
        except Unreachable:
            pass
        assert await served.destination(bid, 0) is None
        assert await access.completion(bid) is None
        assert await access.log(bid, 0, "stdout", 0) is None
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                break
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            await asyncio.sleep(0.01)

    run(serving, scenario, patience_s=0)


def test_one_connection_serves_many_commands_at_once(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid(quantity=2))
        found = await asyncio.gather(*(access.run(bid, n % 2, f"echo {n} $NODE_RANK") for n in range(8)))
        assert found == [(0, f"{n} {n % 2}\n".encode(), b"") for n in range(8)]
        assert len(access._connections) == 2

    run(serving, scenario)


def test_nobody_listens_yet(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid())
        real = await served.destination(bid, 0)
        late = asyncio.Event()

        async def destination(task, node):
            place = real if late.is_set() else ("127.0.0.1", 1, "ubuntu")
            late.set()
            return place

        patient = SshAccess(destination, served.sandbox.ssh_key)
        assert (await patient.run(bid, 0, "true"))[0] == 0
        await patient.close()

        async def nowhere(task, node):
            return "127.0.0.1", 1, "ubuntu"

        hasty = SshAccess(nowhere, served.sandbox.ssh_key, patience_s=0)
        with pytest.raises(Unreachable, match="cannot be reached"):
            await hasty.run(bid, 0, "true")

    run(serving, scenario)


def test_another_machine_at_a_known_address_gets_nothing(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid())
        await access.run(bid, 0, "true")
        (at,) = access._host_keys
        access._host_keys[at] = b"another"
        await access.close()
        with pytest.raises(HostChanged):
            await access.run(bid, 0, "true")

    run(serving, scenario)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh program is installed")
def test_the_systems_ssh_takes_the_arguments(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid(quantity=2))
        assert await access.shell_argv(bid, 2, None) is None
        for command, typed, code, out in (
            ("echo hi $NODE_RANK; exit 4", b"", 4, b"hi 1\n"),
            (["echo", "a  b"], b"", 0, b"a  b\n"),
            ("cat", b"typed\0\n", 0, b"typed\0\n"),
            (None, b"echo $NODE_RANK; exit 5\n", 5, b"1\n"),
        ):
            argv = await access.shell_argv(bid, 1, command)
            pipe = asyncio.subprocess.PIPE
            ssh = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
            found, err = await ssh.communicate(typed)
            assert (ssh.returncode, found) == (code, out), err

    run(serving, scenario)


def test_completion_spans_all_nodes(serving):
    whole = {"exit_code": 0, "attempt": 1, "timed_out": False}
    record = json.dumps({**whole, "started_at": "2026-01-0$NODE_RANK", "ended_at": "2026-02-0$NODE_RANK"})
    script = f"""cat >"${{FLOW_ROOT:-}}/var/log/flow/completion.json" <<END
{record}
END
"""

    async def scenario(served, access):
        bid = await served.up(served.bid(script, quantity=3))
        while (found := await access.completion(bid)) is None:
            await asyncio.sleep(0.02)
        assert found == {**whole, "started_at": "2026-01-00", "ended_at": "2026-02-02"}
        assert found == await served.sandbox.access.completion(bid)
        fresh = await served.up(served.bid())
        assert await access.completion(fresh) is None

    run(serving, scenario)


def test_a_machine_stopped_on_the_way_in_is_one_that_does_not_answer(serving):
    """Found by chains of tasks that end themselves: it was running when its door was asked, and no more then."""

    async def scenario(served, access):
        bid = await served.up(served.bid("exit 0"))
        assert (await access.run(bid, 0, "exit 255"))[0] == 255
        folder, enter = served.folder(bid), served.sandbox.access.enter

        async def enter_and_stop(*arguments, stay=False, **options):
            visit = await enter(*arguments, stay=stay, **options)
            if not stay:
                (folder / "stop").write_text(json.dumps({"boots": 99}))
            return visit

        served.sandbox.access.enter = enter_and_stop
        try:
            assert await access.completion(bid) is None
            with pytest.raises(Unreachable, match=r"was lost|cannot be reached"):
                await access.run(bid, 0, "true")
        finally:
            served.sandbox.access.enter = enter
            (folder / "stop").unlink()

    run(serving, scenario, patience_s=1)


def test_a_read_that_ends_with_its_machine_is_no_answer(serving):
    async def scenario(served, access):
        bid = await served.up(served.bid())
        await access.run(bid, 0, "mkdir -p bin; printf '#!/bin/sh\nkill -9 $$' >bin/cat; chmod +x bin/cat")
        await access.upload(bid, 0, b"{}", "/var/log/flow/completion.json")
        execute = access._run

        async def executed(task, node, line, *rest, **options):
            return await execute(task, node, f"PATH=$PWD/bin:$PATH; {line}", *rest, **options)

        access._run = executed
        with pytest.raises(Unreachable, match="not read to its end"):
            await access.read_file(bid, 0, "/var/log/flow/completion.json")
        assert await access.completion(bid) is None

    run(serving, scenario)
