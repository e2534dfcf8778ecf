"""The real program as its user runs it: processes in a project of their own, a served sandbox, a proxy that can hold."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from attrs import define, field, frozen

PATIENCE_S = 30.0
"""How long anything may take before a test gives up; nothing is asserted about speed."""

HELLO = """\
stack: hello
provider: {region: us-central1-b}
volumes:
  notes: {size_gb: 1, interface: file}
tasks:
  hello:
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    volumes:
      - {volume: "{{ volume.notes }}", mount_path: /notes}
    command: echo "hello from $FLOW_TASK_NAME"
outputs:
  notes: {value: "{{ volume.notes.volume_id }}"}
"""


def wait_until(holds: Callable[[], Any], what: str = "the condition") -> Any:
    """The first true value of ``holds``."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come about")


@frozen
class Ended:
    """What a finished command left on the terminal."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)


def no_accident(ended: Ended) -> Ended:
    """No input of any kind ends in a traceback, nor in a confession."""
    assert "Traceback" not in ended.text, ended.text
    assert "flowplan itself failed" not in ended.text, ended.text
    assert "Warning: unclosed" not in ended.err and "ResourceWarning" not in ended.err, ended.err
    return ended


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment without anything that would steer flowplan."""
    unwanted = ("MITHRIL_", "FLOWPLAN_", "FLOW_", "NO_COLOR", "FORCE_COLOR", "CI", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "100"}


@define(eq=False)
class Project:
    """A folder with a ``.git``, and the commands that are run in it."""

    root: Path
    env: dict[str, str]
    started: list[subprocess.Popen[str]] = field(factory=list)

    @classmethod
    def make(cls, folder: Path) -> Project:
        root = folder / "project"
        (root / ".git").mkdir(parents=True)
        home = folder / "home"
        home.mkdir()
        return cls(root, clean_environment(home))

    @property
    def state(self) -> Path:
        return self.root / "state"

    def write(self, text: str | bytes, name: str = "stack.yaml") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def start(self, *arguments: str, cwd: Path | None = None, **more: Any) -> subprocess.Popen[str]:
        """A command that goes on while the test does; ended with the test."""
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "encoding": "utf-8",
            "cwd": cwd or self.root,
            "env": {**self.env, **more.pop("env", {})},
            **more,
        }
        process = subprocess.Popen([sys.executable, "-m", "flowplan", *arguments], **options)
        self.started.append(process)
        return process

    def run(self, *arguments: str, code: int | None = None, **more: Any) -> Ended:
        """Run a command to its end. ``code``: the exit code it must have."""
        ended = finish(self.start(*arguments, **more))
        if code is not None:
            assert ended.code == code, f"flowplan {' '.join(arguments)}: {ended}"
        return ended

    def apply(self, *arguments: str, **more: Any) -> Ended:
        return self.run("apply", "--auto-approve", *arguments, code=more.pop("code", 0), **more)

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait(PATIENCE_S)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        if (self.state / "sandbox").exists():
            subprocess.run(
                [sys.executable, "-m", "flowplan", "sandbox", "reset"],
                cwd=self.root,
                env={n: v for n, v in self.env.items() if n != "FLOWPLAN_SANDBOX_URL"},
                check=True,
                capture_output=True,
                timeout=PATIENCE_S,
            )

    def contents(self) -> dict[str, bytes]:
        """Every file but the sandbox's own, with its bytes."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and "state/sandbox" not in str(path.relative_to(self.root))
        }

    def sandbox_status(self) -> dict[str, int]:
        counts, _, _ = self.run("sandbox", "status", code=0).out.partition("\n\n")
        lines = counts.splitlines()
        return {name: int(count) for name, _, count in (line.partition(": ") for line in lines)}

    def embedded(self) -> EmbeddedApi:
        return EmbeddedApi(self.state / "sandbox")


def reach(gate: Gate, process: subprocess.Popen[str]) -> None:
    """Wait until the request of ``process`` is held at ``gate``; told at once if it ended before."""
    wait_until(lambda: gate.reached.is_set() or process.poll() is not None, "the request")
    assert gate.reached.is_set(), finish(process)


def finish(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a command."""
    out, err = process.communicate(timeout=90)
    return no_accident(Ended(process.returncode, out or "", err or ""))


class Listing:
    """What lives at a provider, asked of its API."""

    def get(self, path: str) -> Any:
        raise NotImplementedError

    def live_bids(self) -> list[dict[str, Any]]:
        return [bid for bid in self._all("/v2/spot/bids") if bid["deactivated_at"] is None]

    def live_volumes(self) -> list[dict[str, Any]]:
        return [volume for volume in self._all("/v2/volumes") if volume["deleted_at"] is None]

    def live_ids(self) -> list[str]:
        return sorted(row["fid"] for row in [*self.live_bids(), *self.live_volumes()])

    def _all(self, path: str) -> list[dict[str, Any]]:
        project = self.get("/v2/projects")[0]["fid"]
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            more = f"&next_cursor={cursor}" if cursor else ""
            page = self.get(f"{path}?project={project}&limit=100{more}")
            page = page if isinstance(page, dict) else {"data": page, "next_cursor": None}
            rows += page["data"]
            cursor = page["next_cursor"]
            if not cursor:
                return rows


