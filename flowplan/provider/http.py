"""The HTTP client: one per process, a bounded number of requests at a time, and no guess about what was done.

Reads are repeated as the retry policy says. A mutating request is repeated only when it certainly was not
executed: it never left this machine, or the server answered 429 (provider.md 3.3). A 503 is *not* among
them, whatever it says: gateways answer it for requests that went through.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlsplit

from attrs import field

from flowplan import __version__
from flowplan.provider.failure import Failure, Trouble, classify, denied, unreachable, unreadable
from flowplan.provider.pace import Pace, SystemClock, retry_after, server_moment
from flowplan.provider.redaction import secrets_of, server_words, shown
from flowplan.values.classes import frozen
from flowplan.values.value import Sensitive

if TYPE_CHECKING:
    import httpx

    from flowplan.ports import Clock

_REPEATED_READS = frozenset({408, 425, 429, 500, 502, 503, 504})
_SLOWED = frozenset({429, 503})
_HEADER_TEXT = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"


class RetryPolicy(Protocol):
    """What the client asks of `flowplan.models.retries.Retries`."""

    @property
    def max_retries(self) -> int:
        """How often a request is repeated at most."""
        ...

    def get_delay(self, attempt: int, /) -> float:
        """Seconds to wait before the repetition with this number, counted from 1."""
        ...


@frozen
class Answer:
    """A complete answer. ``headers`` have lower-case names. The body is not in the repr."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case, fit to be shown; "" without one."""
        return shown(self.headers.get("content-type", "").split(";")[0].lower())

    @property
    def is_json(self) -> bool:
        """Whether it calls itself JSON."""
        return self.content_type == "application/json" or self.content_type.endswith("+json")

    @property
    def trace(self) -> str:
        """A sentence with the server's own request id, for asking its people; "" without one."""
        found = self.headers.get("x-request-id") or self.headers.get("x-correlation-id") or ""
        return f" (request id {shown(found)})" if found else ""

    def document(self) -> Any:
        """The JSON document in the body.

        Raises:
            ValueError: it is none; the message is fit to be shown.
        """
        if not self.is_json:
            raise ValueError(f"expected JSON, not {self.content_type or 'a body without a content type'}")
        try:
            return _parsed(self.body)
        except (ValueError, RecursionError):
            raise ValueError("the body is not valid JSON") from None


def _parsed(body: bytes) -> Any:
    """The JSON document in ``body``, by orjson where it is installed: large listings are a fifth of a large plan."""
    try:
        import orjson
    except ImportError:
        return json.loads(body)
    try:
        return orjson.loads(body)
    except ValueError:
        return json.loads(body)  # what only it takes: infinite numbers, halves of characters


def plain_base_url(url: str) -> str:
    """``url`` without a final ``/v2`` and without final slashes: both spellings are in use (provider.md 1.1)."""
    bare = url.strip().rstrip("/")
    while bare.endswith("/v2"):
        bare = bare[: -len("/v2")].rstrip("/")
    return bare


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine itself."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _default_policy() -> RetryPolicy:
    from flowplan.models.retries import Retries

    policy: RetryPolicy = Retries()
    return policy


def _chance() -> float:
    """A number from 0 to 1, for pauses: most commands make none."""
    from random import random

    return random()


