"""Servers of one sandbox that are killed while many write to it, and what must be so afterwards."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from flowplan.sandbox import open_sandbox

VOLUMES, BIDS = "/v2/volumes", "/v2/spot/bids"
_REGION = "us-central1-b"
_WRITERS = 4
_SERVER = """
import sys
from pathlib import Path
from flowplan.sandbox import serve
serve(Path(sys.argv[1]), 0, lambda url, sandbox: print(url, flush=True), executes=False)
"""


class Server:
    """A process that serves the sandbox."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-c", _SERVER, str(home)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip().removeprefix("http://")

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Writer(threading.Thread):
    """Makes, changes and deletes objects of its own until its server is gone; remembers what was acknowledged.

    ``expected`` has for each id every state it may be in: one, or two where an answer did not come.
    """

    def __init__(self, name: str, server: Server, facts: dict[str, str], random: Random, tally: Any) -> None:
        super().__init__(name=name)
        self._connection = http.client.HTTPConnection(server.address, timeout=60)
        self._facts, self._random, self._tally = facts, random, tally
        self.expected: dict[str, set[str]] = {}
        self.unsure: set[str] = set()
        """The names of what may have been made."""
        self.trouble: list[str] = []

    def run(self) -> None:
        number = 0
        try:
            while True:
                number += 1
                self._step(f"{self.name}-{number}")
        except (OSError, http.client.HTTPException):
            pass
        except Exception as problem:
            self.trouble.append(repr(problem))
        finally:
            self._connection.close()

    def _step(self, name: str) -> None:
        known = [fid for fid, states in self.expected.items() if states.isdisjoint({"gone", "Terminated"})]
        what = self._random.random()
        if what < 0.5 or not known:
            self._make(name)
            return
        fid = self._random.choice(known)
        if fid.startswith("vol_"):
            self._change("DELETE", f"{VOLUMES}/{fid}", None, fid, "gone")
        elif what < 0.75:
            limit = f"${self._random.randint(8, 90)}.00"
            self._change("PATCH", f"{BIDS}/{fid}", {"limit_price": limit}, fid, limit)
        else:
            self._change("DELETE", f"{BIDS}/{fid}", None, fid, "Terminated")

    def _make(self, name: str) -> None:
        facts = self._facts
        body: dict[str, Any] = {"project": facts["project"], "region": _REGION, "name": name}
        self.unsure.add(name)
        if self._random.random() < 0.5:
            made = self._ask("POST", VOLUMES, {**body, "disk_interface": "File", "size_gb": 1})
            self.expected[made["fid"]] = {"there"}
        else:
            limit = f"${self._random.randint(8, 90)}.00"
            body |= {"instance_type": facts["type"], "limit_price": limit, "instance_quantity": 2}
            launch = {"volumes": [], "ssh_keys": [facts["key"]], "startup_script": f"echo {name}"}
            made = self._ask("POST", BIDS, {**body, "launch_specification": launch})
            self.expected[made["fid"]] = {limit}
        self.unsure.discard(name)

    def _change(self, method: str, path: str, body: Any, fid: str, becomes: str) -> None:
        before = self.expected[fid]
        self.expected[fid] = before | {becomes}
        self._ask(method, path, body)
        self.expected[fid] = {becomes}

    def _ask(self, method: str, path: str, body: Any) -> Any:
        content = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {self._facts['secret']}"}
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        assert answer.status < 300, f"{method} {path}: {answer.status} {data!r}"
        self._tally()
        return json.loads(data) if data else None


class Killing:
    """One sandbox; each `round` has two servers, several writers, and two kills."""

    def __init__(self, home: Path, seed: int) -> None:
        self._home, self._random = home, Random(seed)
        self._expected: dict[str, set[str]] = {}
        self._unsure: set[str] = set()
        self.acknowledged = 0
        self.rounds = 0

    def round(self) -> None:
        """Let writers write, kill each server after some number of answers, and check everything."""
        self.rounds += 1
        facts = self._facts()
        servers = [Server(self._home) for _ in range(2)]
        progress = threading.Condition()

        def tally() -> None:
            with progress:
                self.acknowledged += 1
                progress.notify_all()

        writers = [
            Writer(f"r{self.rounds}w{n}", servers[n % 2], facts, Random(self._random.random()), tally)
            for n in range(_WRITERS)
        ]
        for writer in writers:
            writer.start()
        for server in servers:
            goal = self.acknowledged + self._random.randint(1, 120)
            with progress:
                reached = progress.wait_for(
                    lambda goal=goal: self.acknowledged >= goal or any(w.trouble for w in writers), 60
                )
            server.kill()
            assert reached, "the servers do not answer"
        for writer in writers:
            writer.join(60)
            assert not writer.trouble, writer.trouble
            self._expected |= writer.expected
            self._unsure |= writer.unsure
        self._check()

    def _facts(self) -> dict[str, str]:
        sandbox = open_sandbox(self._home, execute=False)
        try:
            ask = _asker(sandbox)
            project = ask("/v2/projects")[0]["fid"]
            key = ask("/v2/ssh-keys", f"project={project}")[0]["fid"]
            rows = ask("/v2/spot/availability")
            kind = next(row["instance_type"] for row in rows if row["region"] == _REGION)
            return {"project": project, "key": key, "type": kind, "secret": sandbox.api_key}
        finally:
            sandbox.close()

    def _check(self) -> None:
        project = self._facts()["project"]
        sandbox = open_sandbox(self._home, execute=False)
        try:
            ask = _asker(sandbox)
            volumes = ask(VOLUMES, f"project={project}&include_deleted=true")
            found = {row["fid"]: {"gone" if row["deleted_at"] else "there"} for row in volumes}
            bids: list[dict[str, Any]] = []
            cursor = ""
            while cursor is not None:
                page = ask(BIDS, f"project={project}&limit=100{cursor and f'&next_cursor={cursor}'}")
                bids += page["data"]
                cursor = page["next_cursor"]
            for bid in bids:
                found[bid["fid"]] = {"Terminated" if bid["status"] == "Terminated" else bid["limit_price"]}
                assert bid["launch_specification"]["startup_script"] == f"echo {bid['name']}"
            for fid, states in self._expected.items():
                assert found.get(fid, {"lost"}) <= states, f"{fid} is {found.get(fid)}, not {states}"
            # What was never acknowledged may be there, once; nothing else is.
            names = Counter(row["name"] for row in (*volumes, *bids) if row["fid"] not in self._expected)
            assert set(names) <= self._unsure
            assert max(names.values(), default=1) == 1
            held = sum(
                bid["instance_quantity"] for bid in bids if bid["status"] in ("Allocated", "Preempting")
            )
            assert held <= 16
        finally:
            sandbox.close()


def _asker(sandbox: Any) -> Any:
    headers = {"authorization": f"Bearer {sandbox.api_key}"}

    def ask(path: str, query: str = "") -> Any:
        status, _, data = sandbox.handle("GET", path, query, headers)
        assert status == 200, (path, status, data)
        return json.loads(data)

    return ask
