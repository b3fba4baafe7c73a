"""The report as one HTML file: styles and drawings inline, no script, nothing loaded from anywhere."""

from __future__ import annotations

from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template, select_autoescape
from markupsafe import Markup

from sdconsole.report import charts
from sdconsole.report.model import Report
from sdconsole.report.numbers import duration, moment, number, signed, size

MOST_BYTES = 300_000
_TEMPLATES = resources.files("sdconsole.report").joinpath("templates")


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "moment": moment, "number": number, "signed": signed, "size": size}
    return environment.from_string(_TEMPLATES.joinpath("report.html.j2").read_text(encoding="utf-8"))


def html_report(report: Report) -> str:
    """The whole page."""
    css = _TEMPLATES.joinpath("report.css").read_text(encoding="utf-8")
    score = report.score
    return _template().render(
        r=report,
        css=Markup(css),  # noqa: S704 - this package's own file
        timeline=charts.timeline(report),
        pace=charts.pace(report),
        ring=charts.ring(score) if score else "",
        dimensions=charts.dimensions(score) if score else "",
    )
