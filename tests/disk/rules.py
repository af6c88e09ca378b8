"""Random runs for the engine and its oracle: rules and inputs as the engine takes them."""

import numpy as np
from hypothesis import strategies as st

from batchguide.disk.engine import INF
from batchguide.disk.play import make_inputs, smallest

MIB = 1024.0**2
GIB = 1024.0**3


def make_rules(**changes):
    """A run that can be read: one instance of four slots, 1 GiB, nothing hidden."""
    plain, _ = smallest()
    return plain._replace(
        wait_s=300.0,
        capacity=GIB,
        slots=4,
        pull_rate=100 * MIB,
        unpack_rate=50 * MIB,
        burst_rate=1e12,
        base_rate=1e12,
    )._replace(**changes)


def make_run_inputs(
    jobs=4, duration=100.0, writes=10 * MIB, images=((0,),), sizes=(0.0,), packed=(0.0,), **more
):
    """Jobs that are all alike, in one burst unless told otherwise."""
    bursts = more.pop("bursts", [(0.0, jobs)])
    image = more.pop("image", [0] * jobs)
    return make_inputs(
        np.broadcast_to(np.asarray(duration, float), (jobs,)).copy(),
        np.broadcast_to(np.asarray(writes, float), (jobs,)).copy(),
        image,
        more.pop("jitter", [0.0] * jobs),
        [at for at, _ in bursts],
        [count for _, count in bursts],
        [tuple(each) for each in images],
        sizes,
        packed,
    )


@st.composite
def runs(draw):
    """Small runs in which everything happens: pulls, failures, cycles, scaling, retries."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = draw(st.lists(st.integers(1, 25), min_size=1, max_size=4))
    jobs = sum(counts)
    images, layers = _images(rng, draw(st.integers(1, 4)))
    split = draw(st.integers(0, 5)) == 0
    on_demand = draw(st.booleans())
    rules = make_rules(
        wait_s=float(rng.choice([1.0, 60.0, 400.0, 3_000.0]) * rng.uniform(0.9, 1.1)),
        jitter_s=float(draw(st.sampled_from([0.0, 0.0, 200.0]))),
        interval_s=float(rng.choice([0.0, 97.0, 601.0, 1_800.0])),
        minimum_age_s=float(rng.choice([0.0, 300.0, 1_000.0])),
        per_cycle=int(rng.integers(1, 4)),
        capacity=float(rng.choice([0.7, 1.5, 3.0, 10.0]) * GIB * rng.uniform(0.8, 1.2)),
        root_capacity=float(GIB * rng.uniform(0.2, 1.0)) if split else INF,
        at_boot=float(0.1 * GIB * rng.uniform(0, 1)),
        created=70_000.0,
        started=96_000.0,
        kept=77_000.0,
        first=102_000.0,
        log=float(rng.choice([0.0, 1.0, 30.0]) * MIB),
        kept_share=float(rng.choice([1.0, 1.0, 0.25])),
        container_limit=float(rng.choice([INF, INF, 120 * MIB])),
        slots=int(rng.integers(1, 7)),
        instances=int(rng.integers(0 if on_demand else 1, 4)),
        max_instances=int(rng.integers(3, 6)),
        on_demand=on_demand,
        reacts=bool(rng.integers(0, 2)),
        boot_s=float(rng.uniform(30, 300)),
        decision_s=float(rng.uniform(1, 60)),
        idle_s=float(rng.uniform(30, 600)),
        attempts=int(rng.choice([1, 1, 3])),
        failing_s=float(rng.uniform(0.5, 3.0)),
        pull_rate=float(rng.uniform(10, 200) * MIB),
        unpack_rate=float(rng.uniform(10, 100) * MIB),
        download_share=float(rng.uniform(0.2, 0.6)),
        burst_rate=float(rng.uniform(30, 300) * MIB),
        base_rate=float(rng.uniform(1, 30) * MIB),
        base_iops=float(rng.uniform(10, 300)),
        credit_ios=float(rng.choice([0.0, 2_000.0, 50_000.0])),
        io_bytes=0.25 * MIB,
        fresh_copies=draw(st.integers(0, 7)) == 0,
    )
    inputs = make_run_inputs(
        jobs=jobs,
        duration=rng.lognormal(5.0, 0.7, jobs),
        writes=rng.lognormal(3.0, 1.5, jobs) * MIB * rng.integers(0, 2, jobs)
        if draw(st.booleans())
        else rng.lognormal(3.5, 1.0, jobs) * MIB,
        images=images,
        sizes=layers * GIB,
        packed=layers * GIB * rng.uniform(0.2, 0.9, len(layers)),
        image=rng.integers(0, len(images), jobs),
        jitter=rng.random(jobs),
        bursts=list(zip(np.cumsum(rng.uniform(0, 500, len(counts))), counts, strict=True)),
    )
    return rules, inputs


def _images(rng, count):
    """Images with a common base and layers of their own, some without any."""
    base = list(range(int(rng.integers(1, 4))))
    known = len(base)
    images = []
    for _ in range(count):
        own = int(rng.integers(0, 4))
        images.append([*base[: rng.integers(1, len(base) + 1)], *range(known, known + own)])
        known += own
    sizes = rng.uniform(0.01, 0.3, known)
    if known > 2:
        sizes[int(rng.integers(0, known))] = 0.0
    return images, sizes
