"""A chart that redraws as fast as a hand moves: the picture is sent once, then only its rows.

Vega comes out of the installed vl-convert, so that nothing is loaded from the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from batchguide.views.vega import vega_bundle

Columns = dict[str, list[Any]]


def bundled_source() -> str:
    """The front end: `live_chart.js` with Vega, Vega-Lite and vega-embed in one module."""
    return vega_bundle(Path(__file__).with_suffix(".js").read_text(encoding="utf-8"))


class LiveChart(anywidget.AnyWidget):
    """A Vega-Lite picture with named data sets, redrawn whenever `show` is called.

    The element's `data-drawn` is the number of the frame on the screen.
    """

    picture = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    height = traitlets.Int(440).tag(sync=True)
    renderer = traitlets.Unicode("canvas").tag(sync=True)

    def __init__(self, picture: dict[str, Any], data: dict[str, list[dict[str, Any]]]) -> None:
        self._esm = bundled_source()
        super().__init__(picture=picture, frame={"number": 0, "data": by_column(data), "said": ""})

    def show(self, data: dict[str, list[dict[str, Any]]], said: str = "") -> None:
        """Draw these rows in place of those on the screen; `said` describes them to a reader."""
        number = self.frame["number"] + 1
        self.frame = {"number": number, "data": by_column(data), "said": said}

    @property
    def data(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of the frame shown last."""
        return {name: by_row(columns) for name, columns in self.frame["data"].items()}


def by_column(data: dict[str, list[dict[str, Any]]]) -> dict[str, Columns]:
    """Rows as columns, a third of the bytes to send.

    >>> by_column({"a": [{"t": 0, "y": 1}, {"t": 1, "y": 2}], "b": []})
    {'a': {'t': [0, 1], 'y': [1, 2]}, 'b': {}}
    """
    return {
        name: {key: [row[key] for row in rows] for key in (rows[0] if rows else ())}
        for name, rows in data.items()
    }


def by_row(columns: Columns) -> list[dict[str, Any]]:
    """Columns as rows: `by_column` undone."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
