"""Make the bundled captures: build each account by API calls, and collect it over HTTP.

`python tests/accounts/make_captures.py` writes `data/captures/*.json.gz`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that it runs as a program as well

from accounts import disk_full, healthy
from batchguide.aws.collect import collect
from batchguide.aws.session import make_session
from batchguide.capture import Capture, save_capture
from fakeaws import FakeAws

ACCOUNTS: dict[str, Callable[[FakeAws], None]] = {
    "disk-full": disk_full.build,
    "healthy": healthy.build,
}


def capture_of(name: str) -> Capture:
    """Build an account and collect it as a user does, but for the clock."""
    with FakeAws() as fake, fake.environment():
        ACCOUNTS[name](fake)
        return collect(make_session(), now=fake.world.now)


def main() -> None:
    folder = Path(__file__).parents[2] / "data" / "captures"
    for name in ACCOUNTS:
        path = folder / f"{name}.json.gz"
        save_capture(capture_of(name), path)
        print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
