"""papermill's engine, but the notebook is written when its last cell has run.

papermill writes all of it anew before and after each cell, for whoever watches the file grow. Ours
grows in a folder that nobody sees, so that only the last of some forty files is ever read.
"""

from __future__ import annotations

from typing import Any

from papermill.engines import NBClientEngine, papermill_engines

ENGINE = "batchguide"


class Once(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Runs the cells with saving put off; `Engine.execute_notebook` saves however they ended."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        """As nbclient does it."""
        target, nb_man.output_path = nb_man.output_path, None
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **options)
        finally:
            nb_man.output_path = target


papermill_engines.register(ENGINE, Once)
