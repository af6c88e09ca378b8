"""The event loop of the forecast: one source, run compiled by numba or as it stands.

`_run` plays one run to its end: bursts arrive, jobs are placed first come first served on slots,
images are pulled, containers write, stop, are kept and swept, images are cleaned, volumes fill.
The rules are those of `agent.py`, `pull.py`, `docker.py` and `volume.py`, restated as scalars;
tests hold both to the same answers, and to an independent SimPy model event for event.

It is written for the compiler: flat one-dimensional arrays handed in by the caller, no Python
objects, no allocation, no helper that takes part in the state (measured: helpers with arrays cost
three times the run). What it needs to be read by:

* Bytes and seconds everywhere. An instance `i` has its level (`level[i]`, all bytes of the data
  volume) and its parts: `at_boot`, `stored` (image layers), `flight` (pulls), `running`,
  `stopped`, `logs`, `other`. Invariant, tested: the level is the sum of its parts.
* Between events each part grows linearly; `moved_at[i]` is the instant its numbers are true for.
  Every event first brings the instance to now, then changes it.
* `slots_free[i]` is 0 while an instance is coming or gone. While jobs wait, no slot is free.
* Two heaps hold what is to come: `end_at/end_job` (a slot comes free) and `due_at/due_code` (rare
  things: a volume may be full, a layer is down, a cycle, a boot ...). Ties go by number, so that a
  run depends on nothing but its inputs. A due thing that is out of date is recognised by its time
  (`check_at`, `down_at`, `unpack_at`, `idle_at`) and ignored.
* `swept_*` holds every attempt in the order of stopping. With no jitter its head is the next
  sweep; with jitter a third heap (`sweep_at/sweep_row`) orders it. Rows are never reused, so none
  can be overwritten.
* An image on an instance (`i * images + m`) is absent, pulling, backing off or present; a layer
  (`i * layers + l`) is absent, coming, unpacked or stored. A layer's identity is its chain: the
  caller numbers layers so that equal numbers mean equal chains.
* No array grows. If one is too short the run stops and says which (`SHORT_*`); the caller makes it
  larger and runs again, to the same answer.
"""

import hashlib
import math
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

INF = math.inf
PLAIN = 0x7FFFFFFF
"""Indices pass through it: so the compiler knows that none is negative, and tests none."""

# what became of a job's last attempt
WAITING, PULLING, RUNNING, FROZEN, ENDING, SUCCEEDED, FAILED = 0, 1, 2, 3, 4, 5, 6
# the step in which an attempt failed
DOWNLOAD, REGISTER, CREATE, START, WRITE, LIMIT, COPY = 1, 2, 3, 4, 5, 6, 7
# images and layers on an instance
ABSENT, COMING, BACKING_OFF, PRESENT = 0, 1, 2, 3
UNPACKED = 2
# rare things that are due; the order decides ties
CHECK, DOWN, UNPACK, ARRIVED, RETRY, PUMP, TICK, CYCLE, BOOT, DECIDE, IDLE = range(11)
# why a run stopped
DONE, SHORT_ENDS, SHORT_DUE, SHORT_SWEPT, SHORT_TRACE, SHORT_INSTANCES = 0, 1, 2, 3, 4, 5
# what is written down on the way
NO_TRACE, FULL_TRACE, ENVELOPE = 0, 1, 2
SNAPSHOT = 11
"""Numbers a snapshot has: time, level, the seven parts, containers running and retained."""
# the columns of an instance's row in `state`: bytes, bytes a second, instants
(
    LEVEL,
    ROOT,
    STORED,
    FLIGHT,
    BY_RUNNING,
    BY_STOPPED,
    LOGS,
    OTHER,
    WRITE_RATE,
    LOG_RATE,
    DOWN_RATE,
    UNPACK_RATE,
    MOVED_AT,
    PEAK,
    PEAK_AT,
    CREDITS,
    SATURATED_S,
    CHECK_AT,
    DOWN_AT,
    DOWN_SINCE,
    UNPACK_AT,
    IDLE_AT,
    BOOTED_AT,
    GONE_AT,
    FRESH_FREE,
) = range(25)
STATE = 32
# and in `count`
(
    FREE,
    CONTAINERS,
    RETAINED,
    CONTAINERS_PEAK,
    SERVED,
    PULLS,
    IMAGES,
    PENDING,
    TICKING,
    PIPE_SIZE,
    PIPE_DOWN,
    PIPE_UNPACK,
) = range(12)
COUNT = 16
PULL_ATTEMPTS = 5
"""`maximumPullRetries` of the agent, in all."""


class Rules(NamedTuple):
    """Scalars of a run. Bytes, seconds; `interval_s` 0 means that images are never cleaned."""

    wait_s: float
    jitter_s: float
    interval_s: float
    minimum_age_s: float
    per_cycle: int
    capacity: float
    root_capacity: float  # INF where Docker's data and the root are one volume
    at_boot: float
    created: float  # bytes of a container that was created
    started: float  # of one that runs
    kept: float  # of one that stopped
    first: float  # left for good by an instance's first container
    log: float
    kept_share: float  # of what a job wrote, after it ended well
    container_limit: float
    slots: int
    instances: int
    max_instances: int
    on_demand: bool
    reacts: bool
    boot_s: float
    decision_s: float
    idle_s: float
    attempts: int
    failing_s: float  # a slot whose container could not be made is free after this
    pull_rate: float
    unpack_rate: float
    download_share: float  # of the volume's free rate, while both download and unpacking want it
    burst_rate: float
    base_rate: float
    base_iops: float
    credit_ios: float  # 0: the volume has no bucket
    io_bytes: float
    fresh_copies: bool


class Inputs(NamedTuple):
    """Arrays of a run: jobs in order of submission, bursts, images as lists of layers."""

    duration: Any
    writes: Any
    image: Any
    jitter: Any  # share of jitter_s, one for each job
    burst_at: Any
    burst_jobs: Any  # submitted so far, this burst included
    first_layer: Any  # image m has layer_of[first_layer[m] : first_layer[m + 1]]
    layer_of: Any
    first_holder: Any  # layer l is held by images holder_of[first_holder[l] : ...]
    holder_of: Any
    layer_bytes: Any
    layer_packed: Any


class Jobs(NamedTuple):
    """What comes out for each job: its last attempt's times, instance, fate and failing step."""

    start: Any
    end: Any
    instance: Any
    fate: Any
    step: Any
    tries: Any


class Book(NamedTuple):
    """Working arrays, and what comes out for each instance."""

    end_at: Any
    end_job: Any
    due_at: Any
    due_code: Any
    swept_at: Any
    swept_job: Any
    swept_instance: Any
    swept_share: Any  # of its life; see SWEPT
    sweep_at: Any
    sweep_row: Any
    next_job: Any  # links jobs that wait for the same pull
    again: Any  # jobs to be tried again, first in first out
    state: Any  # a row of STATE numbers for each instance
    count: Any  # a row of COUNT whole numbers for each instance
    image_state: Any
    image_refs: Any
    image_at: Any
    image_used: Any
    image_missing: Any
    image_tries: Any
    line_head: Any
    line_tail: Any
    layer_state: Any
    layer_refs: Any
    layer_left: Any  # of the blob, still to fetch
    pipe: Any
    fetching: Any  # up to three layers of an instance, -1 where none


