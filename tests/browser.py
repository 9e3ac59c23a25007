"""A page in headless Chromium: what the console says, and what axe-core finds. Nothing leaves this machine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from importlib.util import find_spec
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_RUN = """
<script>addEventListener("load", () => axe.run(document, {resultTypes: ["violations"]}).then((found) => {
  const told = found.violations.map((one) => [one.id, one.impact, one.nodes.map((node) => node.html.slice(0, 160))]);
  const out = document.createElement("pre");
  out.id = "axe-told";
  out.textContent = JSON.stringify({told, passed: found.passes.length, wide: document.documentElement.scrollWidth});
  document.body.append(out);
}));</script>
"""


def chromium() -> str | None:
    """Where it is; None where there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def axe() -> Path | None:
    """The file of axe-core."""
    found = find_spec("axe_playwright_python")
    return Path(found.submodule_search_locations[0]) / "axe.min.js" if found else None


def looked_at(
    page: str, folder: Path, dark: bool = False, width: int = 1000, script: str = ""
) -> tuple[list[str], dict]:
    """(lines of the console, what axe found) of a page.

    Args:
        page: HTML.
        folder: to work in.
        dark: as somebody sees it who prefers that.
        width: of the window, pixels.
        script: run before axe looks.
    """
    source = axe().read_text(encoding="utf-8").replace("</script", "<\\/script")
    inside = f"<script>{script}</script><script>{source}</script>{_RUN}</body>"
    path = folder / "page.html"
    path.write_text(page.replace("</body>", inside), encoding="utf-8")
    command = [
        chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900", "--virtual-time-budget=20000",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    told = re.search(r'<pre id="axe-told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert told, f"axe did not end: {done.stderr[-2000:]}"
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return console, json.loads(unescape(told[1]))
