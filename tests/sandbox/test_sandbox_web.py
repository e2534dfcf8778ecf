"""The web page of a served sandbox: who may see it, and what a real browser shows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from browser import Browser, find_browser
from sandbox_served import Served

from flowplan.sandbox import Sandbox
from flowplan.sandbox.desk import Desk
from flowplan.sandbox.web.view import page_url

pytestmark = pytest.mark.process
_BROKEN_WORDS = """[...document.querySelectorAll('td:not(.name)')].filter(
    (cell) => cell.childElementCount === 0 && !/\\s/.test(cell.textContent) && cell.textContent
      && (() => { const range = document.createRange(); range.selectNodeContents(cell);
                  return new Set([...range.getClientRects()].map((box) => box.top)).size > 1; })()).length"""
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip(
            "there is no browser of the Chromium family on this machine (Debian: apt-get install chromium)"
        )
    (tmp_path / "browser").mkdir()
    made = Browser(program, tmp_path / "browser")
    yield made
    made.close()


def test_the_page_holds_nothing_and_needs_nothing_from_outside(served):
    status, headers, body = served.get("/")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    for path in ("/", "/page.css", "/page.js"):
        text = served.get(path)[2].decode()
        assert "https://" not in text
        assert served.sandbox.api_key not in text
        assert served.token not in text
    assert b'<script src="/page.js"' in body


def test_the_state_is_for_who_has_the_token(served):
    assert served.get("/live.json")[0] == 401
    assert served.get("/live.json", X_Sandbox_View="wrong")[0] == 401
    assert served.get("/live.json", Authorization=f"Bearer {served.sandbox.api_key}")[0] == 401
    status, _, body = served.get("/live.json", X_Sandbox_View=served.token)
    assert status == 200
    assert json.loads(body)["counts"]["bids"] == 0
    assert served.sandbox.api_key.encode() not in body
    # The token opens the page and nothing of the API.
    assert served.get("/v2/projects", Authorization=f"Bearer {served.token}")[0] == 401


def test_a_name_made_to_mean_this_machine_does_not_open_it(served):
    assert served.get("/", Host="evil.example")[0] == 403
    assert served.get("/live.json", Host="evil.example", X_Sandbox_View=served.token)[0] == 403


def test_a_browser_shows_it_live(served: Served, browser: Browser, make_client) -> None:
    desk = Desk(served.sandbox)
    desk.set_model("seeded", seed=4)
    desk.advance(timedelta(days=1))
    browser.open(page_url(served.url, served.sandbox.home))
    browser.wait_for("document.querySelectorAll('#markets tbody svg path').length > 10")
    assert browser.evaluate("document.querySelector('#bids tbody').innerText").strip() == "No bids."
    client = make_client(served.sandbox)
    _bid_named(served.sandbox, client, HOSTILE)
    client.bid("plain", "$90.00", 2)
    desk.advance(timedelta(minutes=5))
    browser.wait_for("document.querySelector('#bids tbody').innerText.includes('plain')")
    names = browser.evaluate(
        "[...document.querySelectorAll('#bids tbody tr')].map(r => r.cells[0].textContent)"
    )
    assert set(names) == {HOSTILE, "plain"}
    assert browser.evaluate("document.querySelectorAll('#bids img, #instances img').length") == 0
    browser.wait_for("document.querySelector('#instances tbody').innerText.includes('plain-2')")
    browser.wait_for("document.title.startsWith('3 running')")
    assert browser.evaluate("document.querySelector('#trouble').hidden") is True
    for scheme in ("light", "dark"):
        browser.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        assert _contrast(browser) >= 4.5
        if folder := os.environ.get("FLOWPLAN_SCREENSHOTS"):
            (Path(folder) / f"sandbox-{scheme}.png").write_bytes(browser.screenshot())
    unnamed = "[...document.querySelectorAll('svg')].filter(s => !s.getAttribute('aria-label')).length"
    assert browser.evaluate(unnamed) == 0
    # On a telephone too: tables scroll by themselves, and no word but a name is broken.
    for width in (1100, 390):
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=False
        )
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert browser.evaluate(_BROKEN_WORDS) == 0
    assert browser.console == []


def test_a_browser_without_the_token_is_told_so(served: Served, browser: Browser) -> None:
    browser.open(served.url + "/")
    browser.wait_for("document.querySelector('#trouble')?.hidden === false")
    assert "token" in browser.evaluate("document.querySelector('#trouble').innerText")


def _bid_named(sandbox: Sandbox, client, name: str) -> None:
    """A bid whose name the API would refuse: what is shown must not depend on who checked it."""
    from attrs import evolve

    fid = client.bid("hostile", "$91.00")["fid"]
    with sandbox.changing() as (world, _):
        world.put(evolve(world.bids[fid], name=name))


def _contrast(browser: Browser) -> float:
    """The contrast of the least readable text colour on the page."""
    return browser.evaluate(
        """(() => {
          const light = (c) => { const [r, g, b] = c.match(/\\d+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const paper = light(getComputedStyle(document.body).backgroundColor);
          return Math.min(...[...document.querySelectorAll('td, th, h1, h2, footer, dt, dd')].map((e) => {
            const ink = light(getComputedStyle(e).color);
            return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); }));
        })()"""
    )
