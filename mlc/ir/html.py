"""Programs as HTML: the script with light colours, for notebooks."""

from __future__ import annotations

import html
import re

_COLOURS = {
    "comment": "#6a737d",
    "string": "#22863a",
    "keyword": "#d73a49",
    "notation": "#6f42c1",
    "number": "#005cc5",
}
_TOKEN = re.compile(
    r"(?P<comment>\#.*)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<keyword>\b(?:def|for|in|with|class|pass|lambda|True|False)\b)"
    r"|(?P<notation>@?\b[TS]\.[\w.]+)"
    r"|(?P<number>\b\d[\w.]*)"
)


def script_html(text: str) -> str:
    """Python source as a block of HTML that needs no style sheet."""
    return f'<pre style="font-size:13px;line-height:1.35">{highlighted(text)}</pre>'


def highlighted(text: str) -> str:
    """Python source as coloured HTML, to stand inside of ``<pre>``."""
    out, end = [], 0
    for found in _TOKEN.finditer(text):
        colour = _COLOURS[str(found.lastgroup)]
        out.append(html.escape(text[end : found.start()]))
        out.append(f'<span style="color:{colour}">{html.escape(found.group())}</span>')
        end = found.end()
    out.append(html.escape(text[end:]))
    return "".join(out)
