"""The page of a plan in a real browser: it renders without complaint, light and dark, wide and narrow."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-logging=stderr",
    "--allow-file-access-from-files",
    "--dump-dom",
)
LIGHT, DARK = 1, 0
PROBE = """<title>none</title><iframe id="f" src="plan.html" style="width:%dpx;height:900px"></iframe>
<script>
f.onload = () => {
  const page = f.contentDocument, root = page.documentElement, outside = [];
  for (const text of page.querySelectorAll("svg[role=img] text")) {
    const own = text.getBoundingClientRect(), all = text.ownerSVGElement.getBoundingClientRect();
    const box = text.parentNode.querySelector("rect.box");
    const around = box && text.parentNode.querySelector("text.name") ? box.getBoundingClientRect() : all;
    if (own.left < all.left - 1 || own.right > Math.min(all.right, around.right + 5) + 1)
      outside.push(text.textContent);
  }
  const colour = page.defaultView.getComputedStyle(page.body).backgroundColor.match(/[0-9]+/g);
  document.title = JSON.stringify({
    wide: root.scrollWidth, room: root.clientWidth, outside: outside,
    lightness: Math.max(...colour.map(Number)), boxes: page.querySelectorAll("rect.box").length,
    heads: [...page.querySelectorAll("h2")].map(head => head.textContent)
  });
};
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: the page is checked as text only")
    return found


@pytest.mark.parametrize(("width", "scheme"), [(1200, LIGHT), (480, DARK)])
def test_a_browser_shows_the_page_as_it_is_meant(
    browser: str, width: int, scheme: int, fusec: Fusec, curate: Path, tmp_path: Path
) -> None:
    """No text leaves its box, no window scrolls sideways, and nothing is refused by the page's own policy."""
    assert fusec("plan", curate, "--html", "plan.html").code == 0
    (tmp_path / "probe.html").write_text(PROBE % width)
    colours = f"--blink-settings=preferredColorScheme={scheme}"
    words = [browser, *FLAGS, colours, f"--user-data-dir={tmp_path}/profile"]
    address = (tmp_path / "probe.html").as_uri()
    done = subprocess.run([*words, address], capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    title = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    seen = json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert seen["wide"] <= seen["room"]
    assert seen["outside"] == []
    assert (seen["lightness"] > 200) == (scheme == LIGHT)
    assert seen["boxes"] >= 6
    assert seen["heads"][:3] == ["Graph", "Steps", "Timeline"]
