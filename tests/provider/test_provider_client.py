"""The HTTP client against a real socket: what it repeats, what it never repeats, and what it tells a person."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from doubles import KEY, NOW, FakeClock, Policy, client
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import Raw, ScriptedServer, answer, raw

from flowplan.provider.failure import Failure, Trouble
from flowplan.provider.http import Answer, plain_base_url
from flowplan.provider.pace import LONGEST_WAIT_S, retry_after
from flowplan.provider.redaction import secrets_of, server_words, shown
from flowplan.values.diagnostic import FlowplanError

pytestmark = pytest.mark.process


def run(url: str, work: Callable[[Any], Awaitable[Any]], **settings: Any) -> Any:
    async def inner() -> Any:
        async with client(url, **settings) as opened:
            return await work(opened)

    return asyncio.run(inner())


def failing(url: str, work: Callable[[Any], Awaitable[Any]], **settings: Any) -> FlowplanError:
    with pytest.raises(FlowplanError) as caught:
        run(url, work, **settings)
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value.diagnostics)
    assert KEY not in text
    for found in caught.value.diagnostics:
        assert found.summary and found.suggestion
    return caught.value


def get(path: str = "/v2/me") -> Callable[[Any], Awaitable[Any]]:
    return lambda opened: opened.read(path, what="the thing")


def post(opened: Any) -> Awaitable[Any]:
    result: Awaitable[Any] = opened.write("POST", "/v2/volumes", {"name": "secret-body"}, "key-1")
    return result


def test_headers_and_body_of_a_request(server: ScriptedServer) -> None:
    server.on("POST", "/v2/volumes", answer(201, {"fid": "vol_1"}))
    got = run(server.url + "/v2/", post)
    assert isinstance(got, Answer) and got.document() == {"fid": "vol_1"}
    (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("flowplan/")
    assert request.headers["idempotency-key"] == "key-1"
    assert request.headers["content-type"] == "application/json"
    assert len(request.headers["x-client-request-id"]) >= 16
    assert request.json() == {"name": "secret-body"}


@given(
    st.sampled_from(["https://api.mithril.ai", "http://127.0.0.1:80", "http://h/prefix"]),
    st.text("/v2", max_size=9),
)
def test_a_base_url_may_end_in_v2_and_slashes(base: str, tail: str) -> None:
    once = plain_base_url(base + "/" + tail)
    assert plain_base_url(once) == once
    assert not once.endswith(("/", "/v2"))
    assert plain_base_url(f"{base}/v2/") == plain_base_url(f"{base}//v2") == plain_base_url(base) == base


@pytest.mark.parametrize(
    "fault",
    [
        answer(500, {"detail": "x"}),
        answer(502),
        answer(503),
        answer(504),
        answer(429),
        Raw(reset=True),
        Raw(),
        Raw(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"cut":'),
        Raw(b"garbage that is not HTTP\r\n\r\n"),
    ],
)
def test_a_read_outlasts_faults(server: ScriptedServer, fault: Raw) -> None:
    server.on("GET", "/v2/me", fault, fault, answer(200, {"fid": "user_1"}))
    clock = FakeClock()
    assert run(server.url, get(), clock=clock) == {"fid": "user_1"}
    assert len(server.requests) == 3
    assert clock.slept == [1.0, 2.0]


def test_a_read_gives_up_after_the_retries(server: ScriptedServer) -> None:
    server.on("GET", "/v2/me", answer(500, {"detail": "boom"}, x_request_id="req-7"))
    error = failing(server.url, get(), retries=Policy(2))
    assert len(server.requests) == 3
    assert error.exit_code == 6
    assert "boom" in error.diagnostics[0].detail and "req-7" in error.diagnostics[0].detail


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        (Raw(reset=True), Trouble.BROKEN),
        (Raw(), Trouble.BROKEN),
        (Raw(b"HTTP/1.1 201 X\r\ncontent-length: 99\r\n\r\n{"), Trouble.BROKEN),
        (raw(201, b"not gzip", **{"content-encoding": "gzip"}), Trouble.BROKEN),
        (Raw(hang=True), Trouble.TIMEOUT),
    ],
)
def test_a_write_that_may_have_arrived_is_never_repeated(
    server: ScriptedServer, fault: Raw, trouble: Trouble
) -> None:
    server.on("POST", "/v2/volumes", fault)
    got = run(server.url, post, read_timeout=0.2)
    assert isinstance(got, Failure) and got.trouble is trouble and not got.never_sent
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 400, 401, 409, 422])
def test_a_write_is_not_repeated_after_an_answer(server: ScriptedServer, status: int) -> None:
    server.on("POST", "/v2/volumes", answer(status, {"detail": "no"}, retry_after="1"))
    got = run(server.url, post)
    assert isinstance(got, Answer) and got.status == status
    assert len(server.requests) == 1


def test_a_write_is_repeated_after_429_with_the_same_idempotency_key(server: ScriptedServer) -> None:
    server.on("POST", "/v2/volumes", answer(429, retry_after="7"), answer(201, {"fid": "vol_1"}))
    clock = FakeClock()
    got = run(server.url, post, clock=clock)
    assert got.status == 201
    assert clock.slept == [7.0]
    assert [request.headers["idempotency-key"] for request in server.requests] == ["key-1", "key-1"]


def test_a_write_that_cannot_connect_was_never_sent() -> None:
    clock = FakeClock()
    got = run(_closed_port(), post, clock=clock)
    assert isinstance(got, Failure) and got.trouble is Trouble.REFUSED and got.never_sent
    assert len(clock.slept) == 1  # a server never reached is most likely a wrong address


def test_a_slow_down_holds_every_request_of_the_client(server: ScriptedServer) -> None:
    server.on("GET", "/v2/a", answer(503, retry_after="30"), answer(200, {}))
    server.on("GET", "/v2/b", answer(200, {}))
    clock = FakeClock()

    async def work(opened: Any) -> float:
        assert (await opened.ask("/v2/a")).status == 200
        server.on("GET", "/v2/a", answer(429, retry_after="30"))
        opened._policy = Policy(0)
        assert (await opened.ask("/v2/a")).status == 429
        before = clock.passed
        await opened.ask("/v2/b")
        return clock.passed - before

    assert run(server.url, work, clock=clock) == 30.0


@pytest.mark.parametrize(("widened", "expected"), [(0, 3), (2, 3), (5, 5)])
def test_at_most_so_many_requests_at_a_time(server: ScriptedServer, widened: int, expected: int) -> None:
    import threading

    lock, now, most = threading.Lock(), 0, 0
    everyone = threading.Barrier(expected)

    def reply(request: Any) -> Raw:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        everyone.wait(10)  # as many as that are under way together, or this breaks
        with lock:
            now -= 1
        return answer(200, {})

    server.on("GET", "/v2/me", reply)

    async def work(opened: Any) -> None:
        opened.widen(widened)
        await asyncio.gather(*(opened.ask("/v2/me") for _ in range(4 * expected)))

    run(server.url, work, concurrency=3)
    assert most == expected


def test_an_answer_may_not_be_endless(server: ScriptedServer) -> None:
    server.on("GET", "/v2/me", raw(200, b"[" + b"1," * 5000 + b"1]", **{"content-type": "application/json"}))
    error = failing(server.url, get(), max_response_bytes=1000)
    assert "larger" in error.diagnostics[0].summary
    assert len(server.requests) == 1


def test_redirects_are_not_followed(server: ScriptedServer) -> None:
    server.on("GET", "/v2/me", answer(302, location=server.url + "/v2/elsewhere"))
    error = failing(server.url, get())
    assert "redirects" in error.diagnostics[0].summary
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (answer(401, {"detail": "bad key"}), 1, "MITHRIL_API_KEY"),
        (answer(402, {"detail": "pay"}), 1, "payment"),
        (answer(403, {"detail": "not a member"}), 1, "not a member"),
        (answer(404, {"detail": "Not Found"}), 1, "the thing"),
        (answer(422, {"detail": [{"loc": ["query", "project"], "msg": "bad", "type": "t"}]}), 1, "bad"),
        (answer(429), 6, "too many"),
        (answer(500), 6, "fault"),
        (answer(503), 6, "fault"),
        (raw(502, b"<html><b>Bad Gateway", **{"content-type": "text/html"}), 6, "fault"),
        (answer(418, {"detail": {"message": "teapot"}}), 1, "teapot"),
        (raw(200, b"<html>", **{"content-type": "text/html"}), 1, "text/html"),
        (raw(200, b"{nope", **{"content-type": "application/json"}), 1, "not valid JSON"),
        (raw(200, b"[" * 100_000, **{"content-type": "application/json"}), 1, "not valid JSON"),
        (raw(200, b"{}"), 1, "content type"),
    ],
)
def test_what_a_person_is_told(server: ScriptedServer, reply: Raw, code: int, words: str) -> None:
    server.on("GET", "/v2/me", reply)
    error = failing(server.url, get(), retries=Policy(1))
    assert error.exit_code == code
    (found,) = error.diagnostics
    assert words in f"{found.summary} {found.detail} {found.suggestion}"


def _closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_a_refused_connection_names_the_address_and_the_sandbox() -> None:
    url = _closed_port()
    error = failing(url, get())
    (found,) = error.diagnostics
    assert url in found.summary and "sandbox" in found.suggestion and "MITHRIL_API_URL" in found.suggestion
    assert error.exit_code == 1


def test_an_unknown_host() -> None:
    error = failing("http://no-such-host.invalid", get())
    assert "not known" in error.diagnostics[0].summary


def test_a_server_without_tls(server: ScriptedServer) -> None:
    error = failing(server.url.replace("http:", "https:"), get())
    assert "TLS" in error.diagnostics[0].summary and "http://" in error.diagnostics[0].suggestion


def test_a_url_of_another_protocol() -> None:
    assert "https://" in failing("ftp://127.0.0.1", get()).diagnostics[0].suggestion


def test_a_silent_server_times_out(server: ScriptedServer) -> None:
    server.on("GET", "/v2/me", Raw(hang=True))
    error = failing(server.url, get(), read_timeout=0.1, retries=Policy(1))
    assert error.exit_code == 6 and "in time" in error.diagnostics[0].summary
    assert len(server.requests) == 2


def test_a_dripping_server_is_cut_off(server: ScriptedServer) -> None:
    server.on("GET", "/v2/me", Raw(hang=True))
    error = failing(server.url, get(), total_timeout=0.1, retries=Policy(0))
    assert "in time" in error.diagnostics[0].summary


def test_neither_key_nor_body_is_in_a_repr_or_log(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("POST", "/v2/volumes", answer(400, {"detail": f"bad {KEY} for secret-body"}))

    async def work(opened: Any) -> str:
        got = await post(opened)
        words = server_words(got.body, got.is_json, opened.secrets("secret-body"))
        return repr(opened) + repr(got) + words

    text = run(server.url, work) + caplog.text
    assert KEY not in text and "secret-body" not in text


@given(st.integers(-1000, 100_000))
def test_retry_after_in_seconds_or_as_a_date_means_the_same(seconds: int) -> None:
    date = {"retry-after": format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)}
    expected = min(max(seconds, 0), LONGEST_WAIT_S)
    assert retry_after(date, NOW) == expected
    wrong_clock = NOW + timedelta(days=400)
    assert retry_after({**date, "date": format_datetime(NOW, usegmt=True)}, wrong_clock) == expected
    if seconds >= 0:
        assert retry_after({"retry-after": str(seconds)}, NOW) == expected


@given(st.text())
def test_any_retry_after_is_survived(text: str) -> None:
    wait = retry_after({"retry-after": text}, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT_S


@given(st.text(min_size=8).filter(lambda t: len(t.strip()) >= 8), st.text(max_size=50), st.text(max_size=50))
def test_no_secret_survives_being_shown(secret: str, before: str, after: str) -> None:
    for line in [secret, *secret.splitlines()]:
        if len(line.strip()) >= 8:
            assert line.strip() not in shown(before + secret + after, secrets_of([secret]))


@given(st.binary(max_size=300), st.booleans())
def test_any_body_has_words_or_none(body: bytes, is_json: bool) -> None:
    words = server_words(body, is_json)
    assert len(words) <= 400 and not any(control in words for control in "\x1b\r\n\x00")
