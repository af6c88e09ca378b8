"""Draw the README's pictures from the forecast itself and write its index: `make gallery`.

`tests/test_readme.py` holds the README to the pictures that are there.
"""

import re
from pathlib import Path

import vl_convert

from batchguide.disk.outcome import simulate
from batchguide.disk.scenario import load_scenario
from batchguide.facts import data_path
from batchguide.views import charts
from readme_blocks import index, write_block

VEGA_LITE = "6.4"


def main() -> None:
    scenario = load_scenario(data_path("scenarios", "notes-example.yaml"))
    gallery = data_path("gallery")
    gallery.mkdir(exist_ok=True)
    write(gallery / "notes-example.svg", charts.disk_chart(simulate(scenario), width=760))
    write_block("index", index())


def write(path: Path, chart: object) -> None:
    """The picture as it is looked at: what only a pointer or a screen reader needs is left out."""
    spec = chart.to_dict()  # type: ignore[attr-defined]
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    drawn = re.sub(r' (aria-[a-z]+|role)="[^"]*"', "", drawn)
    drawn = re.sub(r'<g class="[^"]*voronoi">.*?</g>', "", drawn, flags=re.DOTALL)
    path.write_text(re.sub(r' d="[^"]+"', _coarser, drawn) + "\n")
    print(path.name)


def _coarser(outline: re.Match[str]) -> str:
    return re.sub(r"\d+\.\d\d+", lambda it: f"{float(it[0]):.1f}", outline[0])


if __name__ == "__main__":
    main()
