"""A number under the hand: a slider with round stops, and a box for any exact value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as ipw
import traitlets

_MANTISSAS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
_LABEL = {"description_width": "134px"}


def round_stops(low: float, high: float) -> tuple[float, ...]:
    """Round numbers from `low` to `high`, ten to each power of ten.

    >>> round_stops(8, 30)
    (8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0)
    """
    every = (float(f"{one}e{power}") for power in range(-4, 8) for one in _MANTISSAS)
    return tuple(stop for stop in every if low <= stop <= high)


class Quantity(ipw.HBox):  # type: ignore[misc]
    """`value` is any number from the first stop or `low` to `high`; the slider goes by stops.

    A slider alone would move a value that lies between its steps when it is drawn; here what was
    given stays as it was given until a hand moves it.
    """

    value = traitlets.Float()

    def __init__(
        self, description: str, stops: Sequence[float], low: float = 0.0, high: float = 1e9
    ) -> None:
        self.description = description
        self._stops = tuple(stops)
        self._following = False
        self.slider = ipw.SelectionSlider(
            options=[(f"{stop:g}", stop) for stop in self._stops],
            description=description,
            readout=False,
            style=_LABEL,
            layout=ipw.Layout(flex="1 1 auto", width="auto", min_width="0"),
        )
        self.box = ipw.BoundedFloatText(
            min=low, max=high, step=None, layout=ipw.Layout(flex="0 0 74px", width="74px")
        )
        self.slider.observe(self._slid, "value")
        self.box.observe(self._typed, "value")
        held = ipw.Layout(flex="0 0 auto", width="auto", overflow="hidden")
        super().__init__([self.slider, self.box], layout=held)
        self.observe(self._follow, "value")

    def _slid(self, change: dict[str, Any]) -> None:
        if not self._following:
            self.value = change["new"]

    def _typed(self, change: dict[str, Any]) -> None:
        if not self._following:
            self.value = change["new"]

    def _follow(self, change: dict[str, Any]) -> None:
        """Slider and box show the value; neither writes it back."""
        self._following = True
        try:
            self.box.value = float(f"{change['new']:.4g}")
            self.slider.value = min(self._stops, key=lambda stop: abs(stop - change["new"]))
        finally:
            self._following = False
