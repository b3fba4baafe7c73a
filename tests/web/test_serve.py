"""The console in a browser of this machine: who is let in, what a tab paints, and that it ends with its server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import psutil
import pytest

from sdconsole.core.model import StageName
from tests.cli.conftest import environment
from tests.tui.scripted import Hold, ScriptedRun
from tests.tui.test_attach import Patient

RUN = "r-20261121-031500-7f3a"
PATIENCE_SECONDS = 60.0


@contextmanager
def served(tmp_path: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`sdconsole serve` on a free port; gives the address that it printed."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    server = subprocess.Popen(
        [sys.executable, "-m", "sdconsole", "serve", "--port", "0", "--state-dir", str(tmp_path), *arguments],
        cwd=tmp_path,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip(), server
    finally:
        server.kill()
        server.communicate()


@contextmanager
def running(folder: Path, hold: Hold) -> Iterator[None]:
    """A run that another process could as well execute, held in its load."""
    run, gate = ScriptedRun(folder, work={StageName.LOAD: hold}), Patient()
    thread = threading.Thread(target=lambda: run.execute(gate))
    thread.start()
    try:
        assert hold.reached.wait(20)
        yield
    finally:
        run.cancellation.cancel("the test is over")
        gate.withdraw()
        thread.join()


class Tab:
    """What a browser does with the page's socket, and the text that was painted."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._raw = b""

    async def until(self, *texts: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(text in self.text for text in texts):
            assert time.monotonic() < deadline, f"{texts} was never painted; {self.text[-2000:]}"
            message = await self._socket.receive(timeout=PATIENCE_SECONDS)
            assert message.type is aiohttp.WSMsgType.BINARY, message
            self._raw += message.data

    async def press(self, keys: str) -> None:
        self._raw = b""
        await self._socket.send_json(["stdin", keys])

    @property
    def text(self) -> str:
        return " ".join(re.sub(rb"\x1b\[[0-?]*[ -/]*[@-~]", b" ", self._raw).decode("utf-8", "replace").split())


def tab_processes(server: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(server).children() if "sdconsole.interfaces.web.tab" in child.cmdline()]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_tab_paints_a_moving_run_looks_only_and_ends_with_its_server(tmp_path: Path) -> None:
    hold = Hold()

    async def story(address: str, server: subprocess.Popen[str]) -> None:
        base = address.split("/?")[0]
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            async with client.get(address) as page:
                assert page.status == 200
                assert "token" not in str(page.url)
                html = await page.text()
                assert not re.findall(r'(?:src|href)="https?://(?!127\.0\.0\.1)', html)
            async with client.ws_connect(f"{base}/ws?width=120&height=40", origin=base) as socket:
                tab = Tab(socket)
                await tab.until("load", "running", "READ ONLY", "elsewhere")
                await tab.press("p")
                await tab.until("opened to look only")
                hold.released.set()
                await tab.until("waits for you")
                [process] = tab_processes(server.pid)
                server.send_signal(signal.SIGTERM)
                wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)

    with running(tmp_path, hold), served(tmp_path, RUN) as (address, server):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
        asyncio.run(story(address, server))
        assert server.wait(PATIENCE_SECONDS) == 0


def test_a_tab_that_may_control_answers_a_run_and_executes_none(tmp_path: Path) -> None:
    hold = Hold()

    async def story(address: str, server: subprocess.Popen[str]) -> None:
        base = address.split("/?")[0]
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            await client.get(address)
            async with client.ws_connect(f"{base}/ws?width=120&height=40", origin=base) as socket:
                tab = Tab(socket)
                await tab.until("waits for you, elsewhere")
                await tab.press("r")
                await tab.until("a browser tab attaches")
                await tab.press("a")
                await tab.until("Type servicedesk to go on")
                await tab.press("servicedesk\r")
                await tab.until("deployed servicedesk_v")
                [process] = tab_processes(server.pid)
                os.kill(server.pid, signal.SIGKILL)
                wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)

    with running(tmp_path, hold):
        hold.released.set()
        with served(tmp_path, RUN, "--allow-control") as (address, server):
            asyncio.run(story(address, server))


def test_only_the_own_address_with_the_token_is_let_in(tmp_path: Path) -> None:
    def status(url: str, **headers: str) -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    with served(tmp_path) as (address, _):
        base, token = address.split("/?token=")
        cookie = f"sdconsole={token}"
        assert status(f"{base}/", Cookie=cookie) == 200
        assert status(f"{base}/") == 403
        assert status(f"{base}/?token=wrong") == 403
        assert status(f"{base}/static/js/textual.js") == 403
        assert status(f"{base}/", Cookie=cookie, Host="evil.example") == 403
        assert status(f"{base}/ws", Cookie=cookie, Origin="http://evil.example") == 403
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(base.replace("127.0.0.1", "127.0.0.2"))


CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


class Page:
    """A page of a headless Chromium, asked through its debugging socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def value(self, expression: str) -> object:
        self._number += 1
        await self._socket.send_json(
            {"id": self._number, "method": "Runtime.evaluate", "params": {"expression": expression}}
        )
        while True:
            answer = await self._socket.receive_json(timeout=PATIENCE_SECONDS)
            if answer.get("id") == self._number:
                return answer["result"]["result"].get("value")

    async def until(self, expression: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await self.value(expression):
            assert time.monotonic() < deadline, f"{expression} never came true"
            await asyncio.sleep(0.2)


@contextmanager
def browser(folder: Path) -> Iterator[str]:
    """A headless Chromium; gives the address of its debugging interface."""
    assert CHROMIUM is not None
    told = folder / "DevToolsActivePort"
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [CHROMIUM, *arguments, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: told.is_file() and told.read_text().strip())
        yield f"http://127.0.0.1:{told.read_text().split()[0]}"
    finally:
        process.kill()
        process.wait()


PICTURE = "document.querySelector('canvas.xterm-text-layer').toDataURL()"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")
def test_a_real_browser_paints_the_console_and_the_run_moves_in_it(tmp_path: Path) -> None:
    hold = Hold()

    async def story(address: str, chromium: str) -> None:
        async with aiohttp.ClientSession() as client:
            async with client.put(f"{chromium}/json/new?{quote(address, safe='')}") as opened:
                target = (await opened.json())["webSocketDebuggerUrl"]
            async with client.ws_connect(target, max_msg_size=0) as socket:
                page = Page(socket)
                await page.until("document.body && document.body.classList.contains('-first-byte')")
                assert "token" not in str(await page.value("location.href"))
                empty = "(() => { const c = document.querySelector('canvas.xterm-text-layer'); const e = "
                empty += "document.createElement('canvas'); e.width = c.width; e.height = c.height; "
                empty += "return e.toDataURL(); })()"
                await page.until(f"{PICTURE} !== {empty}")
                before = str(await page.value(PICTURE))
                hold.released.set()
                await page.until(f"{PICTURE} !== {before!r}")

    with running(tmp_path, hold), served(tmp_path, RUN) as (address, _), browser(tmp_path / "browser") as chromium:
        asyncio.run(story(address, chromium))
