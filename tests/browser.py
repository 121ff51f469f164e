"""Debian's Chromium without a screen, driven by Playwright, and axe-core, which knows what is accessible."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, expect, sync_playwright

__all__ = ["axe", "chromium", "violations"]

FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--force-color-profile=srgb"),
)
AXE: Final = "4.14.1"
SERIOUS: Final = frozenset({"serious", "critical"})

expect.set_options(timeout=60_000)  # how quick a page is depends on what runs beside it


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, "Chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS])
        try:
            yield browser
        finally:
            browser.close()


def axe() -> str:
    """Return the source of axe-core, from npm's registry the first time and then from the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ares_otel" / f"axe-core-{AXE}"
    archive = cache / f"axe-core-{AXE}.tgz"
    if not archive.exists():
        npm = shutil.which("npm")
        assert npm is not None, "npm is not installed: it fetches axe-core, which looks for barriers in the pages"
        cache.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", f"axe-core@{AXE}", "--pack-destination", str(cache)]
        subprocess.run(command, check=True, capture_output=True, cwd=cache)
    with tarfile.open(archive) as packed:
        found = packed.extractfile("package/axe.min.js")
        assert found is not None
        return found.read().decode()


def violations(page: Page, source: str) -> list[str]:
    """Return what axe finds serious or critical on a page, with where it is."""
    page.evaluate(source)
    found: dict[str, Any] = json.loads(page.evaluate("async () => JSON.stringify(await axe.run())"))
    return [
        f"{rule['impact']}: {rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found["violations"]
        if rule["impact"] in SERIOUS
        for node in rule["nodes"][:5]
    ]
