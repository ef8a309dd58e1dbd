"""The site builds strictly, and asks nobody for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.commands import ROOT


def test_the_site_builds_without_a_broken_link_and_fetches_nothing(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    run = subprocess.run(
        build,
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    page = (tmp_path / "clients" / "index.html").read_text(encoding="utf-8")
    # Of each example something that no other page or example says.
    for said in ("enable_idempotence", "isolation_level", "StringDeserializer"):
        assert said in page
    assert "--8" not in page
    assert "doctor" in (tmp_path / "adr" / "index.html").read_text(encoding="utf-8")
    for html in tmp_path.rglob("*.html"):
        fetched = re.findall(
            r'<(?:script|img|iframe)[^>]+src="(https?:[^"]+)|<link[^>]+rel="?(?:stylesheet|icon|preconnect)'
            r'[^>]+href="(https?:[^"]+)',
            html.read_text(encoding="utf-8"),
        )
        assert fetched == [], html
