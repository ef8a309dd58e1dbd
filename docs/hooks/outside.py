"""mkdocs hook: what a page links to outside of `docs/` is named, not linked; the site has the pages alone."""

import posixpath
import re

from mkdocs.structure.pages import Page

_LINK = re.compile(r"\[([^\]\[]*)\]\(((?:\.\./)+[^)#\s]*)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Replace links that leave `docs/` by their text and the file's path in the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, found[2]))
        return found[0] if target.startswith("docs") else f"{found[1]} (`{target}`)"

    return _LINK.sub(replaced, markdown)
