"""How fast the engine is, as ratios to a natural SimPy model of the same rules in the same process.

    make bench                      up to 100,000 jobs beside the peer, into the README; minutes
    python tests/bench/bench_engine.py --full       a million as well; a quarter of an hour
    python tests/bench/bench_engine.py --quick      up to 10,000 jobs, a minute

CPU time, medians of at least five, same inputs; the answers are compared before anything is timed.
The peer is `tests/disk/oracle.py`, with Python's garbage collection as it comes and (at 100,000
jobs) without, so that no ratio comes from what collecting costs it. Both write a full trace.
"""

import argparse
import gc
import math
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "disk"))

from oracle import Batch

from batchguide.disk import draws, engine, play
from batchguide.disk.engine import FULL_TRACE, NO_TRACE
from batchguide.disk.scenario import Scenario
from readme_blocks import write_block

RUNS = 5
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def scenario(jobs: int, images: int = 8) -> Scenario:
    """20 instances of 16 slots, 1,000 jobs every half hour, 8 images with a common base."""
    bursts = [
        {"at_s": 1_800.0 * k, "jobs": min(1_000, jobs - 1_000 * k)}
        for k in range(-(-jobs // 1_000))
    ]
    return Scenario.from_dict(
        {
            "job": {
                "memory_mib": 2_048,
                "duration_s": {"median": 240, "p95": 600},
                "writes_mib": {"median": 100, "p95": 400},
            },
            "image": {"size_gib": 1.6, "distinct": images, "shared_layers": 3},
            "instance": {"vcpus": 16, "memory_mib": 65_536},
            "volume": {"type": "gp2", "size_gib": 150},
            "agent": {"profile": "ecs-default"},
            "fleet": {"instances": 20},
            "bursts": bursts,
        }
    )


def numbers(jobs: int, images: int = 8):
    """The scenario as the engine takes it."""
    given = scenario(jobs, images)
    on = draws.ground(given)
    return draws.rules_of(given, on), draws.inputs_of(given, on)


def cpu_s(work, runs: int = RUNS) -> float:
    """Median CPU seconds of a piece of work; garbage of the last one is collected before."""
    times = []
    for _ in range(runs):
        gc.collect()
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return statistics.median(times)


def without_gc(work) -> None:
    gc.disable()
    try:
        work()
    finally:
        gc.enable()


def compare(rules, inputs, kernel) -> int:
    """The same answer from both: every job's instance and times, every instance's peak."""
    run = play.play(rules, inputs, mode=FULL_TRACE, kernel=kernel)
    other = Batch(rules, inputs).run()
    assert run.jobs.instance.tolist() == other.place
    assert np.allclose(run.jobs.start, other.start, rtol=1e-9, atol=1e-3)
    assert np.allclose(run.jobs.end, other.end, rtol=1e-9, atol=1e-3)
    assert run.failures == len(other.failures)
    assert np.allclose(run.peaks(), [each.peak for each in other.instances], rtol=1e-6)
    return len(other.trace)


def memory_a_job(rules, inputs, kernel) -> float:
    """Bytes a job of the engine's own arrays: all that is neither input nor output."""
    run = play.play(rules, inputs, mode=NO_TRACE, kernel=kernel)
    own = sum(each.nbytes for each in run.book if isinstance(each, np.ndarray))
    return own / len(inputs.duration)


def peer_lines(sizes: tuple[int, ...], kernel) -> tuple[list[str], dict[int, float]]:
    """A line for each size, and the engine's seconds."""
    lines, seconds = [], {}
    for jobs in sizes:
        rules, inputs = numbers(jobs)
        compare(rules, inputs, kernel)
        repeat = max(100_000 // jobs, 1)

        def ours(rules=rules, inputs=inputs, repeat=repeat):
            for _ in range(repeat):
                play.play(rules, inputs, mode=FULL_TRACE, kernel=kernel)

        seconds[jobs] = cpu_s(ours) / repeat
        peer_s = cpu_s(lambda rules=rules, inputs=inputs: Batch(rules, inputs).run())
        line = f"| {jobs:,} | {peer_s * 1e3:,.1f} ms | {seconds[jobs] * 1e3:,.2f} ms |"
        line += f" {peer_s / seconds[jobs]:,.0f}× | {seconds[jobs] / jobs * 1e9:,.0f} ns |"
        gc_off = ""
        if jobs == 100_000 or jobs == max(sizes) < 100_000:
            off_s = cpu_s(lambda rules=rules, inputs=inputs: without_gc(Batch(rules, inputs).run))
            gc_off = f"{off_s / seconds[jobs]:,.0f}×"
        lines.append(f"{line} {gc_off} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines, seconds


def alone_s(jobs: int, kernel) -> float:
    """The engine without the peer, which would take minutes."""
    rules, inputs = numbers(jobs)
    return cpu_s(lambda: play.play(rules, inputs, mode=FULL_TRACE, kernel=kernel))


def replications_line(kernel) -> str:
    """1,000 runs of 1,000 jobs against one run of 1,000,000: no trace, and one image in both.

    Each of the thousand pulls its image again, which the one run does once.
    """
    rules, inputs = numbers(1_000_000, images=1)
    one_s = cpu_s(lambda: play.play(rules, inputs, kernel=kernel))
    small = scenario(1_000, images=1)
    on = draws.ground(small)
    rules = draws.rules_of(small, on)
    given = [draws.draws_of(small, on, first=0, runs=1_000)]
    many_s = cpu_s(lambda: play.replicate(rules, given, kernel=kernel))
    return (
        f"1,000 replications of 1,000 jobs: {many_s * 1e3:,.0f} ms,"
        f" {many_s / one_s:.2f}× the time of one run of 1,000,000 jobs ({one_s * 1e3:,.0f} ms)."
    )


def interpreted_line(jobs: int) -> str:
    """The engine as it stands, without a compiler."""
    rules, inputs = numbers(jobs)
    plain = engine.interpreted()
    ours = cpu_s(lambda: play.play(rules, inputs, mode=FULL_TRACE, kernel=plain))
    peer = cpu_s(lambda: Batch(rules, inputs).run())
    return f"Without a compiler, {jobs:,} jobs: {ours * 1e3:,.0f} ms, {peer / ours:.1f}× SimPy."


def exponent(seconds: dict[int, float]) -> float:
    """The slope of log time over log jobs from 10,000 jobs up."""
    sizes = [jobs for jobs in seconds if jobs >= 10_000]
    if len(sizes) < 2:
        return math.nan
    logs = np.log([[jobs, seconds[jobs]] for jobs in sizes])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="up to 10,000 jobs")
    parser.add_argument("--full", action="store_true", help="up to 1,000,000 jobs")
    options = parser.parse_args()
    quick = options.quick
    kernel = play.kernel_for("compiled")
    play.warm(kernel)
    sizes = SIZES[:2] if quick else SIZES if options.full else SIZES[:3]
    lines, seconds = peer_lines(sizes, kernel)
    table = [
        f"Python {platform.python_version()}, {platform.machine()}; CPU time, medians of {RUNS}.",
        "",
        "| jobs | SimPy | engine | ratio | a job | ratio, gc off |",
        "|---:|---:|---:|---:|---:|---:|",
        *lines,
        "",
    ]
    own = memory_a_job(*numbers(max(sizes)), kernel)
    table.append(f"Memory beyond inputs and outputs: {own:,.0f} bytes a job at {max(sizes):,}.")
    if not quick:
        if SIZES[-1] not in seconds:
            seconds[SIZES[-1]] = alone_s(SIZES[-1], kernel)
        table.append(f"A job among {SIZES[-1]:,}: {seconds[SIZES[-1]] / SIZES[-1] * 1e9:,.0f} ns.")
        table.append(f"Time grows with jobs to the power of {exponent(seconds):.2f} from 10,000.")
        table.append(replications_line(kernel))
    table.append(interpreted_line(10_000))
    print("\n".join(table))
    if not quick:
        write_block("bench", "\n".join(table))
    most_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"The process, peer included, took at most {most_mib:,.0f} MiB.", file=sys.stderr)


if __name__ == "__main__":
    main()