class Client:
    """Talks to one API with one key. Make one per process and `aclose` it (or use ``async with``).

    ``concurrency`` requests are under way at most; the limit sits before the pool, which is slow when it has to
    queue. ``total_timeout`` (seconds) bounds a whole exchange, for a server that drips.
    Neither the key nor any request body is in an exception, a repr or a log line.
    """

    def __init__(
        self,
        base_url: str,
        api_key: Sensitive,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retries: RetryPolicy | None = None,
        clock: Clock | None = None,
        random: Callable[[], float] = _chance,
        concurrency: int = 8,
        max_response_bytes: int = 64 * 1024 * 1024,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        total_timeout: float = 120.0,
    ) -> None:
        self.base_url = plain_base_url(base_url)
        self._key = api_key
        self._transport = transport
        self._policy = retries
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._pace = Pace(self._clock, random)
        self._slots = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._max_bytes = max_response_bytes
        self._timeouts = (connect_timeout, read_timeout)
        self._total_timeout = total_timeout
        self._reached = False
        self.heard_at: datetime | None = None
        """The server's own time at the first answer since this was None."""
        self.guard: Callable[[], None] | None = None
        """Called at the last moment before each mutating request leaves; what it raises keeps the request back."""
        self._opened: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    @property
    def _retries(self) -> RetryPolicy:
        """The policy; the usual one is made when something has to be repeated, which is seldom."""
        if self._policy is None:
            self._policy = _default_policy()
        return self._policy

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    def widen(self, concurrency: int) -> None:
        """Let so many requests be under way at a time, if that is more than now; before the first one is sent."""
        if concurrency > self._concurrency and self._opened is None:
            self._concurrency, self._slots = concurrency, asyncio.Semaphore(concurrency)

    def secrets(self, *texts: str) -> tuple[str, ...]:
        """What must not be shown of an answer: the key, and the secret ``texts`` of the request."""
        return secrets_of((str(self._key.reveal()), *texts))  # to black it out

    def _http(self) -> httpx.AsyncClient:
        if self._opened is None:
            from flowplan.provider.library import httpx

            # Why: building a TLS context takes 80 ms, and http:// to this machine uses none; nor may a proxy
            # from the environment be asked for it. Redirects are never followed, so no https:// can follow.
            local = is_loopback(self.base_url) and self.base_url.startswith("http://")
            no_context: Any = None  # even one that verifies nothing takes a millisecond
            connect, read = self._timeouts
            self._opened = httpx.AsyncClient(
                transport=self._transport,
                verify=no_context if local else True,
                trust_env=not local,
                follow_redirects=False,
                timeout=httpx.Timeout(read, connect=connect),
                limits=httpx.Limits(
                    max_connections=self._concurrency, max_keepalive_connections=self._concurrency
                ),
                headers={"User-Agent": f"flowplan/{__version__}", "Accept": "application/json"},
            )
        return self._opened

    async def _exchange(
        self, method: str, path: str, params: Mapping[str, str] | None, body: Any, key: str, attempt: int
    ) -> Answer | Failure:
        from flowplan.provider.library import httpx

        headers = {
            "Authorization": f"Bearer {self._key.reveal()}",  # the request that needs it
            "X-Client-Request-Id": uuid.uuid4().hex,
        }
        content: bytes | None = None
        if body is not None:
            content = json.dumps(body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        if key and re.fullmatch(_HEADER_TEXT, key):
            headers["Idempotency-Key"] = key
        async with self._slots:
            number = await self._pace.ready()
            # Why here and not earlier: the wait for a slot or for Retry-After may outlast the caller's lease.
            if self.guard is not None and method != "GET":
                self.guard()
            try:
                async with (
                    asyncio.timeout(self._total_timeout),
                    self._http().stream(
                        method, self.base_url + path, params=params, content=content, headers=headers
                    ) as response,
                ):
                    self._reached = True
                    chunks, size = [], 0
                    async for chunk in response.aiter_bytes():
                        size += len(chunk)
                        if size > self._max_bytes:
                            return Failure(Trouble.TOO_LARGE, f"over {self._max_bytes} bytes")
                        chunks.append(chunk)
                    names = {name.lower(): value for name, value in response.headers.items()}
                    return self._paced(Answer(response.status_code, names, b"".join(chunks)), number, attempt)
            except (httpx.RequestError, httpx.InvalidURL, TimeoutError) as error:
                return classify(error)

    def _paced(self, answer: Answer, number: int, attempt: int) -> Answer:
        """The answer, after the whole client has heeded what it says of its speed."""
        if answer.status in _SLOWED:
            asked = retry_after(answer.headers, self._clock.now())
            wait = asked if asked is not None else self._pace.jitter(self._retries.get_delay(attempt))
            self._pace.complained(number, wait)
        else:
            self._pace.answered()
        return answer

    def now(self) -> datetime:
        """The time, by this side's clock."""
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """Let time pass, by this side's clock."""
        await self._clock.sleep(seconds)

    async def _back_off(self, got: Answer | Failure, attempt: int) -> None:
        if isinstance(got, Answer) and got.status in _SLOWED:
            return  # the whole client already waits
        await self._clock.sleep(self._pace.jitter(self._retries.get_delay(attempt)))

    def _repetitions(self, got: Answer | Failure) -> int:
        """How often the request may be repeated after such a result."""
        if isinstance(got, Failure):
            if got.hopeless:
                return 0
            if got.never_sent and not self._reached:
                # Why: a server never reached is most likely a wrong address; its user should hear that soon.
                return min(1, self._retries.max_retries)
        return self._retries.max_retries

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        key: str,
        again: Callable[[Answer | Failure], bool],
    ) -> Answer | Failure:
        attempt = 0
        while True:
            attempt += 1
            got = await self._exchange(method, path, params, body, key, attempt)
            if self.heard_at is None and isinstance(got, Answer):
                self.heard_at = server_moment(got.headers.get("date", ""))
            if not again(got) or attempt > self._repetitions(got):
                return got
            await self._back_off(got, attempt)

    async def write(
        self, method: str, path: str, body: Any = None, idempotency_key: str = ""
    ) -> Answer | Failure:
        """Send a mutating request; the answer, or why there is none. Raises nothing for a server or network fault.

        ``idempotency_key`` is sent along but never relied on (provider.md 3.4).
        """

        def again(got: Answer | Failure) -> bool:
            return got.never_sent if isinstance(got, Failure) else got.status == 429

        return await self._send(method, path, None, body, idempotency_key, again)

    async def ask(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Send a GET, repeated as the policy says; the last answer, whatever its status.

        Raises:
            FlowplanError: no answer came.
        """

        def again(got: Answer | Failure) -> bool:
            return isinstance(got, Failure) or got.status in _REPEATED_READS

        got = await self._send("GET", path, params, None, "", again)
        if isinstance(got, Failure):
            raise unreachable(got, self.base_url)
        return got

    async def read(self, path: str, params: Mapping[str, str] | None = None, what: str = "") -> Any:
        """The JSON document at ``path``; ``what`` names it in errors.

        Raises:
            FlowplanError: no answer, a status other than 2xx, or no JSON.
        """
        answer = await self.ask(path, params)
        if not 200 <= answer.status < 300:
            raise self.denial(answer, what or path)
        try:
            return answer.document()
        except ValueError as error:
            problem = str(error)
        raise self.misfit(answer, what or path, problem)

    def denial(self, answer: Answer, what: str) -> Exception:
        """The error for a read that was refused."""
        words = server_words(answer.body, answer.is_json, self.secrets())
        return denied(answer, self.base_url, what, words)

    def misfit(self, answer: Answer, what: str, problem: str) -> Exception:
        """The error for an answer of the wrong shape; ``problem`` must be fit to be shown."""
        return unreadable(answer, self.base_url, what, problem)