class Trace(NamedTuple):
    """What is written down: failures; every event (FULL_TRACE); or extremes for each column."""

    failed_at: Any
    failed_job: Any
    failed_instance: Any
    failed_step: Any
    at: Any
    instance: Any
    level: Any
    rate: Any
    column_s: float
    columns: int
    snapshots: Any  # (instance, column, lowest or highest, SNAPSHOT)
    parts: Any  # the parts of the volume as it stood at the first failure


def _rise(at: Any, key: Any, size: int, when: float, what: int) -> None:
    """Put (when, what) into a heap that had `size` entries."""
    k = size
    while k > 0:
        up = ((k - 1) >> 1) & PLAIN
        if at[up] < when or (at[up] == when and key[up] <= what):
            break
        at[k] = at[up]
        key[k] = key[up]
        k = up
    at[k] = when
    key[k] = what


def _sink(at: Any, key: Any, size: int, when: float, what: int) -> None:
    """Put (when, what) in the place of the first entry of a heap of `size`."""
    k = 0
    c = 1
    while c + 1 < size:  # the place moves down to a leaf along the earlier children ...
        if at[c + 1] == at[c]:
            if key[c + 1] < key[c]:
                c += 1
        else:
            c += int(at[c + 1] < at[c])
        at[k] = at[c]
        key[k] = key[c]
        k = c
        c = (2 * k + 1) & PLAIN
    if c < size:
        at[k] = at[c]
        key[k] = key[c]
        k = c
    while k > 0:  # ... and up again: what is put in is mostly late
        up = ((k - 1) >> 1) & PLAIN
        if at[up] < when or (at[up] == when and key[up] <= what):
            break
        at[k] = at[up]
        key[k] = key[up]
        k = up
    at[k] = when
    key[k] = what


