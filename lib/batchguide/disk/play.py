"""Runs the engine: hands it arrays, makes those larger that were too short, reads what came out.

Also decides who runs it. Compiling takes some ten seconds, so nobody waits for it: the first
process on a machine answers from the source as it stands while a child compiles into numba's cache
on disk; later ones load that. Without a cache directory that can be written to, a thread compiles.
"""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchguide.disk import engine
from batchguide.disk.engine import INF, Book, Inputs, Jobs, Rules, Trace
from batchguide.errors import UserError

Floats = NDArray[np.float64]
WAYS = ("auto", "compiled", "interpreted")
MAX_FAILURES = 100_000
"""Failures kept one by one; beyond it they are counted."""
DRAWS_AT_ONCE = 2_000_000
"""Jobs of all replications of one compiled call: what bounds its memory."""


@dataclass(frozen=True)
class Run:
    """What one run left: the arrays of `engine`, cut to what was used."""

    rules: Rules
    inputs: Inputs
    jobs: Jobs
    book: Book
    trace: Trace
    instances: int
    failures: int
    rows: int
    ended_at: float

    def of(self, column: int) -> Floats:
        """A column of `engine`'s state for each instance, as `run.of(engine.PEAK)`."""
        return np.asarray(self.book.state.reshape(-1, engine.STATE)[: self.instances, column])

    def count_of(self, column: int) -> NDArray[np.int64]:
        """A column of `engine`'s counts for each instance."""
        return np.asarray(self.book.count.reshape(-1, engine.COUNT)[: self.instances, column])

    def peaks(self) -> Floats:
        """Peak bytes of each instance."""
        return self.of(engine.PEAK)


@dataclass(frozen=True)
class Replications:
    """One value for each replication: peak bytes of the fullest instance, failures, when full."""

    peak: Floats
    failed: NDArray[np.int64]
    full_at: Floats


@dataclass
class _Sizes:
    """How long the arrays are whose need is known only by running."""

    ends: int
    due: int
    swept: int
    trace: int
    instances: int

    def grow(self, short: int) -> None:
        names = {
            engine.SHORT_ENDS: "ends",
            engine.SHORT_DUE: "due",
            engine.SHORT_SWEPT: "swept",
            engine.SHORT_TRACE: "trace",
            engine.SHORT_INSTANCES: "instances",
        }
        setattr(self, names[short], 2 * getattr(self, names[short]))


