"""mkdocs hook: the site has the pages of `docs/` alone, and lists the decisions by themselves.

What a page links to outside of `docs/` is named by its path in the repository.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"\[([^\]\[]*)\]\(((?:\.\./)+[^)#\s]*)(#[^)\s]*)?\)")
_DECISIONS = "adr/README.md"


def on_page_markdown(markdown: str, *, page: Page, files: Files, **_: object) -> str:
    """The page as the site shows it."""
    source = page.file.src_uri
    if source == _DECISIONS:
        return f"{markdown}\n{_decisions(files)}"

    def replaced(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(source), found[2]))
        return found[0] if target.startswith("docs") else f"{found[1]} (`{target}`)"

    return _LINK.sub(replaced, markdown)


def _decisions(files: Files) -> str:
    paths = sorted(file.src_uri for file in files.documentation_pages() if file.src_uri.startswith("adr/"))
    titles = {path: _title(files.src_uris[path].abs_src_path) for path in paths if path != _DECISIONS}
    return "".join(f"- [{title}]({posixpath.basename(path)})\n" for path, title in titles.items())


def _title(path: str | None) -> str:
    heading, *_ = Path(path or "").read_text(encoding="utf-8").splitlines()
    return heading.removeprefix("# ")
