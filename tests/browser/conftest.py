"""A real JupyterLab in a real Chromium, on loopback; what is tried beyond it is refused."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchguide.facts import runbooks_path

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "loopback-only"
START_S, OPEN_MS, RUN_MS = 90, 90_000, 180_000
SHOTS = os.environ.get("BATCHGUIDE_SHOTS")  # a directory for screenshots, to look at

# "idle" is shown before the kernel's channel is open, and cells that run before then never end:
# so wait for the kernel itself.
READY = """async () => {
  const sleep = ms => new Promise(r => setTimeout(r, ms)), app = window.jupyterapp;
  const started = Date.now(), late = ms => Date.now() - started > ms;
  await app.started; await app.restored;
  let page, kernel;
  while (!((page = app.shell.currentWidget) && page.sessionContext)) {
    if (late(60000)) return 'no notebook';
    await sleep(50);
  }
  await page.context.ready; await page.sessionContext.ready;
  const live = () => (kernel = page.sessionContext.session && page.sessionContext.session.kernel)
    && kernel.connectionStatus === 'connected' && kernel.status === 'idle';
  while (!live()) { if (late(90000)) return 'no kernel'; await sleep(50); }
  await kernel.info;
  return 'ready';
}"""
RUN_ALL = """async ms => Promise.race([
  window.jupyterapp.commands.execute('notebook:run-all-cells'),
  new Promise(r => setTimeout(() => r('timeout'), ms))])"""
SHUT_DOWN = """() => Promise.race([
  window.jupyterapp.serviceManager.sessions.shutdownAll(),
  new Promise(r => setTimeout(r, 5000))])"""
DARK = """() => window.jupyterapp.commands.execute(
  'apputils:change-theme', {theme: 'JupyterLab Dark'})"""


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Chromium without a window; missing, it skips, unless REQUIRE_BROWSER wants it."""
    if not Path(CHROMIUM).exists() and not os.environ.get("REQUIRE_BROWSER"):
        pytest.skip(f"no browser at {CHROMIUM} (REQUIRE_BROWSER=1 makes this a failure)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a copy of the runbooks, with settings of its own; its address."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(runbooks_path(), home / "root", ignore=shutil.ignore_patterns(".ipynb_*"))
    _configure(home / "config")
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    with (home / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            _command(home / "root", port), env=_environment(home), stdout=log, stderr=log
        )
        try:
            _wait(server, f"{address}/api/status?token={TOKEN}", home / "lab.log")
            yield address
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _configure(config: Path) -> None:
    """No news pop-up over the page, no language server."""
    (config / "labconfig").mkdir(parents=True)
    news = {"@jupyterlab/apputils-extension:announcements": True}
    (config / "labconfig" / "page_config.json").write_text(json.dumps({"disabledExtensions": news}))
    extensions = {"jpserver_extensions": {"jupyter_lsp": False}}
    (config / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": extensions}))


def _environment(home: Path) -> dict[str, str]:
    names = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    return {**os.environ, **{name: str(home / place) for name, place in names.items()}}


def _command(root: Path, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}"),
        *("--LabApp.expose_app_in_browser=True", "--ServerApp.terminals_enabled=False"),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.1)


@pytest.fixture
def page(browser):
    """A tab; `page.external` has what it asked beyond loopback, `page.errors` what it threw."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.external, tab.errors = [], []

    def refuse(route):
        tab.external.append(route.request.url)
        route.abort()

    context.route(
        lambda url: url.startswith("http") and not url.startswith("http://127.0.0.1"), refuse
    )
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    yield tab
    context.close()


@pytest.fixture
def ran(page, lab):
    """A function: the name of a page → the tab that shows it, every cell run; it is shut down."""

    def go(name, dark=False):
        page.goto(f"{lab}/doc/tree/{name}.ipynb?token={TOKEN}&reset", timeout=OPEN_MS)
        page.wait_for_function("() => window.jupyterapp", timeout=OPEN_MS)
        assert page.evaluate(READY) == "ready"
        if dark:
            page.evaluate(DARK)
        assert page.evaluate(RUN_ALL, RUN_MS) is True
        return page

    yield go
    page.evaluate(SHUT_DOWN)


@pytest.fixture
def shoot(page):
    """Take a picture of the tab when BATCHGUIDE_SHOTS names a directory."""

    def take(name):
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))

    return take
