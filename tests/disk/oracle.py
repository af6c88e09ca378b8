"""A second model of the same rules, as one writes it with SimPy: processes, events, objects.

Written from what is known of the ECS agent, Docker and Batch, not from the engine, and shares with
it only the scalars that a run is given. `tests/disk/test_engine.py` holds the engine to it event
for event; `tests/bench/bench_engine.py` takes it as the peer to be measured against.

The rules in words. Jobs go first come, first served to the lowest-numbered instance with a free
slot; a job to be tried again goes before new ones. A job's container needs its image: one pull
serves all who wait for it; of a pull's layers three are fetched at a time from the bottom, and
unpacked one after another in that order, a blob going when its layer is unpacked. What a container
writes grows evenly until it stops; it is kept for the agent's wait and then swept with its log.
Images are removed in cycles: unreferenced, old enough, least recently used first, so many at most;
a cycle waits for pulls, and new pulls for the cycle. On a full volume a pull fails first (five
tries), else every container that writes; a new container finds no room to be created or started,
and its slot is free again a little later. When things coincide, what is due on an instance goes
before sweeps, sweeps before ends (by job number), ends before bursts.
"""

import itertools
import math
from collections import deque

import simpy

DUE, PUMP, SWEEP, END, BURST = 1, 2, 3, 4, 2**60
DOWNLOAD, REGISTER, CREATE, START, WRITE, LIMIT, COPY = 1, 2, 3, 4, 5, 6, 7
PULL_TRIES = 5


class At(simpy.Event):
    """A time-out with a rank among what happens at the same instant."""

    def __init__(self, env, delay, rank):
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, rank, delay)


class PullError(Exception):
    """The image could not be pulled; `step` is what failed."""

    def __init__(self, step):
        super().__init__(step)
        self.step = step


class Image:
    """An image that the agent of one instance knows."""

    def __init__(self, now):
        self.pulled_at = self.used_at = now
        self.references = 0


class Pull:
    """A pull under way: layers still missing, and those who wait for it."""

    def __init__(self, env):
        self.done = env.event()
        self.missing = 0
        self.tries = 0
        self.active = False


class Container:
    """What a container holds on its volume."""

    def __init__(self, job, image):
        self.job, self.image = job, image
        self.written = self.logged = self.own = 0.0
        self.copy = 0.0