def _extremes(
    snapshots: Any,
    column_s: float,
    columns: int,
    i: int,
    now: float,
    state: Any,
    count: Any,
    at_boot: float,
    split: bool,
) -> None:
    """Keep the lowest and highest moment of each column since the instance was last brought to now.

    The level is linear in between, so that its extremes are at the ends and at column borders,
    which belong to both columns.
    """
    b = i * STATE
    g = i * COUNT
    moved_at = state[b + MOVED_AT]
    pull_rate = state[b + DOWN_RATE] + state[b + UNPACK_RATE]
    level_rate = state[b + WRITE_RATE] + state[b + UNPACK_RATE]
    if not split:
        level_rate += state[b + LOG_RATE] + state[b + DOWN_RATE]
    first = min(int(moved_at / column_s), columns - 1)
    last = min(int(now / column_s), columns - 1)
    steps = 2 * (last - first)
    for step in range(steps + 1):
        column = first + (step + 1) // 2
        at = now if step == steps else (first + step // 2 + 1) * column_s
        past = at - moved_at
        height = state[b + LEVEL] + level_rate * past
        for side in range(2):
            k = ((i * columns + column) * 2 + side) * SNAPSHOT
            known = snapshots[k + 1]
            if snapshots[k] >= 0 and (height >= known if side == 0 else height <= known):
                continue
            snapshots[k] = at
            snapshots[k + 1] = height
            snapshots[k + 2] = at_boot
            snapshots[k + 3] = state[b + STORED]
            snapshots[k + 4] = state[b + FLIGHT] + pull_rate * past
            snapshots[k + 5] = state[b + BY_RUNNING] + state[b + WRITE_RATE] * past
            snapshots[k + 6] = state[b + BY_STOPPED]
            snapshots[k + 7] = state[b + LOGS] + state[b + LOG_RATE] * past
            snapshots[k + 8] = state[b + OTHER]
            snapshots[k + 9] = count[g + CONTAINERS]
            snapshots[k + 10] = count[g + RETAINED]


def _run(rules: Rules, inputs: Inputs, jobs: Jobs, book: Book, trace: Trace, mode: int) -> Any:
    """Play one run. Returns (why it stopped, failures, trace rows, instances, last instant)."""
    # Names of their own: attribute look-ups are slow when this runs as it stands.
    wait_s, jitter_s, interval_s = rules.wait_s, rules.jitter_s, rules.interval_s
    capacity, root_capacity, at_boot = rules.capacity, rules.root_capacity, rules.at_boot
    created, started, kept, log = rules.created, rules.started, rules.kept, rules.log
    kept_share, container_limit = rules.kept_share, rules.container_limit
    slots, on_demand, attempts = rules.slots, rules.on_demand, rules.attempts
    failing_s, fresh_copies = rules.failing_s, rules.fresh_copies
    burst_rate, base_rate, base_iops = rules.burst_rate, rules.base_rate, rules.base_iops
    credit_ios, ios_a_byte = rules.credit_ios, 1.0 / rules.io_bytes
    duration, writes, image_of = inputs.duration, inputs.writes, inputs.image
    jitter, burst_at, burst_jobs = inputs.jitter, inputs.burst_at, inputs.burst_jobs
    first_layer, layer_of = inputs.first_layer, inputs.layer_of
    first_holder, holder_of = inputs.first_holder, inputs.holder_of
    layer_bytes, layer_packed = inputs.layer_bytes, inputs.layer_packed
    start, end, place = jobs.start, jobs.end, jobs.instance
    fate, step_of, tries = jobs.fate, jobs.step, jobs.tries
    end_at, end_job, due_at, due_code = book.end_at, book.end_job, book.due_at, book.due_code
    swept_at, swept_job = book.swept_at, book.swept_job
    swept_instance, swept_share = book.swept_instance, book.swept_share
    sweep_at, sweep_row = book.sweep_at, book.sweep_row
    next_job, again = book.next_job, book.again
    state, count = book.state, book.count
    image_state, image_refs = book.image_state, book.image_refs
    image_at, image_used = book.image_at, book.image_used
    image_missing, image_tries = book.image_missing, book.image_tries
    line_head, line_tail = book.line_head, book.line_tail
    layer_state, layer_refs, layer_left = book.layer_state, book.layer_refs, book.layer_left
    pipe, fetching = book.pipe, book.fetching
    failed_at, failed_job = trace.failed_at, trace.failed_job
    failed_instance, failed_step = trace.failed_instance, trace.failed_step
    trace_at, trace_instance = trace.at, trace.instance
    trace_level, trace_rate = trace.level, trace.rate
    column_s, columns, snapshots = trace.column_s, trace.columns, trace.snapshots
    parts = trace.parts

    most_instances = len(state) // STATE
    images = len(first_layer) - 1
    layers = len(layer_bytes)
    width = images + 1  # an instance's last line waits for its image cycle
    bursts = len(burst_at)
    split = root_capacity < INF
    most_ends = len(end_at)
    most_due = len(due_at) - images - 8
    most_swept = len(swept_at) - slots
    most_trace = len(trace_at) - 2
    most_failed = len(failed_at)
    most_again = len(again)

    now = 0.0
    ends = 0
    dues = 0
    rows = 0  # attempts that stopped, in swept_*
    row = 0  # the next to be swept, without jitter
    sweeps = 0  # the heap of sweeps, with jitter
    burst = 0
    arrived = 0
    head = 0  # the next job that was never placed
    again_head = 0
    again_tail = 0
    ready = -1  # jobs whose pull is done, linked by next_job
    ready_tail = -1
    free = 0
    hint = 0  # no instance below has a free slot
    alive = 0
    coming = 0
    known = 0  # instances that exist, come or went
    failures = 0
    traced = 0
    this_row = 0
    ended_at = 0.0  # of the last event that changed anything

    for i in range(rules.instances):
        b = i * STATE
        g = i * COUNT
        state[b + BOOTED_AT] = 0.0
        state[b + LEVEL] = 0.0 if split else at_boot
        state[b + ROOT] = at_boot if split else 0.0
        state[b + PEAK] = state[b + LEVEL]
        count[g + FREE] = slots
        known += 1
        alive += 1
        free += slots

    while True:
        # --- the next event: rare things, then sweeps, then ends, then bursts, when at once -----
        kind = -1
        at = INF
        if dues > 0:
            at = due_at[0]
            kind = 0
        if jitter_s > 0:
            if sweeps > 0 and (kind < 0 or sweep_at[0] < at):
                at = sweep_at[0]
                kind = 1
        elif row < rows and (kind < 0 or swept_at[row] < at):
            at = swept_at[row]
            kind = 1
        if ends > 0 and (kind < 0 or end_at[0] < at):
            at = end_at[0]
            kind = 2
        if burst < bursts and (kind < 0 or burst_at[burst] < at):
            at = burst_at[burst]
            kind = 3
        if kind < 0:
            break
        now = at
        if dues >= most_due:
            return SHORT_DUE, failures, traced, known, now
        if rows >= most_swept:
            return SHORT_SWEPT, failures, traced, known, now
        if traced >= most_trace and mode == FULL_TRACE:
            return SHORT_TRACE, failures, traced, known, now

        i = -1
        due = -1
        m = 0
        job = -1
        hole = False
        if kind == 0:
            code = due_code[0]
            dues -= 1
            if dues > 0:
                _sink(due_at, due_code, dues, due_at[dues], due_code[dues])
            due = code >> 40
            i = (code >> 16) & 0xFFFFFF
            m = code & 0xFFFF
            if due == DECIDE:
                i = -1
        elif kind == 1:
            if jitter_s > 0:
                this_row = sweep_row[0]
                sweeps -= 1
                if sweeps > 0:
                    _sink(sweep_at, sweep_row, sweeps, sweep_at[sweeps], sweep_row[sweeps])
            else:
                this_row = row
                row = (row + 1) & PLAIN
            job = swept_job[this_row] & PLAIN
            i = swept_instance[this_row] & PLAIN
        elif kind == 2:
            job = end_job[0] & PLAIN
            i = place[job] & PLAIN
            hole = True  # the heap's first place: filled by the next end, or closed below
        else:
            arrived = burst_jobs[burst]
            burst += 1
            if on_demand:
                _rise(due_at, due_code, dues, now + rules.decision_s, DECIDE << 40)
                dues += 1

        # --- bring the instance to now ---------------------------------------------------------
        b = i * STATE
        g = i * COUNT
        if i >= 0:
            if state[b + GONE_AT] < INF:
                continue
            past = now - state[b + MOVED_AT]
            if past > 0.0 and due != BOOT:
                rate = (
                    state[b + WRITE_RATE]
                    + state[b + LOG_RATE]
                    + state[b + DOWN_RATE]
                    + state[b + UNPACK_RATE]
                )
                if mode == ENVELOPE:
                    _extremes(snapshots, column_s, columns, i, now, state, count, at_boot, split)
                state[b + BY_RUNNING] += state[b + WRITE_RATE] * past
                state[b + LOGS] += state[b + LOG_RATE] * past
                state[b + FLIGHT] += (state[b + DOWN_RATE] + state[b + UNPACK_RATE]) * past
                if split:
                    state[b + LEVEL] += (state[b + WRITE_RATE] + state[b + UNPACK_RATE]) * past
                    state[b + ROOT] += (state[b + LOG_RATE] + state[b + DOWN_RATE]) * past
                else:
                    state[b + LEVEL] += rate * past
                if state[b + LEVEL] > state[b + PEAK]:
                    state[b + PEAK] = state[b + LEVEL]
                    state[b + PEAK_AT] = now
                if rate >= base_rate and (
                    credit_ios == 0 or state[b + CREDITS] <= 0 or rate >= burst_rate
                ):
                    state[b + SATURATED_S] += past
                if credit_ios > 0:
                    had = state[b + CREDITS] + (base_iops - rate * ios_a_byte) * past
                    state[b + CREDITS] = (
                        0.0 if had < 0 else (credit_ios if had > credit_ios else had)
                    )
                state[b + MOVED_AT] = now

        # --- what happens ----------------------------------------------------------------------
        pump = False
        full = False
        data_full = False
        if kind == 2:
            if fate[job] == ENDING:  # its container could not be made, or its pull failed
                fate[job] = FAILED
            else:
                share = 1.0
                write = writes[job]
                rate = 1.0 / duration[job]
                if write > container_limit:
                    share = container_limit / write
                    step_of[job] = LIMIT
                    if failures < most_failed:
                        failed_at[failures] = now
                        failed_job[failures] = job
                        failed_instance[failures] = i
                        failed_step[failures] = LIMIT
                    failures += 1
                wrote = share * write
                left = kept_share * write if share == 1.0 else wrote
                state[b + BY_RUNNING] -= wrote
                state[b + BY_STOPPED] += left
                state[b + OTHER] += kept - started
                gain = left - wrote + kept - started
                state[b + WRITE_RATE] -= write * rate
                swept_share[rows] = share
                if fate[job] == RUNNING:
                    state[b + LOG_RATE] -= log * rate
                elif share == 1.0:
                    swept_share[rows] = 2.0 + end[job]
                else:  # its log stood still: count it as if it had not, it is small
                    excess = (share - end[job]) * log
                    state[b + LOGS] += excess
                    if split:
                        state[b + ROOT] += excess
                    else:
                        gain += excess
                fate[job] = SUCCEEDED if share == 1.0 else FAILED
                count[g + CONTAINERS] -= 1
                count[g + RETAINED] += 1
                if count[g + CONTAINERS] == 0:  # so that rounding does not pile up
                    gain -= state[b + BY_RUNNING]
                    state[b + BY_RUNNING] = 0.0
                    state[b + WRITE_RATE] = 0.0
                    state[b + LOG_RATE] = 0.0
                state[b + LEVEL] += gain
                end[job] = now
                swept_job[rows] = job
                swept_instance[rows] = i
                swept_at[rows] = now + wait_s
                if jitter_s > 0:
                    swept_at[rows] = now + wait_s + jitter[job] * jitter_s
                    _rise(sweep_at, sweep_row, sweeps, swept_at[rows], rows)
                    sweeps += 1
                rows = (rows + 1) & PLAIN
            count[g + FREE] += 1
            free += 1
            if i < hint:
                hint = i
            if fate[job] == FAILED and tries[job] < attempts:
                fate[job] = WAITING
                again[again_tail % most_again] = job
                again_tail += 1
            if on_demand and count[g + FREE] == slots:
                state[b + IDLE_AT] = now + rules.idle_s
                _rise(due_at, due_code, dues, state[b + IDLE_AT], (IDLE << 40) | (i << 16))
                dues += 1

        elif kind == 1:
            share = swept_share[this_row]
            if share >= 0.0:
                write = writes[job]
                if share >= 1.0:
                    left = kept_share * write
                    if share >= 2.0:
                        share -= 2.0
                else:
                    left = share * write
                state[b + BY_STOPPED] -= left
                state[b + LOGS] -= share * log
                state[b + OTHER] -= kept
                count[g + RETAINED] -= 1
                if split:
                    state[b + LEVEL] -= left + kept
                    state[b + ROOT] -= share * log
                else:
                    state[b + LEVEL] -= left + kept + share * log
            elif share == -1.0:
                state[b + OTHER] -= created
                state[b + LEVEL] -= created
                count[g + RETAINED] -= 1
            if count[g + RETAINED] == 0:
                state[b + LEVEL] -= state[b + BY_STOPPED]
                state[b + BY_STOPPED] = 0.0
                if count[g + CONTAINERS] == 0:
                    if split:
                        state[b + ROOT] -= state[b + LOGS]
                    else:
                        state[b + LEVEL] -= state[b + LOGS]
                    state[b + LOGS] = 0.0
            m = image_of[job]
            if fresh_copies:
                for k in range(first_layer[m], first_layer[m + 1]):
                    state[b + FRESH_FREE] += layer_bytes[layer_of[k]]
            else:
                image_refs[i * images + m] -= 1
                image_used[i * images + m] = now
                if image_refs[i * images + m] == 0 and interval_s > 0 and count[g + TICKING] == 0:
                    count[g + TICKING] = 1
                    x = math.floor((now - state[b + BOOTED_AT]) / interval_s + 1e-9) + 1
                    x = state[b + BOOTED_AT] + x * interval_s
                    _rise(due_at, due_code, dues, x, (TICK << 40) | (i << 16))
                    dues += 1

        elif due == CHECK:
            if state[b + CHECK_AT] != now:
                continue
            state[b + CHECK_AT] = INF
            # within half a byte, or a microsecond's growth: instants are not finer
            x = state[b + WRITE_RATE] + state[b + UNPACK_RATE]
            y = state[b + LOG_RATE] + state[b + DOWN_RATE]
            if split:
                data_full = x > 0.0 and capacity - state[b + LEVEL] <= 0.5 + x * 1e-6
                full = data_full or (y > 0.0 and root_capacity - state[b + ROOT] <= 0.5 + y * 1e-6)
            else:
                data_full = x + y > 0.0 and capacity - state[b + LEVEL] <= 0.5 + (x + y) * 1e-6
                full = data_full

        elif due == DOWN:
            if state[b + DOWN_AT] != now:
                continue
            pump = True

        elif due == UNPACK:
            if state[b + UNPACK_AT] != now:
                continue
            lay = pipe[i * layers + count[g + PIPE_UNPACK]]
            count[g + PIPE_UNPACK] += 1
            state[b + UNPACK_AT] = -1.0
            state[b + UNPACK_RATE] = 0.0
            state[b + FLIGHT] -= layer_packed[lay]
            if split:
                state[b + ROOT] -= layer_packed[lay]
            else:
                state[b + LEVEL] -= layer_packed[lay]
            layer_state[i * layers + lay] = UNPACKED
            pump = True
            for k in range(first_holder[lay], first_holder[lay + 1]):
                m = holder_of[k]
                q = i * images + m
                if image_state[q] == COMING:
                    image_missing[q] -= 1
                    if image_missing[q] == 0:
                        _rise(due_at, due_code, dues, now, (ARRIVED << 40) | (i << 16) | m)
                        dues += 1

        elif due == ARRIVED:
            q = i * images + m
            if image_state[q] != COMING or image_missing[q] != 0:
                continue
            image_state[q] = PRESENT
            image_at[q] = now
            image_used[q] = now
            count[g + PULLS] -= 1
            count[g + IMAGES] += 1
            for k in range(first_layer[m], first_layer[m + 1]):
                lay = layer_of[k]
                layer_refs[i * layers + lay] += 1
                if layer_state[i * layers + lay] == UNPACKED:
                    layer_state[i * layers + lay] = PRESENT
                    state[b + FLIGHT] -= layer_bytes[lay]
                    state[b + STORED] += layer_bytes[lay]
            k = i * width + m
            if line_head[k] >= 0:  # whoever waited for it goes on
                if ready < 0:
                    ready = line_head[k]
                else:
                    next_job[ready_tail] = line_head[k]
                ready_tail = line_tail[k]
                line_head[k] = -1
            if count[g + PULLS] == 0:
                count[g + PIPE_SIZE] = 0
                count[g + PIPE_DOWN] = 0
                count[g + PIPE_UNPACK] = 0
                if split:
                    state[b + FLIGHT] -= state[b + ROOT] - at_boot - state[b + LOGS]
                    state[b + ROOT] = at_boot + state[b + LOGS]
                state[b + LEVEL] -= state[b + FLIGHT]  # what rounding left
                state[b + FLIGHT] = 0.0
                if count[g + PENDING] > 0:
                    _rise(due_at, due_code, dues, now, (CYCLE << 40) | (i << 16))
                    dues += 1

        elif due == RETRY:
            q = i * images + m
            image_state[q] = COMING
            missing = 0
            for k in range(first_layer[m], first_layer[m + 1]):
                lay = i * layers + layer_of[k]
                if layer_state[lay] == ABSENT:
                    layer_state[lay] = COMING
                    layer_left[lay] = layer_packed[layer_of[k]]
                    pipe[i * layers + count[g + PIPE_SIZE]] = layer_of[k]
                    count[g + PIPE_SIZE] += 1
                if layer_state[lay] == COMING:
                    missing += 1
            image_missing[q] = missing
            if missing == 0:
                _rise(due_at, due_code, dues, now, (ARRIVED << 40) | (i << 16) | m)
                dues += 1
            pump = True

        elif due == PUMP:
            pump = True

        elif due in (TICK, CYCLE):
            if due == TICK:
                count[g + TICKING] = 0
                if count[g + PULLS] > 0:  # it waits for the pulls, and new pulls for it
                    count[g + PENDING] = 1
                    count[g + TICKING] = 1
                    x = math.floor((now - state[b + BOOTED_AT]) / interval_s + 1e-9) + 1
                    x = state[b + BOOTED_AT] + x * interval_s
                    _rise(due_at, due_code, dues, x, (TICK << 40) | (i << 16))
                    dues += 1
                    continue
            elif count[g + PULLS] > 0 or count[g + PENDING] == 0:
                continue
            count[g + PENDING] = 0
            if fresh_copies:
                state[b + STORED] -= state[b + FRESH_FREE]
                state[b + LEVEL] -= state[b + FRESH_FREE]
                state[b + FRESH_FREE] = 0.0
                if state[b + STORED] < 0.5:
                    state[b + LEVEL] -= state[b + STORED]
                    state[b + STORED] = 0.0
                    count[g + IMAGES] = 0
            for _ in range(0 if fresh_copies else rules.per_cycle):
                best = -1
                for m in range(images):
                    q = i * images + m
                    if (
                        image_state[q] == PRESENT
                        and image_refs[q] == 0
                        and now - image_at[q] > rules.minimum_age_s
                        and (best < 0 or image_used[q] < image_used[i * images + best])
                    ):
                        best = m
                if best < 0:
                    break
                image_state[i * images + best] = ABSENT
                count[g + IMAGES] -= 1
                for k in range(first_layer[best], first_layer[best + 1]):
                    lay = i * layers + layer_of[k]
                    layer_refs[lay] -= 1
                    if layer_refs[lay] == 0:
                        layer_state[lay] = ABSENT
                        state[b + STORED] -= layer_bytes[layer_of[k]]
                        state[b + LEVEL] -= layer_bytes[layer_of[k]]
                if count[g + IMAGES] == 0:
                    state[b + LEVEL] -= state[b + STORED]
                    state[b + STORED] = 0.0
            again_soon = fresh_copies and count[g + IMAGES] > 0
            for m in range(images):
                q = i * images + m
                if image_state[q] == PRESENT and image_refs[q] == 0:
                    again_soon = True
            if again_soon and count[g + TICKING] == 0:
                count[g + TICKING] = 1
                x = math.floor((now - state[b + BOOTED_AT]) / interval_s + 1e-9) + 1
                x = state[b + BOOTED_AT] + x * interval_s
                _rise(due_at, due_code, dues, x, (TICK << 40) | (i << 16))
                dues += 1
            k = i * width + images
            if line_head[k] >= 0:
                if ready < 0:
                    ready = line_head[k]
                else:
                    next_job[ready_tail] = line_head[k]
                ready_tail = line_tail[k]
                line_head[k] = -1

        elif due == BOOT:
            coming -= 1
            alive += 1
            if alive * slots > most_ends:
                return SHORT_ENDS, failures, traced, known, now
            state[b + BOOTED_AT] = now
            state[b + MOVED_AT] = now
            state[b + LEVEL] = 0.0 if split else at_boot
            state[b + ROOT] = at_boot if split else 0.0
            state[b + PEAK] = state[b + LEVEL]
            state[b + PEAK_AT] = now
            count[g + FREE] = slots
            free += slots
            if i < hint:
                hint = i
            state[b + IDLE_AT] = now + rules.idle_s
            _rise(due_at, due_code, dues, state[b + IDLE_AT], (IDLE << 40) | (i << 16))
            dues += 1

        elif due == DECIDE:
            queued = arrived - head + again_tail - again_head
            if queued > 0 and (rules.reacts or coming == 0):
                wanted = (queued - coming * slots + slots - 1) // slots
                if wanted > rules.max_instances - alive - coming:
                    wanted = rules.max_instances - alive - coming
                if known + wanted > most_instances:
                    return SHORT_INSTANCES, failures, traced, known, now
                if dues + wanted >= most_due:
                    return SHORT_DUE, failures, traced, known, now
                for _ in range(wanted):
                    _rise(due_at, due_code, dues, now + rules.boot_s, (BOOT << 40) | (known << 16))
                    dues += 1
                    known += 1
                    coming += 1

        elif due == IDLE:
            if state[b + IDLE_AT] != now or count[g + FREE] < slots or alive <= rules.instances:
                continue
            state[b + GONE_AT] = now
            alive -= 1
            free -= slots
            count[g + FREE] = 0
            state[b + LEVEL] = 0.0
            state[b + ROOT] = 0.0

        # --- a full volume ---------------------------------------------------------------------
        if full and failures == 0:
            parts[0] = at_boot
            parts[1] = state[b + STORED]
            parts[2] = state[b + FLIGHT]
            parts[3] = state[b + BY_RUNNING]
            parts[4] = state[b + BY_STOPPED]
            parts[5] = state[b + LOGS]
            parts[6] = state[b + OTHER]
        if full and count[g + PULLS] > 0 and state[b + DOWN_RATE] + state[b + UNPACK_RATE] > 0:
            # A pull writes fastest and meets the end first; Docker gives its bytes back.
            failing = REGISTER if state[b + UNPACK_RATE] >= state[b + DOWN_RATE] else DOWNLOAD
            if split:  # the blobs lie beside the logs, and not on this volume
                state[b + FLIGHT] -= state[b + ROOT] - at_boot - state[b + LOGS]
                state[b + ROOT] = at_boot + state[b + LOGS]
            state[b + LEVEL] -= state[b + FLIGHT]
            state[b + FLIGHT] = 0.0
            state[b + DOWN_RATE] = 0.0
            state[b + UNPACK_RATE] = 0.0
            state[b + DOWN_AT] = -1.0
            state[b + UNPACK_AT] = -1.0
            count[g + PIPE_SIZE] = 0
            count[g + PIPE_DOWN] = 0
            count[g + PIPE_UNPACK] = 0
            for k in range(3):
                fetching[i * 3 + k] = -1
            for k in range(i * layers, (i + 1) * layers):
                if layer_state[k] != PRESENT:
                    layer_state[k] = ABSENT
            for m in range(images):
                q = i * images + m
                if image_state[q] != COMING:
                    continue
                image_tries[q] += 1
                if image_tries[q] < PULL_ATTEMPTS:
                    image_state[q] = BACKING_OFF
                    x = 1.1 * 2.0 ** (image_tries[q] - 1)
                    x = now + (x if x < 5.0 else 5.0)
                    _rise(due_at, due_code, dues, x, (RETRY << 40) | (i << 16) | m)
                    dues += 1
                    continue
                image_state[q] = ABSENT
                count[g + PULLS] -= 1
                job = line_head[i * width + m]
                line_head[i * width + m] = -1
                while job >= 0:
                    fate[job] = ENDING
                    step_of[job] = failing
                    end[job] = now
                    if failures < most_failed:
                        failed_at[failures] = now
                        failed_job[failures] = job
                        failed_instance[failures] = i
                        failed_step[failures] = failing
                    failures += 1
                    _rise(end_at, end_job, ends, now + failing_s, job)
                    ends += 1
                    job = next_job[job]
            if count[g + PULLS] == 0 and count[g + PENDING] > 0:
                _rise(due_at, due_code, dues, now, (CYCLE << 40) | (i << 16))
                dues += 1
        elif full:
            # Jobs meet the end with their next write, and stop; one that only logs goes on.
            kept_ends = 0
            hit = -1
            for e in range(ends):
                job = end_job[e]
                stays = True
                if place[job] == i and (fate[job] == RUNNING or fate[job] == FROZEN):
                    write = writes[job]
                    share = (now - start[job]) / duration[job]
                    if share >= 1.0:
                        share = 1.0 - 2.0**-53
                    if write > 0.0 and data_full:
                        stays = False
                        next_job[job] = hit
                        hit = job
                    elif fate[job] == RUNNING and (not split or not data_full):
                        state[b + LOG_RATE] -= log / duration[job]
                        fate[job] = FROZEN
                        end[job] = share
                if stays:
                    end_at[kept_ends] = end_at[e]
                    end_job[kept_ends] = job
                    kept_ends += 1
            if kept_ends < ends:
                ends = kept_ends
                for k in range(1, ends):
                    _rise(end_at, end_job, k, end_at[k], end_job[k])
            # by number: the order of equal failures, and of the tries that follow them
            ordered = -1
            while hit >= 0:
                job = hit
                hit = next_job[job]
                if ordered < 0 or job < ordered:
                    next_job[job] = ordered
                    ordered = job
                else:
                    k = ordered
                    while next_job[k] >= 0 and next_job[k] < job:
                        k = next_job[k]
                    next_job[job] = next_job[k]
                    next_job[k] = job
            while ordered >= 0:
                job = ordered
                ordered = next_job[job]
                write = writes[job]
                share = (now - start[job]) / duration[job]
                if share >= 1.0:
                    share = 1.0 - 2.0**-53
                state[b + BY_RUNNING] -= share * write
                state[b + BY_STOPPED] += share * write
                if fate[job] == RUNNING:
                    state[b + LOG_RATE] -= log / duration[job]
                else:
                    excess = (share - end[job]) * log
                    state[b + LOGS] += excess
                    if split:
                        state[b + ROOT] += excess
                    else:
                        state[b + LEVEL] += excess
                state[b + OTHER] += kept - started
                state[b + LEVEL] += kept - started
                count[g + CONTAINERS] -= 1
                count[g + RETAINED] += 1
                fate[job] = FAILED
                step_of[job] = WRITE
                end[job] = now
                swept_job[rows] = job
                swept_instance[rows] = i
                swept_share[rows] = share
                swept_at[rows] = now + wait_s
                if jitter_s > 0:
                    swept_at[rows] = now + wait_s + jitter[job] * jitter_s
                    _rise(sweep_at, sweep_row, sweeps, swept_at[rows], rows)
                    sweeps += 1
                rows = (rows + 1) & PLAIN
                if failures < most_failed:
                    failed_at[failures] = now
                    failed_job[failures] = job
                    failed_instance[failures] = i
                    failed_step[failures] = WRITE
                failures += 1
                count[g + FREE] += 1
                free += 1
                if i < hint:
                    hint = i
                if tries[job] < attempts:
                    fate[job] = WAITING
                    again[again_tail % most_again] = job
                    again_tail += 1
            if on_demand and count[g + FREE] == slots:
                state[b + IDLE_AT] = now + rules.idle_s
                _rise(due_at, due_code, dues, state[b + IDLE_AT], (IDLE << 40) | (i << 16))
                dues += 1
            if data_full:
                state[b + WRITE_RATE] = 0.0
            if not split or not data_full or count[g + CONTAINERS] == 0:
                state[b + LOG_RATE] = 0.0
            if count[g + CONTAINERS] == 0:
                state[b + LEVEL] -= state[b + BY_RUNNING]
                state[b + BY_RUNNING] = 0.0

        # --- downloads and unpacking under way -------------------------------------------------
        if pump:
            if state[b + DOWN_RATE] > 0:
                active = 0
                for k in range(3):
                    if fetching[i * 3 + k] >= 0:
                        active += 1
                x = (now - state[b + DOWN_SINCE]) * state[b + DOWN_RATE] / active
                least = 0.01 + 4.5e-16 * now * state[b + DOWN_RATE]  # two ticks of the clock
                for k in range(3):
                    lay = fetching[i * 3 + k]
                    if lay >= 0:
                        layer_left[i * layers + lay] -= x
                        if layer_left[i * layers + lay] < least:
                            layer_left[i * layers + lay] = 0.0
            state[b + DOWN_SINCE] = now
            state[b + DOWN_RATE] = 0.0
            state[b + DOWN_AT] = -1.0
            x = burst_rate if credit_ios == 0 or state[b + CREDITS] > 0 else base_rate
            spare = x - state[b + WRITE_RATE] - state[b + LOG_RATE]
            if spare < 0.05 * x:
                spare = 0.05 * x  # jobs do not shut a pull out altogether
            while (
                count[g + PIPE_DOWN] < count[g + PIPE_SIZE]
                and layer_left[i * layers + pipe[i * layers + count[g + PIPE_DOWN]]] == 0.0
            ):
                count[g + PIPE_DOWN] += 1
            active = 0
            smallest = INF
            k = count[g + PIPE_DOWN]
            while active < 3 and k < count[g + PIPE_SIZE]:
                lay = pipe[i * layers + k]
                x = layer_left[i * layers + lay]
                if x > 0.0:
                    fetching[i * 3 + active] = lay
                    active += 1
                    if x < smallest:
                        smallest = x
                k += 1
            for k in range(active, 3):
                fetching[i * 3 + k] = -1
            if active > 0:
                x = spare * rules.download_share
                state[b + DOWN_RATE] = x if x < rules.pull_rate else rules.pull_rate
                state[b + DOWN_AT] = now + smallest * active / state[b + DOWN_RATE]
                _rise(due_at, due_code, dues, state[b + DOWN_AT], (DOWN << 40) | (i << 16))
                dues += 1
            if state[b + UNPACK_AT] < 0.0 and count[g + PIPE_UNPACK] < count[g + PIPE_SIZE]:
                lay = pipe[i * layers + count[g + PIPE_UNPACK]]
                if layer_left[i * layers + lay] == 0.0:
                    x = spare * (1.0 - rules.download_share)
                    x = x if x < rules.unpack_rate else rules.unpack_rate
                    state[b + UNPACK_AT] = now + layer_bytes[lay] / x
                    if layer_bytes[lay] > 0.0:
                        state[b + UNPACK_RATE] = x
                    _rise(due_at, due_code, dues, state[b + UNPACK_AT], (UNPACK << 40) | (i << 16))
                    dues += 1

        if due != CHECK or full:
            ended_at = now
        touched = i if i >= 0 and state[b + GONE_AT] == INF else -1

        # --- first come, first served ----------------------------------------------------------
        while True:
            pulled = ready >= 0  # it holds its image: no cycle comes between pull and container
            if pulled:
                job = ready
                ready = next_job[job]
                i = place[job]
            elif free > 0 and (head < arrived or again_head < again_tail):
                if again_head < again_tail:
                    job = again[again_head % most_again]
                    again_head += 1
                else:
                    job = head
                    head += 1
                while count[hint * COUNT + FREE] == 0:
                    hint += 1
                i = hint
                count[i * COUNT + FREE] -= 1
                free -= 1
                place[job] = i
                start[job] = now
                tries[job] += 1
                state[i * STATE + IDLE_AT] = -1.0
            else:
                break
            if dues >= most_due:
                return SHORT_DUE, failures, traced, known, now
            if rows >= most_swept:
                return SHORT_SWEPT, failures, traced, known, now
            if traced >= most_trace and mode == FULL_TRACE:
                return SHORT_TRACE, failures, traced, known, now
            job &= PLAIN
            i &= PLAIN
            b = i * STATE
            g = i * COUNT
            m = image_of[job] & PLAIN
            q = (i * images + m) & PLAIN
            locked = count[g + PENDING] > 0 and not pulled
            if not fresh_copies and (image_state[q] != PRESENT or locked):
                k = i * width + (images if locked else m)
                fate[job] = PULLING
                next_job[job] = -1
                if line_head[k] < 0:
                    line_head[k] = job
                else:
                    next_job[line_tail[k]] = job
                line_tail[k] = job
                if image_state[q] == ABSENT and not locked:
                    image_tries[q] = 0
                    count[g + PULLS] += 1
                    if count[g + TICKING] == 0 and interval_s > 0:
                        count[g + TICKING] = 1
                        x = math.floor((now - state[b + BOOTED_AT]) / interval_s + 1e-9) + 1
                        x = state[b + BOOTED_AT] + x * interval_s
                        _rise(due_at, due_code, dues, x, (TICK << 40) | (i << 16))
                        dues += 1
                    image_state[q] = COMING
                    missing = 0
                    for k in range(first_layer[m], first_layer[m + 1]):
                        lay = i * layers + layer_of[k]
                        if layer_state[lay] == ABSENT:
                            layer_state[lay] = COMING
                            layer_left[lay] = layer_packed[layer_of[k]]
                            pipe[i * layers + count[g + PIPE_SIZE]] = layer_of[k]
                            count[g + PIPE_SIZE] += 1
                        if layer_state[lay] == COMING:
                            missing += 1
                    image_missing[q] = missing
                    if missing == 0:
                        _rise(due_at, due_code, dues, now, (ARRIVED << 40) | (i << 16) | m)
                        dues += 1
                    _rise(due_at, due_code, dues, now, (PUMP << 40) | (i << 16))
                    dues += 1
                continue

            past = now - state[b + MOVED_AT]
            if past > 0.0:  # as above
                rate = (
                    state[b + WRITE_RATE]
                    + state[b + LOG_RATE]
                    + state[b + DOWN_RATE]
                    + state[b + UNPACK_RATE]
                )
                if mode == ENVELOPE:
                    _extremes(snapshots, column_s, columns, i, now, state, count, at_boot, split)
                state[b + BY_RUNNING] += state[b + WRITE_RATE] * past
                state[b + LOGS] += state[b + LOG_RATE] * past
                state[b + FLIGHT] += (state[b + DOWN_RATE] + state[b + UNPACK_RATE]) * past
                if split:
                    state[b + LEVEL] += (state[b + WRITE_RATE] + state[b + UNPACK_RATE]) * past
                    state[b + ROOT] += (state[b + LOG_RATE] + state[b + DOWN_RATE]) * past
                else:
                    state[b + LEVEL] += rate * past
                if state[b + LEVEL] > state[b + PEAK]:
                    state[b + PEAK] = state[b + LEVEL]
                    state[b + PEAK_AT] = now
                if rate >= base_rate and (
                    credit_ios == 0 or state[b + CREDITS] <= 0 or rate >= burst_rate
                ):
                    state[b + SATURATED_S] += past
                if credit_ios > 0:
                    had = state[b + CREDITS] + (base_iops - rate * ios_a_byte) * past
                    state[b + CREDITS] = (
                        0.0 if had < 0 else (credit_ios if had > credit_ios else had)
                    )
                state[b + MOVED_AT] = now

            start[job] = now
            room = capacity - state[b + LEVEL]
            failing = 0
            share = -2.0
            due_s = now + failing_s
            if fresh_copies:
                x = 0.0
                for k in range(first_layer[m], first_layer[m + 1]):
                    x += layer_bytes[layer_of[k]]
                if room < x:
                    failing = COPY
                else:
                    state[b + STORED] += x
                    state[b + LEVEL] += x
                    room -= x
                    count[g + IMAGES] = 1
                    if count[g + TICKING] == 0 and interval_s > 0:
                        count[g + TICKING] = 1
                        x = math.floor((now - state[b + BOOTED_AT]) / interval_s + 1e-9) + 1
                        x = state[b + BOOTED_AT] + x * interval_s
                        _rise(due_at, due_code, dues, x, (TICK << 40) | (i << 16))
                        dues += 1
            else:
                image_refs[q] += 1
            gain = started
            if count[g + SERVED] == 0:
                gain += rules.first
            if failing == 0:
                if room < created:
                    failing = CREATE
                elif room < gain:
                    failing = START
                    share = -1.0
                    state[b + OTHER] += created
                    state[b + LEVEL] += created
                    count[g + RETAINED] += 1
            if failing == 0:
                write = writes[job]
                x = duration[job]
                rate = 1.0 / x
                state[b + WRITE_RATE] += write * rate
                state[b + LOG_RATE] += log * rate
                count[g + SERVED] = 1
                state[b + OTHER] += gain
                state[b + LEVEL] += gain
                count[g + CONTAINERS] += 1
                fate[job] = RUNNING
                if write > container_limit:
                    x *= container_limit / write
                due_s = now + x
            else:
                fate[job] = ENDING
                step_of[job] = failing
                end[job] = now
                if failures == 0:
                    parts[0] = at_boot
                    parts[1] = state[b + STORED]
                    parts[2] = state[b + FLIGHT]
                    parts[3] = state[b + BY_RUNNING]
                    parts[4] = state[b + BY_STOPPED]
                    parts[5] = state[b + LOGS]
                    parts[6] = state[b + OTHER]
                if failures < most_failed:
                    failed_at[failures] = now
                    failed_job[failures] = job
                    failed_instance[failures] = i
                    failed_step[failures] = failing
                failures += 1
                if failing != COPY:
                    swept_job[rows] = job
                    swept_instance[rows] = i
                    swept_share[rows] = share
                    swept_at[rows] = now + wait_s
                    if jitter_s > 0:
                        swept_at[rows] = now + wait_s + jitter[job] * jitter_s
                        _rise(sweep_at, sweep_row, sweeps, swept_at[rows], rows)
                        sweeps += 1
                    rows = (rows + 1) & PLAIN
            if hole:
                hole = False
                _sink(end_at, end_job, ends, due_s, job)
            else:
                _rise(end_at, end_job, ends, due_s, job)
                ends += 1
            if count[g + CONTAINERS] + count[g + RETAINED] > count[g + CONTAINERS_PEAK]:
                count[g + CONTAINERS_PEAK] = count[g + CONTAINERS] + count[g + RETAINED]
            if state[b + LEVEL] > state[b + PEAK]:
                state[b + PEAK] = state[b + LEVEL]
                state[b + PEAK_AT] = now
            if i == touched:
                touched = -1
            # what changed is written down, and when the volume will be full
            rate = (
                state[b + WRITE_RATE]
                + state[b + LOG_RATE]
                + state[b + DOWN_RATE]
                + state[b + UNPACK_RATE]
            )
            room = capacity - state[b + LEVEL]
            ahead = state[b + CHECK_AT] - now
            if rate > 0.0 and (split or room < rate * ahead):
                x = room / rate
                if split:
                    x = INF
                    if state[b + WRITE_RATE] + state[b + UNPACK_RATE] > 0.0:
                        x = room / (state[b + WRITE_RATE] + state[b + UNPACK_RATE])
                    if state[b + LOG_RATE] + state[b + DOWN_RATE] > 0.0:
                        y = root_capacity - state[b + ROOT]
                        y /= state[b + LOG_RATE] + state[b + DOWN_RATE]
                        x = min(x, y)
                x = x if x > 0.0 else 0.0
                if x < ahead:
                    # far ahead the rates will have changed: look again half-way
                    x = now + (x if x < 60.0 else 0.5 * x)
                    state[b + CHECK_AT] = x
                    _rise(due_at, due_code, dues, x, (CHECK << 40) | (i << 16))
                    dues += 1
            if mode == FULL_TRACE:
                trace_at[traced] = now
                trace_instance[traced] = i
                trace_level[traced] = state[b + LEVEL]
                trace_rate[traced] = rate
                traced = (traced + 1) & PLAIN
            elif mode == ENVELOPE:
                _extremes(snapshots, column_s, columns, i, now, state, count, at_boot, split)

        if touched >= 0:  # as above, for what happened where no job was placed
            i = touched
            b = i * STATE
            rate = (
                state[b + WRITE_RATE]
                + state[b + LOG_RATE]
                + state[b + DOWN_RATE]
                + state[b + UNPACK_RATE]
            )
            room = capacity - state[b + LEVEL]
            ahead = state[b + CHECK_AT] - now
            if rate > 0.0 and (split or room < rate * ahead):
                x = room / rate
                if split:
                    x = INF
                    if state[b + WRITE_RATE] + state[b + UNPACK_RATE] > 0.0:
                        x = room / (state[b + WRITE_RATE] + state[b + UNPACK_RATE])
                    if state[b + LOG_RATE] + state[b + DOWN_RATE] > 0.0:
                        y = root_capacity - state[b + ROOT]
                        y /= state[b + LOG_RATE] + state[b + DOWN_RATE]
                        x = min(x, y)
                x = x if x > 0.0 else 0.0
                if x < ahead:
                    # far ahead the rates will have changed: look again half-way
                    x = now + (x if x < 60.0 else 0.5 * x)
                    state[b + CHECK_AT] = x
                    _rise(due_at, due_code, dues, x, (CHECK << 40) | (i << 16))
                    dues += 1
            if mode == FULL_TRACE:
                trace_at[traced] = now
                trace_instance[traced] = i
                trace_level[traced] = state[b + LEVEL]
                trace_rate[traced] = rate
                traced = (traced + 1) & PLAIN
            elif mode == ENVELOPE:
                _extremes(snapshots, column_s, columns, i, now, state, count, at_boot, split)
        if hole:
            ends -= 1
            if ends > 0:
                _sink(end_at, end_job, ends, end_at[ends], end_job[ends])

    return DONE, failures, traced, known, ended_at


def _many(
    rules: Rules,
    draws: Inputs,
    jobs: Jobs,
    book: Book,
    trace: Trace,
    runs: int,
    peaks: Any,
    failed: Any,
    full_at: Any,
) -> int:
    """Play replications one after another in the same arrays; 0 when all came to their end.

    `draws` holds all of them end to end. Keeps of each the highest level of any instance, the
    failures, and the instant of the first.
    """
    n = len(jobs.start)
    layers = len(draws.layer_bytes) // runs
    for r in range(runs):
        inputs = Inputs(
            draws.duration[r * n : (r + 1) * n],
            draws.writes[r * n : (r + 1) * n],
            draws.image[r * n : (r + 1) * n],
            draws.jitter[r * n : (r + 1) * n],
            draws.burst_at,
            draws.burst_jobs,
            draws.first_layer,
            draws.layer_of,
            draws.first_holder,
            draws.holder_of,
            draws.layer_bytes[r * layers : (r + 1) * layers],
            draws.layer_packed[r * layers : (r + 1) * layers],
        )
        if r > 0:
            _clear(rules, jobs, book)
        why, failures, _, known, _ = _run(rules, inputs, jobs, book, trace, NO_TRACE)
        if why != DONE:
            return int(why)
        for i in range(known):
            if book.state[i * STATE + PEAK] > peaks[r]:
                peaks[r] = book.state[i * STATE + PEAK]
        failed[r] = failures
        if failures > 0:
            full_at[r] = trace.failed_at[0]
    return DONE


def _clear(rules: Rules, jobs: Jobs, book: Book) -> None:
    """Bring the arrays back to what they were before the first run."""
    for j in range(len(jobs.start)):
        jobs.fate[j] = WAITING
        jobs.step[j] = 0
        jobs.tries[j] = 0
        jobs.instance[j] = -1
    for k in range(len(book.state)):
        book.state[k] = 0.0
    for k in range(len(book.count)):
        book.count[k] = 0
    for b in range(0, len(book.state), STATE):
        book.state[b + CREDITS] = rules.credit_ios
        book.state[b + CHECK_AT] = INF
        book.state[b + DOWN_AT] = -1.0
        book.state[b + UNPACK_AT] = -1.0
        book.state[b + IDLE_AT] = -1.0
        book.state[b + GONE_AT] = INF
    for k in range(len(book.image_state)):
        book.image_state[k] = ABSENT
        book.image_refs[k] = 0
        book.image_tries[k] = 0
    for k in range(len(book.line_head)):
        book.line_head[k] = -1
    for k in range(len(book.layer_state)):
        book.layer_state[k] = ABSENT
        book.layer_refs[k] = 0
        book.layer_left[k] = 0.0
    for k in range(len(book.fetching)):
        book.fetching[k] = -1


# --- compiled, or as it stands ----------------------------------------------------------------


class Kernel(NamedTuple):
    """The engine's two entries; `lists` says that it wants lists and not arrays."""

    run: Any
    many: Any
    lists: bool


def interpreted() -> Kernel:
    """The engine as it stands: plain Python, on lists."""
    return Kernel(_run, _many, lists=True)


@cache
def compiled() -> Kernel:
    """The engine compiled by numba: from its cache on disk if it is there, else at the first call.

    Where no cache can be written, or numba's can't be read, it is compiled for this process alone.
    """
    import numba

    options: dict[str, Any] = {"cache": can_cache(), "nogil": True, "error_model": "numpy"}
    scope = dict(globals())
    for name in ("_rise", "_sink", "_extremes", "_run", "_clear", "_many"):
        source = globals()[name]
        copy = FunctionType(source.__code__, scope, name, source.__defaults__)
        copy.__module__, copy.__qualname__ = __name__, name
        scope[name] = numba.njit(**options)(copy)
    return Kernel(scope["_run"], scope["_many"], lists=False)


@cache
def can_cache() -> bool:
    """Whether numba has a directory that it can keep compiled code in."""
    return _marker() is not None


def is_cached() -> bool:
    """Whether this very engine was compiled into the cache before, on a machine like this."""
    marker = _marker()
    return marker is not None and marker.exists()


def compile_into_cache(warm: Callable[[Kernel], None]) -> None:
    """Compile, and leave a mark that it is done; does nothing if another process is at it."""
    marker = _marker()
    if marker is None or marker.exists():
        return
    lock = marker.with_suffix(".lock")
    try:
        if lock.exists() and time.time() - lock.stat().st_mtime > _STALE_LOCK_S:
            lock.unlink(missing_ok=True)
        lock.touch(exist_ok=False)
    except OSError:
        return
    try:
        warm(compiled())
        marker.touch()
    finally:
        lock.unlink(missing_ok=True)


@cache
def _marker() -> Path | None:
    """The file that says that the cache is filled; None where numba finds no place for a cache."""
    import numba
    from numba.core.registry import cpu_target

    def probe() -> None:
        return None

    try:
        probe_cache: Any = numba.njit(cache=True)(_same_file(probe))
    except RuntimeError:  # "no locator available": no directory that can be written to
        return None
    target = cpu_target.target_context.codegen().magic_tuple()
    source = Path(__file__).read_bytes()
    key = repr((numba.__version__, sys.version_info, target, os.environ.get("NUMBA_BOUNDSCHECK")))
    digest = hashlib.sha256(source + key.encode()).hexdigest()[:16]
    return Path(probe_cache._cache.cache_path) / f"engine-{digest}.ready"


def _same_file(function: Any) -> Any:
    function.__module__, function.__qualname__ = __name__, function.__name__
    return function


_STALE_LOCK_S = 300.0