class _Compiler:
    """The compiled engine, once this process has it."""

    def __init__(self) -> None:
        self.kernel: engine.Kernel | None = None
        self.loader: threading.Thread | None = None
        self.child: subprocess.Popen[bytes] | None = None

    def at_hand(self, patient: bool) -> engine.Kernel | None:
        """The compiled engine if it is here; a patient caller waits while it is read from disk."""
        loading = self.loader is not None and self.loader.is_alive()
        compiling = self.child is not None and self.child.poll() is None
        if self.kernel is None and not loading and not compiling:
            self.loader = threading.Thread(target=self._load, daemon=True)
            self.loader.start()
        if self.kernel is None and patient and self.loader is not None:
            self.loader.join()
        return self.kernel

    def now(self) -> engine.Kernel:
        """The compiled engine, whatever it costs."""
        if self.kernel is None:
            self.kernel = engine.compiled()
        return self.kernel

    def _load(self) -> None:
        if engine.is_cached():
            self._compile()
        elif not engine.can_cache():
            threading.Thread(target=self._compile, daemon=True).start()
        elif self.child is None:
            self.child = subprocess.Popen(  # of its own session: it outlives a short command
                [sys.executable, "-m", "batchguide.disk.play"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _compile(self) -> None:
        kernel = engine.compiled()
        warm(kernel)
        self.kernel = kernel


_COMPILER = _Compiler()
PATIENCE_JOBS = 20_000
"""A run of fewer jobs takes less time as it stands than reading the compiled engine from disk."""


def kernel_for(way: str, jobs: int = 0) -> engine.Kernel:
    """The engine to run with: "compiled" waits for the compiler, "auto" never does."""
    if way not in WAYS:
        raise UserError(f"engine is {way!r}: it must be one of {', '.join(WAYS)}")
    if way == "auto":
        way = os.environ.get("BATCHGUIDE_ENGINE", "auto")
    if way == "compiled":
        return _COMPILER.now()
    if way == "interpreted":
        return engine.interpreted()
    return _COMPILER.at_hand(patient=jobs > PATIENCE_JOBS) or engine.interpreted()


def warm(kernel: engine.Kernel) -> None:
    """Run the smallest run, once for each entry, so that it is compiled and cached."""
    rules, inputs = smallest()
    play(rules, inputs, kernel=kernel)
    replicate(rules, [inputs], kernel=kernel)


def play(
    rules: Rules, inputs: Inputs, *, mode: int = engine.NO_TRACE, kernel: engine.Kernel,
    columns: int = 0, column_s: float = 1.0,
) -> Run:  # fmt: skip
    """One run to its end, with as much written down as `mode` says."""
    sizes = _first_sizes(rules, inputs, mode)
    while True:
        jobs, book = _jobs(len(inputs.duration)), _book(rules, inputs, sizes)
        trace = _trace(inputs, rules, sizes, mode, columns, column_s)
        given = [_lists(each) for each in (inputs, jobs, book, trace)] if kernel.lists else None
        args = given or [inputs, jobs, book, trace]
        why, failures, rows, instances, ended_at = kernel.run(rules, *args, mode)
        if why == engine.DONE:
            if given:
                jobs, book, trace = (
                    _arrays(args[1], jobs),
                    _arrays(args[2], book),
                    _arrays(args[3], trace),
                )
            return Run(rules, inputs, jobs, book, trace, instances, failures, rows, ended_at)
        sizes.grow(why)


def replicate(rules: Rules, draws: list[Inputs], *, kernel: engine.Kernel) -> Replications:
    """Runs that differ in their draws alone, in one call of the engine for each of `draws`.

    Each of `draws` holds whole replications one after another: `duration`, `writes`, `image`,
    `jitter`, and `layer_bytes` and `layer_packed`, each as many times as there are replications.
    """
    peaks, failed, full = [], [], []
    for each in draws:
        runs = len(each.layer_bytes) // (len(each.first_holder) - 1)
        one = _first(each, runs)
        sizes = _first_sizes(rules, one, engine.NO_TRACE)
        while True:
            out = (np.zeros(runs), np.zeros(runs, np.int64), np.full(runs, INF))
            jobs, book = _jobs(len(one.duration)), _book(rules, one, sizes)
            trace = _trace(one, rules, sizes, engine.NO_TRACE, 0, 1.0)
            args = [each, jobs, book, trace]
            outs: Any = out
            if kernel.lists:
                args, outs = [_lists(a) for a in args], [list(a) for a in out]
            why = kernel.many(rules, *args, runs, *outs)
            if why == engine.DONE:
                break
            sizes.grow(why)
        peaks.append(np.asarray(outs[0], np.float64))
        failed.append(np.asarray(outs[1], np.int64))
        full.append(np.asarray(outs[2], np.float64))
    return Replications(np.concatenate(peaks), np.concatenate(failed), np.concatenate(full))


def smallest() -> tuple[Rules, Inputs]:
    """A run of one job, with every array of the types that all runs have."""
    rules = Rules(
        wait_s=1.0, jitter_s=0.0, interval_s=0.0, minimum_age_s=0.0, per_cycle=1, capacity=1e9,
        root_capacity=INF, at_boot=0.0, created=1.0, started=1.0, kept=1.0, first=0.0, log=0.0,
        kept_share=1.0, container_limit=INF, slots=1, instances=1, max_instances=1,
        on_demand=False, reacts=True, boot_s=0.0, decision_s=0.0, idle_s=INF, attempts=1,
        failing_s=1.0, pull_rate=1e6, unpack_rate=1e6, download_share=0.5, burst_rate=1e9,
        base_rate=1e9, base_iops=1e3, credit_ios=0.0, io_bytes=1e5, fresh_copies=False,
    )  # fmt: skip
    inputs = make_inputs([1.0], [1.0], [0], [0.0], [0.0], [1], [(0,)], [1.0], [1.0])
    return rules, inputs


def make_inputs(
    duration: Any, writes: Any, image: Any, jitter: Any, burst_at: Any, burst_jobs: Any,
    images: list[tuple[int, ...]], layer_bytes: Any, layer_packed: Any, copies: int = 1,
) -> Inputs:  # fmt: skip
    """Inputs with the array types that the compiled engine takes.

    `burst_jobs` are counts; `copies` of the layers stand one after another, one for each run.
    """
    first = np.cumsum([0, *(len(each) for each in images)])
    holders: list[list[int]] = [[] for _ in range(len(layer_bytes) // copies)]
    for number, each in enumerate(images):
        for layer in each:
            holders[layer].append(number)
    return Inputs(
        np.ascontiguousarray(duration, np.float64),
        np.ascontiguousarray(writes, np.float64),
        np.ascontiguousarray(image, np.int32),
        np.ascontiguousarray(jitter, np.float64),
        np.asarray(burst_at, np.float64),
        np.cumsum(np.asarray(burst_jobs, np.int64)),
        first.astype(np.int64),
        np.asarray([layer for each in images for layer in each], np.int64),
        np.cumsum([0, *(len(each) for each in holders)]).astype(np.int64),
        np.asarray([number for each in holders for number in each], np.int64),
        np.asarray(layer_bytes, np.float64),
        np.asarray(layer_packed, np.float64),
    )


def _first(draws: Inputs, runs: int) -> Inputs:
    """The inputs of the first of several replications."""
    jobs, layers = len(draws.duration) // runs, len(draws.layer_bytes) // runs
    return draws._replace(
        duration=draws.duration[:jobs],
        writes=draws.writes[:jobs],
        image=draws.image[:jobs],
        jitter=draws.jitter[:jobs],
        layer_bytes=draws.layer_bytes[:layers],
        layer_packed=draws.layer_packed[:layers],
    )


def _first_sizes(rules: Rules, inputs: Inputs, mode: int) -> _Sizes:
    jobs = len(inputs.duration)
    images, bursts = len(inputs.first_layer) - 1, len(inputs.burst_at)
    instances = max(rules.instances, 1)
    if rules.on_demand:
        per_burst = -(-jobs // rules.slots) + 1
        instances += min(rules.max_instances * min(bursts, 4), per_burst * 2)
    return _Sizes(
        ends=max(instances * rules.slots, 1),
        due=256 + 4 * images + bursts + 32 * instances,
        swept=jobs + rules.slots + 1,
        trace=3 * jobs + 64 * instances + 1_024 if mode == engine.FULL_TRACE else 1,
        instances=instances,
    )


def _jobs(count: int) -> Jobs:
    return Jobs(
        np.full(count, -1.0),
        np.full(count, -1.0),
        np.full(count, -1, np.int32),
        np.zeros(count, np.int8),
        np.zeros(count, np.int8),
        np.zeros(count, np.int8),
    )


def _book(rules: Rules, inputs: Inputs, sizes: _Sizes) -> Book:
    n, jobs = sizes.instances, len(inputs.duration)
    images, layers = len(inputs.first_layer) - 1, len(inputs.layer_bytes)
    jittered = sizes.swept if rules.jitter_s > 0 else 1
    state = np.zeros((n, engine.STATE))
    state[:, engine.CREDITS] = rules.credit_ios
    state[:, [engine.CHECK_AT, engine.GONE_AT]] = INF
    state[:, [engine.DOWN_AT, engine.UNPACK_AT, engine.IDLE_AT]] = -1.0
    arrays: dict[str, Any] = {
        "state": state.ravel(),
        "count": np.zeros(n * engine.COUNT, np.int64),
        "end_at": np.empty(sizes.ends),
        "end_job": np.empty(sizes.ends, np.int64),
        "due_at": np.empty(sizes.due),
        "due_code": np.empty(sizes.due, np.int64),
        "swept_at": np.empty(sizes.swept),
        "swept_job": np.empty(sizes.swept, np.int32),
        "swept_instance": np.empty(sizes.swept, np.int32),
        "swept_share": np.empty(sizes.swept),
        "sweep_at": np.empty(jittered),
        "sweep_row": np.empty(jittered, np.int64),
        "next_job": np.empty(jobs, np.int32),
        "again": np.empty(jobs if rules.attempts > 1 else 1, np.int32),
        "image_state": np.zeros(n * images, np.int64),
        "image_refs": np.zeros(n * images, np.int64),
        "image_at": np.zeros(n * images),
        "image_used": np.zeros(n * images),
        "image_missing": np.zeros(n * images, np.int64),
        "image_tries": np.zeros(n * images, np.int64),
        "line_head": np.full(n * (images + 1), -1, np.int64),
        "line_tail": np.full(n * (images + 1), -1, np.int64),
        "layer_state": np.zeros(n * layers, np.int64),
        "layer_refs": np.zeros(n * layers, np.int64),
        "layer_left": np.zeros(n * layers),
        "pipe": np.zeros(n * layers, np.int64),
        "fetching": np.full(n * 3, -1, np.int64),
    }
    return Book(**arrays)


def _trace(
    inputs: Inputs, rules: Rules, sizes: _Sizes, mode: int, columns: int, column_s: float
) -> Trace:
    failures = min(len(inputs.duration) * rules.attempts, MAX_FAILURES)
    shots = sizes.instances * columns * 2 * engine.SNAPSHOT if mode == engine.ENVELOPE else 1
    return Trace(
        np.empty(failures),
        np.empty(failures, np.int32),
        np.empty(failures, np.int32),
        np.empty(failures, np.int8),
        np.empty(sizes.trace),
        np.empty(sizes.trace, np.int32),
        np.empty(sizes.trace),
        np.empty(sizes.trace),
        float(column_s),
        int(columns),
        np.full(shots, -1.0),
        np.zeros(7),
    )


def _lists(held: Any) -> Any:
    """The same tuple with lists for arrays: what plain Python reads and writes fastest."""
    return type(held)(*(each.tolist() if isinstance(each, np.ndarray) else each for each in held))


def _arrays(held: Any, like: Any) -> Any:
    pairs = zip(held, like, strict=True)
    return type(held)(
        *(np.asarray(a, b.dtype) if isinstance(b, np.ndarray) else a for a, b in pairs)
    )


if __name__ == "__main__":  # the child that compiles
    engine.compile_into_cache(warm)