class Instance:
    """A container instance: its slots, its volume, its Docker and its agent."""

    def __init__(self, batch, number):
        self.batch, self.env, self.rules, self.number = batch, batch.env, batch.rules, number
        rules = self.rules
        self.booted_at = self.moved_at = self.env.now
        self.free = rules.slots
        self.gone = False
        self.stored = self.flight = self.running = self.stopped = self.logs = self.other = 0.0
        self.write_rate = self.log_rate = self.fetch_rate = self.unpack_rate = 0.0
        self.apart = rules.root_capacity < math.inf
        self.root_flight = 0.0  # blobs, where the root is a volume of its own
        self.credits = rules.credit_ios
        self.saturated_s = 0.0
        self.peak = self.level
        self.containers = {}  # of running jobs, by number
        self.frozen = {}  # jobs whose log stands still, and how much of it was written
        self.images = {}
        self.pulls = {}
        self.layers = {}  # unpacked layers, and how many images hold each
        self.blobs = []  # layers to fetch or unpack, in order
        self.left = {}  # bytes still to fetch
        self.unpacking = None
        self.fetching = ()
        self.fetched_at = self.env.now
        self.served = False
        self.cycle_waits = False
        self.unlocked = self.env.event()
        self.check_at = math.inf
        self.idle_since = self.env.now
        self.ticking = False
        self.garbage = 0.0  # copies whose container is gone

    # --- the volume ---------------------------------------------------------------------------

    @property
    def level(self):
        total = self.stored + self.flight + self.running + self.stopped + self.other
        if self.apart:
            return total - self.root_flight
        return total + self.logs + self.rules.at_boot

    @property
    def root_level(self):
        return self.rules.at_boot + self.logs + self.root_flight

    @property
    def data_rate(self):
        own = self.write_rate + self.unpack_rate
        return own if self.apart else own + self.log_rate + self.fetch_rate

    @property
    def root_rate(self):
        return self.log_rate + self.fetch_rate

    def advance(self):
        """Let everything grow until now."""
        past = self.env.now - self.moved_at
        if past <= 0:
            return
        rate = self.write_rate + self.log_rate + self.fetch_rate + self.unpack_rate
        self.running += self.write_rate * past
        self.logs += self.log_rate * past
        self.flight += (self.fetch_rate + self.unpack_rate) * past
        if self.apart:
            self.root_flight += self.fetch_rate * past
        self.peak = max(self.peak, self.level)
        if rate >= self.ceiling:
            self.saturated_s += past
        if self.rules.credit_ios > 0:
            gained = (self.rules.base_iops - rate / self.rules.io_bytes) * past
            self.credits = min(max(self.credits + gained, 0.0), self.rules.credit_ios)
        self.moved_at = self.env.now

    @property
    def ceiling(self):
        """Bytes a second that the volume gives now."""
        bursts = self.rules.credit_ios == 0 or self.credits > 0
        if self.rules.credit_ios == 0:
            return self.rules.base_rate
        return max(self.rules.burst_rate, self.rules.base_rate) if bursts else self.rules.base_rate

    def changed(self):
        """After any change: note it, and see when the volume will be full."""
        self.peak = max(self.peak, self.level)
        self.batch.note(self)
        wait = math.inf
        if self.data_rate > 0:
            wait = (self.rules.capacity - self.level) / self.data_rate
        if self.apart and self.root_rate > 0:
            wait = min(wait, (self.rules.root_capacity - self.root_level) / self.root_rate)
        at = self.env.now + max(wait, 0.0)
        if at < self.check_at:
            self.check_at = at
            event = At(self.env, at - self.env.now, DUE)
            event.callbacks.append(lambda _: self.check(at))

    def check(self, at):
        if self.gone or at != self.check_at:
            return
        self.check_at = math.inf
        self.advance()
        data_full = (
            self.data_rate > 0 and self.level >= self.rules.capacity - 2 - self.data_rate * 1e-6
        )
        root_full = (
            self.apart
            and self.root_rate > 0
            and self.root_level >= self.rules.root_capacity - 2 - self.root_rate * 1e-6
        )
        if data_full or root_full:
            if self.fetch_rate + self.unpack_rate > 0:
                self.fail_pulls()
            else:
                self.fail_writers(data_full)
            self.changed()
            self.batch.dispatch()
        else:
            self.changed()

    def fail_writers(self, data_full):
        """Who writes meets the end; who only logs goes on without a log."""
        for job in sorted(self.containers):
            container = self.containers[job]
            share = self.batch.lived(job)
            if self.batch.writes[job] > 0 and data_full:
                self.batch.processes[job].interrupt()
                self.stop(container, share, share, WRITE)
                self.batch.failed(job, self, WRITE)
                self.batch.end[job] = self.env.now
                self.release(job)
            elif job not in self.frozen and not (self.apart and data_full):
                self.frozen[job] = share
                self.log_rate -= self.rules.log / self.batch.duration[job]
        if len(self.frozen) == len(self.containers):
            self.log_rate = 0.0
        if data_full or not self.containers:
            self.write_rate = 0.0

    def release(self, job):
        self.free += 1
        if self.free == self.rules.slots:
            self.rest()
        self.batch.over(job)

    # --- containers ---------------------------------------------------------------------------

    def create(self, job):
        """Make and start a container, or say which step found no room."""
        self.advance()
        image = self.batch.image[job]
        room = self.rules.capacity - self.level
        container = Container(job, image)
        if self.rules.fresh_copies:
            size = sum(self.batch.layer_bytes[layer] for layer in self.batch.layers_of[image])
            if room < size:
                return None, COPY
            container.copy = size
            self.stored += size
            room -= size
            self.tick_soon()
        else:
            self.images[image].references += 1
        first = 0.0 if self.served else self.rules.first
        needs = (self.rules.created, self.rules.started + first)
        self.batch.close_calls += any(abs(room - need) < 1_000 for need in needs)
        if room < self.rules.created:
            return container, CREATE
        if room < self.rules.started + first:
            container.own = self.rules.created
            self.other += container.own
            return container, START
        self.served = True
        self.other += first + self.rules.started
        container.own = self.rules.started
        self.containers[job] = container
        self.write_rate += self.batch.writes[job] / self.batch.duration[job]
        self.log_rate += self.rules.log / self.batch.duration[job]
        return container, 0

    def stop(self, container, share, kept, step=0):
        """The container ends after `share` of its life, keeping `kept` of what it was to write."""
        job = container.job
        write = self.batch.writes[job]
        del self.containers[job]
        self.write_rate -= write / self.batch.duration[job]
        logged = share
        if job in self.frozen:
            logged = self.frozen.pop(job)
            if share < 1:  # a log cut short twice is counted as cut once
                self.logs += (share - logged) * self.rules.log
                logged = share
        else:
            self.log_rate -= self.rules.log / self.batch.duration[job]
        self.running -= share * write
        self.other += self.rules.kept - self.rules.started
        container.own = self.rules.kept
        container.written = kept * write
        container.logged = logged * self.rules.log
        self.stopped += container.written
        if not self.containers:
            self.running = self.write_rate = self.log_rate = 0.0
        self.keep(container)

    def keep(self, container):
        self.env.process(self.sweep(container))

    def sweep(self, container):
        """The agent waits, each task for itself, and then removes the container."""
        jitter = self.rules.jitter_s * self.batch.jitter[container.job]
        yield At(self.env, self.rules.wait_s + jitter, SWEEP)
        if self.gone:
            return
        self.advance()
        self.stopped -= container.written
        self.logs -= container.logged
        self.other -= container.own
        if self.rules.fresh_copies:
            self.garbage += container.copy
        else:
            image = self.images[container.image]
            image.references -= 1
            image.used_at = self.env.now
            self.tick_soon()
        self.changed()

    # --- images -------------------------------------------------------------------------------

    def pull_step(self, job):
        """Until the job's image is there; the caller creates the container at once."""
        image = self.batch.image[job]
        while not self.rules.fresh_copies:
            if self.cycle_waits:
                yield self.unlocked
                continue
            if image in self.images:
                return
            pull = self.pulls.get(image)
            if pull is None:
                pull = self.pulls[image] = Pull(self.env)
                self.env.process(self.pull_image(image, pull))
            step = yield pull.done
            if step:
                raise PullError(step)
            return

    def pull_image(self, image, pull):
        """Five tries, with a pause between them."""
        self.tick_soon()
        for attempt in range(PULL_TRIES):
            pull.finished = self.env.event()
            pull.active = True
            self.enqueue(image, pull)
            step = yield pull.finished
            if not step:
                self.images[image] = Image(self.env.now)
                self.store(image)
                self.finish(image, pull, 0)
                return
            if attempt < PULL_TRIES - 1:
                yield At(self.env, min(1.1 * 2**attempt, 5.0), DUE)
        self.finish(image, pull, step)

    def finish(self, image, pull, step):
        del self.pulls[image]
        pull.done.succeed(step)
        if not self.pulls:
            self.blobs, self.left = [], {}
            self.flight = self.root_flight = 0.0
            if self.cycle_waits:
                event = At(self.env, 0, DUE)
                event.callbacks.append(lambda _: self.waiting_cycle())
        self.changed()

    def enqueue(self, image, pull):
        self.advance()
        pull.missing = set()
        for layer in self.batch.layers_of[image]:
            if layer in self.layers:
                continue
            if layer not in self.blobs:
                self.blobs.append(layer)
                self.left[layer] = self.batch.layer_packed[layer]
            pull.missing.add(layer)
        if not pull.missing:
            pull.active = False
            pull.finished.succeed(0)
        event = At(self.env, 0, PUMP)
        event.callbacks.append(lambda _: self.pump())

    def pump(self):
        """Choose what is fetched and unpacked, at what rates, until the next of them is done."""
        self.advance()
        now = self.env.now
        if self.fetching:
            each = (now - self.fetched_at) * self.fetch_rate / len(self.fetching)
            for layer in self.fetching:
                self.left[layer] -= each
                if self.left[layer] < 0.01:
                    self.left[layer] = 0.0
        self.fetched_at = now
        ceiling = self.pull_ceiling
        spare = max(ceiling - self.write_rate - self.log_rate, 0.05 * ceiling)
        unfetched = (layer for layer in self.blobs if self.left[layer] > 0)
        self.fetching = tuple(itertools.islice(unfetched, 3))
        self.fetch_rate = 0.0
        self.fetch_next = None
        if self.fetching:
            self.fetch_rate = min(self.rules.pull_rate, spare * self.rules.download_share)
            least = min(self.left[layer] for layer in self.fetching)
            event = At(self.env, least * len(self.fetching) / self.fetch_rate, DUE)
            self.fetch_next = event
            event.callbacks.append(self.fetched)
        waiting = [layer for layer in self.blobs if layer not in self.layers]
        if self.unpacking is None and waiting and self.left[waiting[0]] == 0:
            layer = waiting[0]
            rate = min(self.rules.unpack_rate, spare * (1 - self.rules.download_share))
            size = self.batch.layer_bytes[layer]
            self.unpack_rate = rate if size > 0 else 0.0
            event = At(self.env, size / rate, DUE)
            self.unpacking = (event, layer)
            event.callbacks.append(self.unpacked)
        self.changed()

    @property
    def pull_ceiling(self):
        if self.rules.credit_ios == 0 or self.credits > 0:
            return self.rules.burst_rate
        return self.rules.base_rate

    def fetched(self, event):
        if event is self.fetch_next and not self.gone:
            self.advance()
            self.pump()

    def unpacked(self, event):
        if self.unpacking is None or event is not self.unpacking[0] or self.gone:
            return
        self.advance()
        layer = self.unpacking[1]
        self.unpacking = None
        self.unpack_rate = 0.0
        self.layers[layer] = 0
        self.flight -= self.batch.layer_packed[layer]
        if self.apart:
            self.root_flight -= self.batch.layer_packed[layer]
        for image in sorted(self.pulls):
            pull = self.pulls[image]
            if pull.active and layer in pull.missing:
                pull.missing.discard(layer)
                if not pull.missing:
                    pull.active = False
                    pull.finished.succeed(0)
        self.pump()

    def store(self, image):
        """A whole image: its layers are no longer in flight."""
        self.advance()
        for layer in self.batch.layers_of[image]:
            if self.layers[layer] == 0:
                self.flight -= self.batch.layer_bytes[layer]
                self.stored += self.batch.layer_bytes[layer]
            self.layers[layer] += 1

    def fail_pulls(self):
        step = REGISTER if self.unpack_rate >= self.fetch_rate else DOWNLOAD
        self.flight = self.root_flight = 0.0
        self.fetch_rate = self.unpack_rate = 0.0
        self.fetching, self.fetch_next, self.unpacking = (), None, None
        self.blobs, self.left = [], {}
        self.layers = {layer: held for layer, held in self.layers.items() if held}
        for image in sorted(self.pulls):
            pull = self.pulls[image]
            if pull.active:
                pull.active = False
                pull.finished.succeed(step)

    # --- the agent's image cycle --------------------------------------------------------------

    def tick_soon(self):
        if self.ticking or self.rules.interval_s == 0:
            return
        self.ticking = True
        passed = math.floor((self.env.now - self.booted_at) / self.rules.interval_s + 1e-9)
        self.tick_at(passed + 1)

    def tick_at(self, number):
        at = self.booted_at + number * self.rules.interval_s
        event = At(self.env, at - self.env.now, DUE)
        event.callbacks.append(lambda _: self.tick(number))

    def tick(self, number):
        if self.gone:
            return
        self.ticking = False
        if self.images or self.pulls or (self.rules.fresh_copies and self.stored > 0):
            self.ticking = True
            self.tick_at(number + 1)
        self.advance()
        if self.pulls:
            self.cycle_waits = True
        else:
            self.cycle()

    def waiting_cycle(self):
        if self.cycle_waits and not self.pulls and not self.gone:
            self.advance()
            self.cycle()

    def cycle(self):
        self.cycle_waits = False
        if self.rules.fresh_copies:
            self.stored -= self.garbage
            self.garbage = 0.0
            if self.stored < 0.5:
                self.stored = 0.0
        else:
            for _ in range(self.rules.per_cycle):
                old = [
                    (image.used_at, number)
                    for number, image in self.images.items()
                    if image.references == 0
                    and self.env.now - image.pulled_at > self.rules.minimum_age_s
                ]
                if not old:
                    break
                self.remove(min(old)[1])
        self.unlocked.succeed()
        self.unlocked = self.env.event()
        self.changed()

    def remove(self, number):
        del self.images[number]
        for layer in self.batch.layers_of[number]:
            self.layers[layer] -= 1
            if self.layers[layer] == 0:
                del self.layers[layer]
                self.stored -= self.batch.layer_bytes[layer]

    # --- going --------------------------------------------------------------------------------

    def rest(self):
        """No job: if that stays so for long enough, Batch lets the instance go."""
        if not self.rules.on_demand:
            return
        since = self.idle_since = self.env.now
        event = At(self.env, self.rules.idle_s, DUE)
        event.callbacks.append(lambda _: self.leave(since))

    def leave(self, since):
        idle = self.free == self.rules.slots and self.idle_since == since
        if not self.gone and idle and self.batch.alive > self.rules.instances:
            self.gone = True
            self.batch.alive -= 1
            self.free = 0


