"""The built site in a browser, where there is one: pages of each make, at a desk and on a phone."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from browser import axe, chromium, looked_at
from built_site import built_site

pytestmark = [
    pytest.mark.loopback,
    pytest.mark.skipif(not (chromium() and axe()), reason="no Chromium, or no axe-core"),
]
DESK, PHONE = 1280, 500
PAGES = [
    ("", DESK),
    ("", PHONE),
    ("compress", PHONE),
    ("tasks", PHONE),
    ("results-amx-posttrain", PHONE),
    ("reference/passes", DESK),
    ("reference/python", DESK),
    ("reference/cli", PHONE),
    ("decisions/0043-a-page-to-look-at", DESK),
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """(folder, address) of the site: from a file its search would not start."""
    folder = built_site(tmp_path_factory)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("page", "width"), PAGES)
def test_nothing_is_said_and_nothing_violated(site, page, width):
    """What the theme does not do is done in docs/assets/site.css and site.js."""
    folder, address = site[0] / page, f"{site[1]}/{page}".removesuffix("/")
    html = (folder / "index.html").read_text(encoding="utf-8")
    console, found = looked_at(html, folder, width=width, served=address)
    assert console == []
    assert found["told"] == []
    assert found["wide"] <= width, "nothing but what scrolls by itself is wider than the window"