class EmbeddedApi(Listing):
    """The API of a sandbox in a folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def get(self, path: str) -> Any:
        from flowplan.sandbox import open_sandbox

        sandbox = open_sandbox(self.home)
        try:
            where, _, query = path.partition("?")
            headers = {"Authorization": f"Bearer {sandbox.api_key}"}
            status, _, content = sandbox.handle("GET", where, query, headers, b"")
        finally:
            sandbox.close()
        assert status == 200, content
        return json.loads(content)


class Served(Listing):
    """``flowplan sandbox serve`` as a process; the sandbox's folder lies outside the project."""

    def __init__(self, project: Project, home: Path, *more: str) -> None:
        self.project, self.home = project, home
        self.process = project.start("sandbox", "serve", "--port", "0", "--home", str(home), *more)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "answers at http://127.0.0.1:" in line, line
        self.url = line.split()[-1]
        self.key = (home / "api-key").read_text().strip()

    def get(self, path: str) -> Any:
        request = Request(self.url + path, headers={"Authorization": f"Bearer {self.key}"})
        with urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def use(self, url: str = "") -> None:
        """Let the project's commands talk to it (or to ``url``, which stands before it)."""
        self.project.env |= {"FLOWPLAN_SANDBOX_URL": url or self.url, "MITHRIL_API_KEY": self.key}

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        self.project.run("sandbox", "reset", "--home", str(self.home), code=0)


@define(eq=False)
class Gate:
    """Holds one request: ``before`` it reaches the server, or ``after`` the server has answered."""

    method: str
    path: str
    when: str
    reached: threading.Event = field(factory=threading.Event)
    opened: threading.Event = field(factory=threading.Event)
    drop: bool = False

    def hold(self) -> bool:
        """Whether to go on with the request once the gate is opened."""
        self.reached.set()
        assert self.opened.wait(PATIENCE_S)
        return not self.drop

    def open(self, drop: bool = False) -> None:
        self.drop = drop
        self.opened.set()


class Proxy:
    """A TCP proxy on loopback that hands requests on one by one, and notes them."""

    def __init__(self, target: str) -> None:
        self._target = ("127.0.0.1", int(target.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.gates: list[Gate] = []
        self._made: list[Gate] = []
        self.requests: list[tuple[str, str]] = []
        self.keys: list[str] = []
        """The Idempotency-Key of each request that has one, in the order of arrival."""
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def gate(self, method: str, path: str, when: str) -> Gate:
        """Hold the next such request."""
        made = Gate(method, path, when)
        self.gates.append(made)
        self._made.append(made)
        return made

    def mutations(self) -> list[tuple[str, str]]:
        return [request for request in self.requests if request[0] != "GET"]

    def close(self) -> None:
        self._closing = True
        for gate in self._made:
            gate.open(drop=True)
        with suppress(OSError), socket.create_connection(self._listener.getsockname()):
            pass
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._listener.close()

    def _spawn(self, run: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # a test closed it between two connections
            if self._closing:
                connection.close()
                return
            self._spawn(self._serve, connection)

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if (request := _read_request(client)) is None:
                return
            method, path, content = request
            with self._lock:
                self.requests.append((method, path))
                head = content.partition(b"\r\n\r\n")[0].decode("latin-1")
                self.keys += re.findall(r"(?i)\r\nidempotency-key: ([\w-]+)", head)
                gate = next((g for g in self.gates if (g.method, g.path) == (method, path)), None)
                if gate is not None:
                    self.gates.remove(gate)
            if gate is not None and gate.when == "before" and not gate.hold():
                return
            answer = self._forward(content)
            if gate is not None and gate.when == "after" and not gate.hold():
                return
            client.sendall(answer)

    def _forward(self, content: bytes) -> bytes:
        with socket.create_connection(self._target) as server:
            server.sendall(content)
            answer = b""
            while piece := server.recv(65536):
                answer += piece
            return answer


def _read_request(client: socket.socket) -> tuple[str, str, bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := client.recv(65536)):
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    length = 0
    kept = [first]
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
        if name.lower() != "connection":
            kept.append(line)
    while len(body) < length:
        body += client.recv(65536)
    # Why: one request a connection keeps the proxy small, and the server closes when it is done.
    method, target, _ = first.split(" ")
    content = "\r\n".join([*kept, "Connection: close"]).encode("latin-1") + b"\r\n\r\n" + body
    return method, target.partition("?")[0], content


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project; whatever its commands started is ended."""
    made = Project.make(tmp_path)
    yield made
    made.close()


@pytest.fixture
def served(project: Project, tmp_path: Path) -> Iterator[Served]:
    """A served sandbox that the project's commands use."""
    made = Served(project, tmp_path / "provider")
    made.use()
    yield made
    made.close()


@pytest.fixture
def proxy(served: Served) -> Iterator[Proxy]:
    """A proxy between the project's commands and the served sandbox."""
    made = Proxy(served.url)
    served.use(made.url)
    yield made
    made.close()
