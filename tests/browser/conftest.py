"""A live server and a real browser (the chromium on the PATH)."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

expect.set_options(timeout=120_000)
ROOT = Path(__file__).resolve().parents[2]


def start_server():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    url = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
            return process, url
        except OSError:
            time.sleep(0.25)
    process.kill()
    raise RuntimeError("the server did not start")


@pytest.fixture(scope="session")
def server():
    process, url = start_server()
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture
def cold_server():
    """A server that no session has visited yet."""
    process, url = start_server()
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def chromium():
    path = shutil.which("chromium")
    assert path, "the browser tests need Debian's chromium on the PATH: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def new_tab(chromium):
    """Opens tabs of separate sessions at 1280 pixels."""
    contexts = []

    def tab(url, **settings):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(url)
        return page

    yield tab
    for context in contexts:
        context.close()
