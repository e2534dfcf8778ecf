"""The provider contract, run against the sandbox in process: client and simulator meet on the wire."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from provider_contract import exercise

from flowplan.provider.http import Client
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.values.value import Sensitive

pytestmark = pytest.mark.process


def test_the_mithril_provider_keeps_the_contract_on_the_sandbox(tmp_path: Path) -> None:
    import httpx

    from flowplan.sandbox import open_sandbox

    async def run() -> None:
        with closing(open_sandbox(tmp_path, execute=False)) as sandbox:
            transport = httpx.ASGITransport(app=sandbox.app)
            client = Client("http://127.0.0.1", Sensitive(sandbox.api_key), transport=transport)
            async with MithrilProvider(client, None, "us-central5-a") as provider:
                await exercise(provider)

    asyncio.run(run())