class Batch:
    """The queue, and the instances that serve it."""

    def __init__(self, rules, inputs, trace=True):
        self.env = simpy.Environment()
        self.rules = rules
        self.duration, self.writes = (
            list(map(float, inputs.duration)),
            list(map(float, inputs.writes)),
        )
        self.image, self.jitter = list(map(int, inputs.image)), list(map(float, inputs.jitter))
        self.layer_bytes = list(map(float, inputs.layer_bytes))
        self.layer_packed = list(map(float, inputs.layer_packed))
        first = [int(at) for at in inputs.first_layer]
        self.layers_of = [
            [int(layer) for layer in inputs.layer_of[a:b]] for a, b in itertools.pairwise(first)
        ]
        jobs = len(self.duration)
        self.start, self.end = [-1.0] * jobs, [-1.0] * jobs
        self.place, self.fate, self.step = [-1] * jobs, ["waiting"] * jobs, [0] * jobs
        self.tries = [0] * jobs
        self.processes = {}
        self.queue, self.again = deque(), deque()
        self.failures, self.trace = [], [] if trace else None
        self.instances = []
        self.alive = self.coming = self.known = 0
        self.close_calls = 0  # new containers for which there is room to a thousand bytes
        for _ in range(rules.instances):
            self.boot()
        submitted = 0
        for at, so_far in zip(inputs.burst_at, inputs.burst_jobs, strict=True):
            numbers = range(submitted, int(so_far))
            submitted = int(so_far)
            event = At(self.env, float(at), BURST)
            event.callbacks.append(lambda _, numbers=numbers: self.submit(numbers))

    def run(self):
        self.env.run()
        return self

    def note(self, instance):
        if self.trace is not None:
            rate = (
                instance.write_rate + instance.log_rate + instance.fetch_rate + instance.unpack_rate
            )
            self.trace.append((self.env.now, instance.number, instance.level, rate))

    def submit(self, numbers):
        self.queue.extend(numbers)
        if self.rules.on_demand:
            event = At(self.env, self.rules.decision_s, DUE)
            event.callbacks.append(lambda _: self.decide())
        self.dispatch()

    def dispatch(self):
        """First come, first served; the lowest instance with a slot."""
        if not self.queue and not self.again:
            return
        for instance in self.instances:
            while instance is not None and instance.free and (self.queue or self.again):
                job = self.again.popleft() if self.again else self.queue.popleft()
                instance.free -= 1
                instance.idle_since = None
                self.place[job] = instance.number
                self.tries[job] += 1
                self.start[job] = self.env.now
                self.processes[job] = self.env.process(self.attempt(job, instance))

    def lived(self, job):
        share = (self.env.now - self.start[job]) / self.duration[job]
        return min(share, 1 - 2**-53)

    def attempt(self, job, instance):
        """One attempt of a job, from its slot to its end."""
        try:
            yield from instance.pull_step(job)
        except PullError as error:
            yield from self.cannot(job, instance, error.step)
            return
        self.start[job] = self.env.now
        container, step = instance.create(job)
        if step:
            if container is not None:
                instance.keep(container)
            instance.changed()
            yield from self.cannot(job, instance, step)
            return
        self.fate[job] = "running"
        instance.changed()
        write = self.writes[job]
        share = min(self.rules.container_limit / write, 1.0) if write else 1.0
        try:
            yield At(self.env, self.duration[job] * share, END + job)
        except simpy.Interrupt:
            return  # whoever interrupts has cleared up
        instance.advance()
        self.end[job] = self.env.now
        if share < 1:
            instance.stop(container, share, share)
            self.failed(job, instance, LIMIT)
        else:
            instance.stop(container, 1.0, self.rules.kept_share)
            self.fate[job] = "succeeded"
        instance.changed()
        instance.release(job)
        self.dispatch()

    def cannot(self, job, instance, step):
        """The slot of a container that could not be made is free a little later."""
        self.failed(job, instance, step)
        self.end[job] = self.env.now
        yield At(self.env, self.rules.failing_s, END + job)
        instance.release(job)
        self.dispatch()

    def failed(self, job, instance, step):
        self.fate[job], self.step[job] = "failed", step
        self.failures.append((self.env.now, job, instance.number, step))

    def over(self, job):
        if self.fate[job] == "failed" and self.tries[job] < self.rules.attempts:
            self.fate[job] = "waiting"
            self.again.append(job)

    def decide(self):
        """Ask for what the queue needs; or for nothing while instances are coming."""
        rules, queued = self.rules, len(self.queue) + len(self.again)
        if not queued or (self.coming and not rules.reacts):
            return
        wanted = math.ceil((queued - self.coming * rules.slots) / rules.slots)
        for _ in range(min(wanted, rules.max_instances - self.alive - self.coming)):
            self.coming += 1
            number = self.known
            self.known += 1
            self.instances.append(None)
            event = At(self.env, rules.boot_s, DUE)
            event.callbacks.append(lambda _, number=number: self.arrive(number))

    def arrive(self, number):
        self.coming -= 1
        self.alive += 1
        self.instances[number] = Instance(self, number)
        self.instances[number].rest()
        self.dispatch()

    def boot(self):
        self.instances.append(Instance(self, self.known))
        self.known += 1
        self.alive += 1
