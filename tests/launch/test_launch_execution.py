"""Rendered scripts are run with bash below a temporary root: what arrives, what is recorded, what is refused."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowplan.launch import CODE_PATH, Ending, LaunchFacts, render
from flowplan.launch.environment import BASH_OWNS
from flowplan.values.value import Sensitive, reveal

pytestmark = pytest.mark.process

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

hostile = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "'",
            '"',
            "\\",
            "\n",
            "a\nb\n",
            "$(touch pwned)",
            "`id`",
            "${HOME}",
            "$'\\n'",
            "!!",
            "*",
            "~",
            "-n",
            "EOF",
            "FLOW_CODE",
            "{{ x }}",
            "{% raw %}",
            "\r\n",
            "\t",
            "é漢🚀",
            "'\"'\"'",
            "; exit 3",
            "&& false",
            "#!x",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: (
        name not in BASH_OWNS
        and not name.startswith(("LC_", "LD_", "BASH", "PYTHON"))
        and name not in ("PATH", "ENV", "LANG")
    )
)


def text_of(config: dict[str, Any], **facts: Any) -> str:
    script, problems = render({"image": "", **config}, LaunchFacts("train-0a1b2c", **facts))
    assert problems == []
    assert script is not None
    return str(reveal(script.text))


def run(root: Path, config: dict[str, Any], environ: dict[str, str] | None = None, **facts: Any) -> Any:
    script = root / "startup.sh"
    script.write_text(text_of(config, **facts), encoding="utf-8", newline="")
    base = {"PATH": os.environ["PATH"], "FLOW_ROOT": str(root / "root"), "FLOW_MNT": str(root / "mnt")}
    return subprocess.run(
        ["bash", script],
        env=base | (environ or {}),
        capture_output=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def completion(root: Path) -> dict[str, Any]:
    record = json.loads((root / "root/var/log/flow/completion.json").read_text())
    assert isinstance(record, dict)
    return record


REPORT = "import json,os,sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


@few
@given(env=st.dictionaries(names, hostile, max_size=4), argv=st.lists(hostile, max_size=4))
def test_values_arrive_byte_for_byte(env: dict[str, str], argv: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = run(Path(folder), {"command": [sys.executable, "-X", "utf8", "-c", REPORT, *argv], "env": env})
        assert done.returncode == 0, done.stderr
        seen_argv, seen_env = json.loads(done.stdout)
        assert seen_argv == argv
        assert {name: seen_env[name] for name in env} == env


@few
@given(working_dir=hostile.filter(lambda s: len(s.encode()) < 100 and "/" not in s), word=hostile)
def test_one_line_commands_and_folders_arrive_as_they_are(working_dir: str, word: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        done = run(
            root,
            {
                "command": 'printf "%s" "$WORD"; pwd -P >&2',
                "env": {"WORD": word},
                "working_dir": "/w" + working_dir,
            },
        )
        assert done.stdout.decode() == word
        assert done.stderr.decode() == f"{(root / 'root').resolve()}/w{working_dir}\n"


@few
@given(body=hostile)
def test_a_script_is_kept_to_the_byte(body: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = f"#!/bin/cat\n{body}"
        assert run(Path(folder), {"command": command}).stdout.decode() == command


@pytest.mark.parametrize(
    ("command", "stdout"),
    [
        ("echo one; echo two", b"one\ntwo\n"),
        ("echo $((1 + 1))\n", b"2\n"),
        ("x=5\necho ${x}\n[[ $x == 5 ]] && echo bash\n", b"5\nbash\n"),
        ("#!/usr/bin/env python3\nprint(6 * 7)\n", b"42\n"),
        ("\n#!/bin/sh\necho late shebang\n", b"late shebang\n"),
        (["echo", "a  b", "$HOME"], b"a  b $HOME\n"),
        ("printf %s " + "y" * 120_000, b"y" * 120_000),
    ],
)
def test_the_forms_of_a_command(tmp_path: Path, command: Any, stdout: bytes) -> None:
    done = run(tmp_path, {"command": command})
    assert (done.returncode, done.stdout, done.stderr) == (0, stdout, b"")


@pytest.mark.parametrize("code", [0, 1, 3, 124, 137, 255])
def test_the_exit_code_is_the_commands(tmp_path: Path, code: int) -> None:
    assert run(tmp_path, {"command": f"exit {code}", "max_run_time_hours": 1}).returncode == code
    record = completion(tmp_path)
    assert set(record) == {"exit_code", "started_at", "ended_at", "attempt", "timed_out"}
    assert (record["exit_code"], record["attempt"], record["timed_out"]) == (code, 1, False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["started_at"])
    assert record["started_at"] <= record["ended_at"]


@pytest.mark.parametrize(
    ("command", "code"), [(["no-such-program"], 127), (["-x"], 127), ("-x", 127), ([""], 127)]
)
def test_a_program_that_is_not_there(tmp_path: Path, command: Any, code: int) -> None:
    assert run(tmp_path, {"command": command}).returncode == code
    assert completion(tmp_path)["exit_code"] == code


def test_retries_run_the_command_again_until_it_succeeds(tmp_path: Path) -> None:
    command = "echo x >>tries; echo try $FLOW_ATTEMPT; [ $(wc -l <tries) -ge 3 ]"
    retries = {"max_retries": 5, "initial_delay": 0.1, "backoff_coefficient": 1.0, "max_delay": None}
    done = run(tmp_path, {"command": command, "retries": retries}, attempt=4)
    assert (done.returncode, done.stdout) == (0, b"try 4\ntry 5\ntry 6\n")
    assert completion(tmp_path)["attempt"] == 6


def test_retries_end(tmp_path: Path) -> None:
    retries = {"max_retries": 2, "initial_delay": 0.1, "backoff_coefficient": 2.0, "max_delay": 1.0}
    done = run(tmp_path, {"command": "exit 9", "retries": retries})
    assert (done.returncode, completion(tmp_path)["attempt"]) == (9, 3)
    assert "starts in 0.1 s" in done.stderr.decode()
    assert "starts in 0.2 s" in done.stderr.decode()


def test_no_retry_policy_means_one_attempt(tmp_path: Path) -> None:
    assert run(tmp_path, {"command": "echo x; exit 9"}).stdout == b"x\n"


def test_a_run_that_takes_too_long_is_stopped_and_not_tried_again(tmp_path: Path) -> None:
    retries = {"max_retries": 3, "initial_delay": 0.1, "backoff_coefficient": 1.0, "max_delay": None}
    done = run(tmp_path, {"command": "sleep 50 & wait", "max_run_time_hours": 1.5 / 3600, "retries": retries})
    assert done.returncode == 124
    assert completion(tmp_path)["timed_out"] is True
    assert completion(tmp_path)["attempt"] == 1


TERMINABLE = 'trap "echo bye; exit 7" TERM\necho up $FLOW_ATTEMPT\nwhile :; do sleep 0.05; done\n'


def interrupt(root: Path, argv: list[str | Path], env: dict[str, str], first: bytes) -> None:
    """Start a script, and end it as a machine that shuts down does, once its first line is there."""
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == first
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"bye\n"
    assert process.returncode == 7


def test_what_a_shutdown_interrupts_goes_on_at_the_next_boot(tmp_path: Path) -> None:
    script = tmp_path / "startup.sh"
    command = (
        "echo x >>boots; if [ $(wc -l <boots) -ge 3 ]; then echo done $FLOW_ATTEMPT; exit 5; fi\n"
        + TERMINABLE
    )
    script.write_text(text_of({"command": command, "max_run_time_hours": 1, "upload_strategy": "none"}))
    env = {"PATH": os.environ["PATH"], "FLOW_ROOT": str(tmp_path / "root")}
    interrupt(tmp_path, ["bash", script], env, b"up 1\n")
    assert not (tmp_path / "root/var/log/flow/completion.json").exists(), "it has not ended"
    script.unlink()  # what the next boot runs is the instance's own
    (hook,) = (tmp_path / "root/var/lib/cloud/scripts/per-boot").iterdir()
    started = (tmp_path / "root/var/lib/flow/progress").read_text().split()[0]
    interrupt(tmp_path, [hook], env, b"up 2\n")
    last = subprocess.run([hook], env=env, capture_output=True, check=False)
    assert (last.returncode, last.stdout) == (5, b"done 3\n")
    assert (completion(tmp_path)["attempt"], completion(tmp_path)["started_at"]) == (3, started)
    assert subprocess.run([hook], env=env, capture_output=True, check=False).stdout == b"", "it is over"
    assert (tmp_path / "root/var/lib/flow").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "root/var/lib/flow/launch").stat().st_mode & 0o777 == 0o700


def test_an_interruption_uses_up_no_retry_and_failures_stay_counted(tmp_path: Path) -> None:
    script = tmp_path / "startup.sh"
    command = "echo x >>boots; [ $(wc -l <boots) -eq 2 ] || exit 9\n" + TERMINABLE
    retries = {"max_retries": 2, "initial_delay": 0.1, "backoff_coefficient": 2.0, "max_delay": None}
    script.write_text(text_of({"command": command, "retries": retries, "upload_strategy": "none"}))
    env = {"PATH": os.environ["PATH"], "FLOW_ROOT": str(tmp_path / "root")}
    interrupt(tmp_path, ["bash", script], env, b"up 2\n")
    (hook,) = (tmp_path / "root/var/lib/cloud/scripts/per-boot").iterdir()
    last = subprocess.run([hook], env=env, capture_output=True, text=True, check=False)
    assert (last.returncode, completion(tmp_path)["attempt"]) == (9, 4)
    assert re.findall(r"starts in (\S+) s", last.stderr) == ["0.2"]


def test_a_container_that_a_shutdown_stopped_first_has_not_ended(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    systemctl = tmp_path / "bin/systemctl"
    systemctl.write_text("#!/bin/sh\necho stopping\n")
    systemctl.chmod(0o755)
    done = run(tmp_path, {"command": "exit 137"}, {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    assert done.returncode == 137
    assert not (tmp_path / "root/var/log/flow/completion.json").exists()


def test_the_run_time_limit_counts_from_the_first_boot(tmp_path: Path) -> None:
    script = tmp_path / "startup.sh"
    script.write_text(text_of({"command": TERMINABLE, "max_run_time_hours": 1, "upload_strategy": "none"}))
    env = {"PATH": os.environ["PATH"], "FLOW_ROOT": str(tmp_path / "root")}
    interrupt(tmp_path, ["bash", script], env, b"up 1\n")
    progress = tmp_path / "root/var/lib/flow/progress"
    started, epoch, *rest = progress.read_text().split()
    progress.write_text(" ".join([started, str(int(epoch) - 3600), *rest]) + "\n")
    (hook,) = (tmp_path / "root/var/lib/cloud/scripts/per-boot").iterdir()
    last = subprocess.run([hook], env=env, capture_output=True, check=False)
    assert (last.returncode, last.stdout, completion(tmp_path)["timed_out"]) == (124, b"", True)


def test_a_long_script_is_packed_and_runs(tmp_path: Path) -> None:
    command = (
        "".join(f"# line {n % 50} of a long script\n" for n in range(2000))
        + "echo 'it''s' \"$WORD\"; exit 4\n"
    )
    script, problems = render({"image": "", "command": command, "env": {"WORD": "é\n"}}, LaunchFacts("t"))
    assert problems == []
    assert script is not None
    assert script.packed
    assert script.length == len(str(script.text)) <= 10_000
    assert "é" not in str(script.text)
    done = run(tmp_path, {"command": command, "env": {"WORD": "é\n"}})
    assert (done.returncode, done.stdout.decode()) == (4, "its é\n\n")


def test_a_damaged_packed_script_does_not_run(tmp_path: Path) -> None:
    text = text_of({"command": "echo ran\n" * 3000})
    digest = re.search(r"[0-9a-f]{64}", text)
    assert digest is not None
    script = tmp_path / "startup.sh"
    script.write_text(text.replace(digest[0], "0" * 64))
    done = subprocess.run(
        ["bash", script], env={"FLOW_ROOT": str(tmp_path)}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"damaged" in done.stderr


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_embedded_code_is_unpacked_into_the_working_directory(tmp_path: Path) -> None:
    done = run(
        tmp_path, {"command": "cat main", "working_dir": "/code"}, code_archive=archive(main=b"\x00\xffcode")
    )
    assert done.stdout == b"\x00\xffcode"


def test_uploaded_code_is_waited_for(tmp_path: Path) -> None:
    config = {"command": "cat main", "working_dir": "/code", "upload_strategy": "scp"}
    script = tmp_path / "startup.sh"
    script.write_text(text_of(config, code_archive=archive(main=b"x"), can_upload=True))
    env = {"PATH": os.environ["PATH"], "FLOW_ROOT": str(tmp_path / "root")}
    with subprocess.Popen(
        ["bash", script], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stderr.readline() == b"flow: waiting for the code\n"
        place = tmp_path / f"root{CODE_PATH}"
        place.with_name("new").write_bytes(archive(main=b"\x00over ssh"))
        place.with_name("new").rename(place)
        assert process.stdout.read() == b"\x00over ssh"
    assert completion(tmp_path)["exit_code"] == 0
    assert not place.exists()


def test_code_that_never_comes_is_a_clear_failure(tmp_path: Path) -> None:
    config = {"command": "echo ran", "upload_strategy": "scp", "upload_timeout": 1}
    done = run(tmp_path, config, code_archive=b"x", can_upload=True)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"flow: the code was not uploaded within 1 seconds" in done.stderr
    assert completion(tmp_path)["exit_code"] == 1


def test_a_broken_archive_is_a_clear_failure(tmp_path: Path) -> None:
    done = run(tmp_path, {"command": "echo ran"}, code_archive=b"not an archive")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"flow: the code could not be unpacked" in done.stderr
    assert completion(tmp_path)["exit_code"] == 1


def test_code_stays_away_where_it_is_not_wanted(tmp_path: Path) -> None:
    for config in ({"upload_code": False}, {"upload_strategy": "none"}):
        assert base64.b64encode(archive(main=b"x")).decode() not in text_of(
            config, code_archive=archive(main=b"x")
        )


def test_volumes_are_found_by_name_or_id_and_told_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "mnt/my-notes").mkdir(parents=True)
    (tmp_path / "mnt/vol_9").mkdir()
    volumes = [
        {"name": "my-notes", "volume_id": "vol_1", "mount_path": "/it's here", "interface": "file"},
        {"name": "other", "volume_id": "vol_9", "mount_path": "/a/../b/", "interface": "block"},
    ]
    command = (
        'echo hi >"$FLOW_VOLUME_IT_S_HERE/greetings"; echo ho >"$FLOW_VOLUME_B/x"; echo "$FLOW_VOLUME_B"'
    )
    for _ in range(2):  # a second start finds its links in place
        done = run(tmp_path, {"command": command, "volumes": volumes})
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode() == f"{tmp_path}/root/b\n"
    assert (tmp_path / "mnt/my-notes/greetings").read_text() == "hi\n"
    assert (tmp_path / "root/it's here/greetings").read_text() == "hi\n"
    assert (tmp_path / "mnt/vol_9/x").read_text() == "ho\n"


@pytest.mark.parametrize("kind", ["block", "file"])
def test_a_pretended_instance_never_looks_at_real_disks(tmp_path: Path, kind: str) -> None:
    volumes = [{"name": "gone", "volume_id": "vol_1", "mount_path": "/gone", "interface": kind}]
    done = run(tmp_path, {"command": "echo ran", "volumes": volumes})
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"flow: volume gone: there is no {tmp_path}/mnt/gone on this instance" in done.stderr.decode()
    assert completion(tmp_path)["exit_code"] == 1


def test_a_mount_path_that_holds_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mnt/notes").mkdir(parents=True)
    (tmp_path / "root/notes/mine").mkdir(parents=True)
    volumes = [{"name": "notes", "mount_path": "/notes", "interface": "file"}]
    done = run(tmp_path, {"command": "echo ran", "volumes": volumes})
    assert done.returncode == 1
    assert b"could not be mounted at /notes" in done.stderr
    assert (tmp_path / "root/notes/mine").is_dir()


def test_data_on_the_instance_is_mounted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x").write_text("42")
    mounts = [{"source": str(tmp_path / "data"), "target": "/in", "mount_type": "bind", "options": {}}]
    assert run(tmp_path, {"command": 'cat "$FLOW_ROOT/in/x"', "data_mounts": mounts}).stdout == b"42"
    shutil.rmtree(tmp_path / "data")
    assert b"could not be mounted at /in" in run(tmp_path, {"command": "true", "data_mounts": mounts}).stderr


PEERS = 'echo "$FLOW_NODE_RANK/$FLOW_NUM_NODES $FLOW_MAIN_IP $MASTER_ADDR:$MASTER_PORT"'


def test_nodes_learn_their_rank_from_the_platform(tmp_path: Path) -> None:
    platform = {"NODE_RANK": "1", "NUM_NODES": "3", "HEAD_NODE_IP": "10.0.0.1"}
    assert (
        run(tmp_path, {"command": PEERS, "num_instances": 3}, platform).stdout
        == b"1/3 10.0.0.1 10.0.0.1:29500\n"
    )
    preset = {"command": PEERS, "num_instances": 3, "env": {"MASTER_PORT": "1234"}}
    assert run(tmp_path, preset, platform).stdout == b"1/3 10.0.0.1 10.0.0.1:1234\n"


def test_nodes_learn_their_rank_from_the_hosts_file(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    hostname = tmp_path / "bin/hostname"
    hostname.write_text("#!/bin/sh\necho 10.0.0.7 172.17.0.1\n")
    hostname.chmod(0o755)
    path = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    (tmp_path / "root/etc").mkdir(parents=True)
    hosts = tmp_path / "root/etc/hosts"
    hosts.write_text("127.0.0.1 localhost\n::1 ip6\n10.0.0.9 c\n10.0.0.7 b\n10.0.0.1 a\n10.0.0.1 head\n")
    config = {"command": PEERS, "num_instances": 3}
    assert run(tmp_path, config, path).stdout == b"1/3 10.0.0.1 10.0.0.1:29500\n"
    hosts.write_text("127.0.0.1 localhost\n10.0.0.7 b\n")
    assert b"names 1 nodes and this task has 3" in run(tmp_path, config, path).stderr


def test_manual_rendezvous_is_left_to_the_user(tmp_path: Path) -> None:
    config = {"command": "echo ${FLOW_NODE_RANK:-unset}", "num_instances": 3, "distributed_mode": "manual"}
    assert run(tmp_path, config, {"NODE_RANK": "1"}).stdout == b"unset\n"


DOCKER = """#!/usr/bin/env python3
import json, os, sys
if sys.argv[1] == "run":
    print(json.dumps([sys.argv[2:], os.environ.get("SECRET")]))
    sys.exit(6)
