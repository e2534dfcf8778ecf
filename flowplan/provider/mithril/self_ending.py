"""Tasks that are ended from their own instances: a key made for each, and the record that they leave behind.

The record is a lifecycle script of the project, since that is text a key may leave with the provider, and outlives
the instance; nothing ever runs it. Keys and notes are found again by their names, so nothing has to be remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flowplan.launch import Ending
from flowplan.launch.record import merge_records, parse_record
from flowplan.provider.failure import Failure
from flowplan.provider.mithril.codecs import task_has_ended
from flowplan.provider.mithril.wire import Bid, structure_all
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.quantity import format_instant, parse_instant
from flowplan.values.value import Sensitive

if TYPE_CHECKING:
    from flowplan.provider.mithril.provider import MithrilProvider

_LONGEST_NAME = 59
_LONGEST_LIFE = timedelta(days=364)
_MOST_PAGES = 20
_TRIES = 2
_LOOK_AGAIN_S = 1.0
_NOTE = "flow-end-"
"""What the names of notes begin with; a script that leaves one holds it."""
_PACKED = "<<'FLOW_SCRIPT'"
"""What a packed script holds: it cannot be seen what is in it."""


@frozen
class _Key:
    fid: str
    name: str
    deactivated_at: str | None = None


@frozen
class _Note:
    fid: str
    name: str


def key_name(task: str) -> str:
    """What the key of a task is called: names of keys are short, so a long name keeps its end, which is unique."""
    whole = f"flow-task-{task}"
    return whole if len(whole) <= _LONGEST_NAME else f"flow-task-{task[10 - _LONGEST_NAME :]}"


async def make_key(provider: MithrilProvider, task: str, now: datetime, lasts: timedelta) -> Ending:
    """A key for one task; earlier ones of the same name, whose secret nobody has, are revoked.

    Raises:
        FlowplanError: none can be made.
    """
    project, reason = await provider.project(), ""
    for _ in range(_TRIES):
        await _revoke(provider, key_name(task))
        # By the provider's clock, which it has just told: it is the one that decides what has expired.
        until = (provider.client.heard_at or now) + min(lasts, _LONGEST_LIFE)
        body = {"name": key_name(task), "expires_at": format_instant(until)}
        got = await provider.client.write("POST", "/v2/api-keys", body)
        if isinstance(got, Failure):
            reason = got.reason
            continue  # perhaps it was made: then it is revoked first
        if got.status >= 500:
            reason = f"the provider answered with status {got.status}{got.trace}"
            continue
        if not 200 <= got.status < 300:
            raise _no_key(f"the provider answered with status {got.status}{got.trace}")
        try:
            document = got.document()
            fid, secret = document["fid"], document["secret"]
            if not (isinstance(fid, str) and isinstance(secret, str) and fid and secret):
                raise ValueError("no key")
        except (ValueError, KeyError, TypeError):
            reason = "its answer holds no key"
            continue
        return Ending(provider.client.base_url, project, Sensitive(secret), fid)
    raise _no_key(f"the provider could not be asked: {reason}")


async def retire(provider: MithrilProvider, task: str, bid: str) -> None:
    """Revoke the key of a task that has ended, and take away what it left behind.

    Raises:
        FlowplanError: the provider cannot be asked; the key expires by itself.
    """
    await _revoke(provider, key_name(task))
    for note in await _notes(provider, bid) if bid else ():
        await _take_away(provider, f"/v2/lifecycle-scripts/{quote(note.fid, safe='')}")


async def read_note(provider: MithrilProvider, bid: str) -> Mapping[str, Any] | None:
    """The completion record that a task left before it ended itself; None for one that lives, or left none.

    A list that lags may show the end and not yet the record. So of a task that could have left one, and has ended only
    now, there is no answer before the list must show it: it would be taken for lost, and started again.

    Raises:
        FlowplanError: the provider cannot be asked.
    """
    found = await provider.api.bid(bid)
    if found is None or not task_has_ended(found.status):
        return None
    left = _may_appear_s(provider, found)
    while True:
        record = await _noted(provider, found)
        if record is not None or left <= 0.0:
            return record
        pause = min(left, _LOOK_AGAIN_S)
        left -= pause
        await provider.client.sleep(pause)


def _may_appear_s(provider: MithrilProvider, bid: Bid) -> float:
    """How long, in seconds, what a task left as it ended may still be missing from lists."""
    script = bid.launch_specification.startup_script
    if script is not None and _NOTE not in script and _PACKED not in script:
        return 0.0
    window = provider.visibility_s
    try:
        ended = parse_instant(bid.deactivated_at or "")
    except ValueError:
        return window
    # By the provider's clock, which was heard before this: so the end is taken for more recent, never for older.
    now = provider.client.heard_at or provider.client.now()
    return max(0.0, min(window, window - (now - ended).total_seconds()))


async def _noted(provider: MithrilProvider, bid: Bid) -> Mapping[str, Any] | None:
    """The completion record that is in a bid's notes; None while they are not all there."""
    texts: list[str | None] = []
    for note in await _notes(provider, bid.fid):
        content = await provider.client.read(
            f"/v2/lifecycle-scripts/{quote(note.fid, safe='')}/content", what="a completion record"
        )
        texts.append(content if isinstance(content, str) else None)
    failed = [
        text for text in texts if (record := parse_record(text)) is not None and record["exit_code"] != 0
    ]
    # One node that fails ends the task; else every node has to have completed.
    if len(texts) < bid.instance_quantity and not failed:
        return None
    return merge_records(failed or texts)


async def _take_away(provider: MithrilProvider, path: str) -> None:
    """Delete something, again where no one said that it was done: what is gone stays gone."""
    for _ in range(_TRIES + 1):
        got = await provider.client.write("DELETE", path)
        if not isinstance(got, Failure) and got.status < 500:
            return


async def _revoke(provider: MithrilProvider, name: str) -> None:
    document = await provider.client.read("/v2/api-keys", what="API keys")
    try:
        keys = structure_all(_Key, document)
    except ValueError as error:
        raise provider.api.misshapen("API keys", str(error)) from None
    for key in keys:
        if key.name == name and key.deactivated_at is None:
            await _take_away(provider, f"/v2/api-keys/{quote(key.fid, safe='')}")


async def _notes(provider: MithrilProvider, bid: str) -> list[_Note]:
    """The notes of one bid, by node."""
    params = {
        "project": await provider.project(),
        "limit": "100",
        "sort_by": "created_at",
        "sort_dir": "desc",
    }
    found: dict[str, _Note] = {}
    for _ in range(_MOST_PAGES):
        page = await provider.client.read("/v2/lifecycle-scripts", params, "lifecycle scripts")
        try:
            rows = structure_all(_Note, page.get("data") if isinstance(page, dict) else None)
        except ValueError as error:
            raise provider.api.misshapen("lifecycle scripts", str(error)) from None
        for row in rows:
            if row.name.startswith(f"{_NOTE}{bid}-"):
                found.setdefault(row.name, row)
        cursor = page.get("next_cursor")
        if not isinstance(cursor, str) or not cursor:
            break
        params["next_cursor"] = cursor
    return [found[name] for name in sorted(found)]


def _no_key(why: str) -> FlowplanError:
    return FlowplanError(
        Diagnostic.error(
            "no key can be made with which the task would end itself",
            f"{why[:1].upper()}{why[1:]}. terminate_on_exit and max_run_time_hours need one on the instances.",
            suggestion="Make API keys possible for this account, or leave those fields out and end the task yourself.",
        )
    )
