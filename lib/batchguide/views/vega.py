"""The Vega libraries as one script, out of the installed vl-convert: nothing comes from a network.

To bundle them costs more than a second of CPU and 130 MB of memory, and the same vl-convert gives
the same script each time. So it is made once and kept in the user's cache directory
(`$XDG_CACHE_HOME/batchguide`, else `~/.cache/batchguide`), which may be deleted at any time.
"""

from __future__ import annotations

import os
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from batchguide.files import write_whole

VEGA_LITE = "6.4"
"""The version that charts are written for, of those that vl-convert carries."""


@cache
def vega_bundle(source: str | None = None) -> str:
    """Vega, Vega-Lite and vega-embed, with `source` as the module that uses them.

    Without a source the script puts `vegaEmbed`, `vega` and `vegaLite` on the window.
    """
    kept = _place(source)
    bundle = _read(kept) if kept else None
    if bundle is None:
        bundle = _made(source)
        if kept:
            _keep(kept, bundle)
    return bundle


def _made(source: str | None) -> str:
    import vl_convert

    return vl_convert.javascript_bundle(source, vl_version=VEGA_LITE)  # type: ignore[arg-type]


def _place(source: str | None) -> Path | None:
    """Where the bundle of this source, this vl-convert and this Vega-Lite is kept; None: nowhere.

    A relative `$XDG_CACHE_HOME` counts as none, as the XDG Base Directory Specification asks.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        home = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    made_of = repr((version("vl-convert-python"), VEGA_LITE, source))
    return home / "batchguide" / f"vega-{_digest(made_of)}.js"


def _read(kept: Path) -> str | None:
    """The bundle if it is there and whole: the first line is the digest of the rest."""
    try:
        digest, _, bundle = kept.read_bytes().decode().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return bundle if digest == _digest(bundle) else None


def _keep(kept: Path, bundle: str) -> None:
    try:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(kept, f"{_digest(bundle)}\n{bundle}".encode())
    except OSError:
        return  # a full or read-only home costs time, not the answer


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
