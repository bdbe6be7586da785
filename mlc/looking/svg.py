"""Pictures as SVG text, without any library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from ..errors import ArgumentError

CHARACTER = 7.3  # width of a character of the code font, in pixels
LINE = 17  # height of a line of text
_CODE = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
_PROSE = "system-ui, 'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif"
INK = "#1f2430"
FAINT = "#6b7280"


@dataclass(frozen=True)
class Picture:
    """A drawing: ``svg`` is its text; a notebook shows it."""

    svg: str

    def save(self, path: str | Path) -> None:
        """Writes the SVG to a file, whose name ends in .svg or in nothing."""
        path = Path(path)
        if path.suffix not in ("", ".svg"):
            raise ArgumentError(
                f"pictures are written as .svg, got {path.name!r}; browsers and other programs "
                f"make {path.suffix} of it"
            )
        path.write_text(self.svg, encoding="utf-8")

    def __repr__(self) -> str:
        return f"<picture, {len(self.svg)} characters of SVG; .save('x.svg') writes it>"

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return self.svg


@dataclass(eq=False)
class Canvas:
    """Shapes, one after the other, on a sheet of paper: light on dark pages too."""

    parts: list[str] = field(default_factory=list)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        stroke: str = "none",
        *,
        radius: float = 0,
        dash: str = "",
        kind: str = "",
    ) -> None:
        """A rectangle; ``kind`` becomes its class."""
        extra = f' rx="{radius:g}"' if radius else ""
        extra += f' stroke-dasharray="{dash}"' if dash else ""
        extra += f" class={quoteattr(kind)}" if kind else ""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'fill="{fill}" stroke="{stroke}"{extra}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        colour: str = INK,
        bold: bool = False,
        prose: bool = False,
        anchor: str = "start",
    ) -> None:
        """One line, its baseline at ``y``; in the code font unless it is ``prose``."""
        extra = ' font-weight="600"' if bold else ""
        extra += f' text-anchor="{anchor}"' if anchor != "start" else ""
        family = _PROSE if prose else _CODE
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-family="{family}" font-size="{size:g}" '
            f'fill="{colour}" xml:space="preserve"{extra}>{escape(text)}</text>'
        )

    def path(self, data: str, stroke: str, width: float = 1.0) -> None:
        """Lines, in SVG's notation."""
        self.parts.append(
            f'<path d="{data}" fill="none" stroke="{stroke}" stroke-width="{width:g}"/>'
        )

    def picture(self, width: float, height: float, title: str) -> Picture:
        """The sheet with all that is on it."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img">\n<title>{escape(title)}</title>\n'
            f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#ffffff" class="paper"/>\n'
        )
        return Picture(head + "\n".join(self.parts) + "\n</svg>\n")


def text_width(text: str, size: float = 12) -> float:
    """The width of a line in the code font; prose is not wider."""
    return len(text) * CHARACTER * size / 12
