"""Why a request came to nothing, as a value; and what to tell a person whose read failed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

if TYPE_CHECKING:
    from flowplan.provider.http import Answer

TRANSIENT = ExitCode.TRANSIENT
"""The exit code for what may well work later (provider.md 3.2)."""


class Trouble(Enum):
    """What went wrong below HTTP; the value says it in words."""

    REFUSED = "the connection was refused"
    UNRESOLVED = "the host name is not known"
    TLS = "the TLS handshake failed"
    CONNECT = "no connection could be made"
    CONNECT_TIMEOUT = "connecting took too long"
    POOL = "no connection became free in time"
    TIMEOUT = "no answer came in time"
    BROKEN = "the connection broke before the answer was complete"
    TOO_LARGE = "the answer is larger than can be right"
    URL = "the address is not one that can be asked"


_NEVER_SENT = {
    Trouble.REFUSED,
    Trouble.UNRESOLVED,
    Trouble.TLS,
    Trouble.CONNECT,
    Trouble.CONNECT_TIMEOUT,
    Trouble.POOL,
    Trouble.URL,
}


@frozen
class Failure:
    """A request without an answer. ``note`` is safe to show."""

    trouble: Trouble
    note: str = ""

    @property
    def never_sent(self) -> bool:
        """Whether it failed before a byte of the request left, so that repeating it is safe."""
        return self.trouble in _NEVER_SENT

    @property
    def hopeless(self) -> bool:
        """Whether an immediate repetition would fail the same way."""
        return self.trouble in (Trouble.TLS, Trouble.URL, Trouble.TOO_LARGE)

    @property
    def reason(self) -> str:
        """The trouble in words."""
        return f"{self.trouble.value} ({self.note})" if self.note else self.trouble.value


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all it came from, exception groups opened."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting.extend(other for other in (one.__cause__, one.__context__) if other is not None)
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)


def classify(error: Exception) -> Failure:
    """The failure that an httpx exception stands for. The exception itself (it holds the request) is let go."""
    from flowplan.provider.library import httpx

    if isinstance(error, httpx.PoolTimeout):
        return Failure(Trouble.POOL)
    if isinstance(error, httpx.ConnectTimeout):
        return Failure(Trouble.CONNECT_TIMEOUT)
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return Failure(Trouble.TIMEOUT)
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return Failure(Trouble.URL)
    if not isinstance(error, httpx.ConnectError):
        return Failure(Trouble.BROKEN)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(Trouble.TLS, f"the certificate was not accepted: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError):
            return Failure(Trouble.TLS, cause.reason or "")
        if isinstance(cause, socket.gaierror):
            return Failure(Trouble.UNRESOLVED)
        if isinstance(cause, ConnectionRefusedError):
            return Failure(Trouble.REFUSED)
    return Failure(Trouble.CONNECT)


_ADDRESS_ADVICE = "Check api_url in the provider section, or MITHRIL_API_URL."


def unreachable(failure: Failure, url: str) -> FlowplanError:
    """The error for a read that got no answer from ``url``."""
    is_local = any(host in url for host in ("//127.", "//localhost", "//[::1]"))
    code = 1
    summary = f"cannot reach {url}: {failure.reason}"
    match failure.trouble:
        case Trouble.REFUSED if is_local:
            advice = (
                "Nothing listens there. If this is the sandbox, start it with `flowplan sandbox serve`; "
                "otherwise check api_url in the provider section, or MITHRIL_API_URL."
            )
        case Trouble.REFUSED | Trouble.CONNECT:
            advice = f"Nothing answers there. {_ADDRESS_ADVICE}"
        case Trouble.UNRESOLVED:
            advice = f"Is this machine online, and the name spelled right? {_ADDRESS_ADVICE}"
        case Trouble.TLS:
            advice = (
                "The server's certificate is not trusted here, or it does not speak TLS. Behind an inspecting proxy, "
                "set SSL_CERT_FILE to its CA bundle; for a plain server write http:// in api_url."
            )
        case Trouble.URL:
            advice = "Write api_url as https://api.mithril.ai or http://127.0.0.1:PORT."
        case Trouble.TOO_LARGE:
            advice = f"This does not look like the Mithril API. {_ADDRESS_ADVICE}"
        case _:
            code = TRANSIENT
            advice = "Nothing was changed. Try again in a moment; if it stays so, check the network and the provider's status."
    return FlowplanError(Diagnostic.error(summary, suggestion=advice), exit_code=code)


def unreadable(answer: Answer, url: str, what: str, problem: str) -> FlowplanError:
    """The error for a 2xx answer that is not what the API promises."""
    detail = f"Asked for {what}, got status {answer.status} and {answer.content_type or 'no content type'}: {problem}."
    return FlowplanError(
        Diagnostic.error(
            f"{url} does not answer as the Mithril API does",
            detail + answer.trace,
            suggestion=f"Is this the right server? {_ADDRESS_ADVICE}",
        )
    )


def denied(answer: Answer, url: str, what: str, words: str) -> FlowplanError:
    """The error for a read that was answered with a status other than 2xx; ``words`` are the server's."""
    status, code = answer.status, 1
    said = f'The server says: "{words}".' if words else ""
    if status == 401:
        summary = f"{url} refused the API key"
        advice = "Set MITHRIL_API_KEY to a key that is valid there (or api_key in ~/.flow/config.yaml)."
    elif status == 402:
        summary = f"{url} asks for a payment method"
        advice = "Add one to the account, then try again."
    elif status == 403:
        summary = f"no permission to read {what}"
        advice = "Is the key's user a member of the project (MITHRIL_PROJECT)?"
    elif status == 404:
        summary = f"{url} has no {what}"
        advice = f"Is it the Mithril API, version 2? {_ADDRESS_ADVICE}"
    elif status in (400, 422):
        summary = f"{url} did not accept the request for {what}"
        advice = "Check the project and region that are configured."
    elif status == 429:
        summary, code = f"{url} says there were too many requests", TRANSIENT
        advice = "Nothing was changed. Wait a minute and try again."
    elif status >= 500:
        summary, code = f"{url} has a fault of its own (status {status})", TRANSIENT
        advice = "Nothing was changed. Try again later; if it stays so, tell the provider."
    elif 300 <= status < 400:
        summary = f"{url} points elsewhere (status {status}); redirects are not followed, for they would carry the key"
        advice = _ADDRESS_ADVICE
    else:
        summary = f"{url} answered the request for {what} with status {status}"
        advice = _ADDRESS_ADVICE
    return FlowplanError(Diagnostic.error(summary, said + answer.trace, suggestion=advice), exit_code=code)
