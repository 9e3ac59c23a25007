"""A page in headless Chromium: what the console says, and what axe-core finds. Nothing leaves this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_RUN = """
<script>
const plots = () => [...document.querySelectorAll("svg[role=img]")].map((svg) => [svg.getBoundingClientRect(),
  [...svg.querySelectorAll("text")].map((one) => [one.textContent, one.getBoundingClientRect()])]);
const within = (box, all) => box.left > all.left - 1 && box.right < all.right + 1
  && box.top > all.top - 1 && box.bottom < all.bottom + 1;
const meet = (one, other) => one.left < other.right - 1 && other.left < one.right - 1
  && one.top < other.bottom - 2 && other.top < one.bottom - 2;
const pairs = (words) => words.flatMap((one, at) => words.slice(at + 1).map((other) => [one, other]));
const looked = (found) => ({
  told: found.violations.map((one) => [one.id, one.impact, one.nodes.map((node) => node.html.slice(0, 160))]),
  wide: document.documentElement.scrollWidth,
  plots: plots().length,
  cut: plots().flatMap(([all, words]) => words.filter(([, box]) => !within(box, all)).map(([word]) => word)),
  printed_over: plots().flatMap(([, words]) =>
    pairs(words).filter(([[, one], [, other]]) => meet(one, other)).map(([[one], [other]]) => [one, other])),
});
addEventListener("load", () => axe.run(document, {resultTypes: ["violations"]}).then((found) => {
  const out = document.createElement("pre");
  out.id = "axe-told";
  out.textContent = JSON.stringify(looked(found));
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
    page: str, folder: Path, dark: bool = False, width: int = 1000, script: str = "", served: str = ""
) -> tuple[list[str], dict]:
    """(lines of the console, what is found) of a page.

    Found are ``told`` by axe, how ``wide`` it is in pixels, and in ``plots`` words ``cut`` off or ``printed_over``.

    Args:
        page: HTML.
        folder: to work in.
        dark: as somebody sees it who prefers that.
        width: of the window, pixels.
        script: run before axe looks.
        served: the address of the folder, for a page that needs what lies beside it.
    """
    source = axe().read_text(encoding="utf-8").replace("</script", "<\\/script")
    inside = f"<script>{script}</script><script>{source}</script>{_RUN}</body>"
    path = folder / f"page-{os.getpid()}.html"  # other processes may look at the same folder
    path.write_text(page.replace("</body>", inside), encoding="utf-8")
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--enable-logging=stderr", f"--user-data-dir={profile}", f"--window-size={width},900",
            "--virtual-time-budget=20000", f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom",
            f"{served}/{path.name}" if served else path.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    told = re.search(r'<pre id="axe-told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert told, f"axe did not end: {done.stderr[-2000:]}"
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return console, json.loads(unescape(told[1]))
