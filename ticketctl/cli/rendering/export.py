"""`--svg` and `--html`: write results as a picture or a page."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.diagnostics.simulation import MatrixCell
    from ticketctl.warmstart.report.model import Report


def check_file(path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before the figures are made, not after."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise typer.BadParameter(f"{path} is not a file in an existing folder")
    return path


SvgOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", callback=check_file, help="Write the results as an SVG picture."),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", callback=check_file, help="Write the results as a page, with all findings."),
]


def write_file(path: Path, content: str) -> None:
    """Write a picture or a page. Raises InvalidInputError if the file cannot be written."""
    try:
        path.write_text(content, "utf-8")
    except OSError as error:
        raise InvalidInputError(
            f"{path} cannot be written: {error.strerror}", hint="name a file that can be written"
        ) from None


@dataclass(frozen=True, slots=True)
class Pictures:
    """The files to write."""

    svg: Path | None = None
    html: Path | None = None

    def draw_matrix(self, cells: "Sequence[MatrixCell]", configured: tuple[str, str]) -> None:
        """Write the matrix of our worker. Raises InvalidInputError if a file cannot be written."""
        self._draw([(one.pool, one.loop, one.report, (one.pool, one.loop) == configured) for one in cells])

    def draw_handler(self, report: "Report") -> None:
        """Write the report of a handler; raises as `draw_matrix`."""
        self._draw([(report.handler, "", report, False)])

    def _draw(self, cells: "Sequence[tuple[str, str, Report, bool]]") -> None:
        if self.svg is None and self.html is None:
            return
        from ticketctl.warmstart.report import html, svg

        drawn = [svg.ReportCell(*cell) for cell in cells]
        for path, draw in ((self.svg, svg.render_svg), (self.html, html.render_html)):
            if path is not None:
                write_file(path, draw(drawn))
