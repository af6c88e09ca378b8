"""`python -m batchguide` is the same as `batchguide`."""

from batchguide.cli import main

raise SystemExit(main())