"""


def test_an_image_is_run_by_docker_where_docker_works(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin/docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    path = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "FLOW_DOCKER": "1"}
    config = {
        "command": ["a b", "$c"],
        "image": "repo/image:1",
        "ports": [8080],
        "env": {"SECRET": "hush\n'"},
    }
    done = run(tmp_path, config, path)
    assert (done.returncode, done.stderr) == (6, b"")
    argv, secret = json.loads(done.stdout)
    assert secret == "hush\n'"
    assert argv[-3:] == ["repo/image:1", "a b", "$c"]
    assert {"-eSECRET", "-p8080:8080", "-w/workspace", f"{tmp_path}/root/workspace:/workspace"} <= set(argv)
    assert not any("hush" in word for word in argv)


def test_docker_is_started_anew_on_a_volume_for_its_images(tmp_path: Path) -> None:
    (tmp_path / "mnt/images").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    systemctl = tmp_path / "bin/systemctl"
    systemctl.write_text(
        '#!/bin/sh\n[ "$1" = restart ] && echo "$@ $(ls -d "$FLOW_ROOT/var/lib/docker")" >>"$FLOW_ROOT/told"\n'
    )
    systemctl.chmod(0o755)
    path = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    volumes = [{"name": "images", "mount_path": "/var/lib/docker", "interface": "block"}]
    done = run(tmp_path, {"command": "true", "volumes": volumes, "allow_docker_cache": True}, path)
    assert done.returncode == 0, done.stderr
    root = tmp_path / "root"
    assert (root / "told").read_text() == f"restart docker {root}/var/lib/docker\n"


def test_without_docker_the_host_runs_it_and_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, {"command": "echo hi", "image": "repo/image:1"})
    assert done.stdout == b"hi\n"
    assert (
        done.stderr
        == b"flow: no docker on this instance, so the command runs on the host, not in repo/image:1\n"
    )
    assert run(tmp_path, {"command": "echo hi", "image": "repo/image:1", "dev_vm": True}).stderr == b""


ENDING = Ending("https://api.example", "proj_1", Sensitive("fkey_it's"), "apikey_1")
MATRIX: list[dict[str, Any]] = [
    {},
    {"command": ["python", "-c", "print('$x')"], "env": {"A": "it's", "B": ""}},
    {
        "command": "#!/bin/sh\necho hi\n",
        "image": "nvidia/cuda:12.1.0-runtime-ubuntu22.04",
        "ports": [8080, 9090],
    },
    {"command": "a\nb", "max_run_time_hours": 2, "retries": {"max_retries": 3}, "image": "a/b:c"},
    {
        "volumes": [
            {"name": "a", "mount_path": "/a", "interface": "file"},
            {"volume_id": "vol_x", "mount_path": "/b c"},
        ]
    },
    {
        "num_instances": 4,
        "image": "a/b:c",
        "volumes": [{"name": "a", "mount_path": "/a", "interface": "file"}],
    },
    {
        "data_mounts": [
            {"source": "s3://b/p", "target": "/s"},
            {"source": "volume://v", "target": "/v"},
            {"source": "/x", "target": "/y"},
        ]
    },
    {"command": "echo\n" * 4000},
    {"upload_strategy": "scp"},
    {"terminate_on_exit": True},
    {"max_run_time_hours": 1},
    {"volumes": [{"name": "a", "mount_path": "/var/lib/docker"}], "allow_docker_cache": True},
]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("config", MATRIX)
def test_shellcheck_finds_nothing(config: dict[str, Any]) -> None:
    # SC2016 asks whether $x in single quotes was meant: keeping the user's text as it is, is the point.
    done = subprocess.run(
        ["shellcheck", "--exclude=SC2016", "-"],
        input=text_of(config, code_archive=b"x", can_upload=True, ending=ENDING),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
