"""Colours and type that charts, tables and widgets share.

The component colours are Okabe and Ito's, told apart with every common colour blindness
(https://jfly.uni-koeln.de/color/). Text is a middle grey with 4.5:1 contrast on white and 4.3:1 on
JupyterLab's dark theme, so that a chart that was drawn once reads in both.
"""

from typing import Any

Picture = Any
"""An Altair chart: its own annotations do not carry through layers and concatenation."""
INK = "#757575"
GRID = "#8888883d"
ALARM = "#d62839"
GOOD = "#2f8f6b"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"

COMPONENT_COLOURS = {
    "operating system": "#9a9a9a",
    "image layers": "#0072b2",
    "pull in flight": "#56b4e9",
    "running containers": "#009e73",
    "stopped containers": "#e69f00",
    "logs": "#cc79a7",
    "other": "#f0e442",
}
DARK_BANDS = frozenset({"image layers", "running containers"})
"""Bands on which a label is white; on the others it is black."""

STATUS_COLOURS = {
    "critical": "#b2182b",
    "high": "#ef6548",
    "medium": "#fdae61",
    "low": "#fee090",
    "UNKNOWN": "#8073ac",
    "PASS": "#2f8f6b",
    "NOT_APPLICABLE": "#b9b9b9",
    "MUTED": "#8f8f8f",
}

CHART_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": GRID,
        "domainColor": INK,
        "tickColor": INK,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": 11},
    "header": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12},
    "title": {"color": INK, "subtitleColor": INK, "fontSize": 13, "anchor": "start"},
}
