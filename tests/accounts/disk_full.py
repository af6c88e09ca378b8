"""An account whose container instances run out of disk.

Five times in ten minutes 200 jobs of 1 vCPU and 8 GB arrive; two r5.24xlarge take them all. Their
root volume is the AMI's 30 GiB gp2, because the launch template enlarges `/dev/xvdcz`, which only
the first Amazon Linux used. Stopped containers stay for three hours. When the volume is full,
pulls and creations fail at once, and the instance takes the next job.

Beside it stand the troubles of an account that has grown: a legacy environment that never cleans
images and whose queue is blocked, an unmanaged one on an AMI of its own, and one that is invalid.
"""

import random
from datetime import datetime, timedelta

from accounts import foundation
from accounts.foundation import (
    MIB,
    Foundation,
    described,
    environment,
    managed,
    queue,
    requirements,
)
from accounts.machinery import (
    ContainerInstance,
    Launch,
    Run,
    device,
    digest_of,
    encoded,
    launch,
    layers_of,
    machine_image,
    measure,
    measure_idle,
    mime,
    push_image,
    run_jobs,
)
from accounts.world import ACCOUNT, Shape
from fakeaws import FakeAws

JOBS_A_BURST = 200
BURSTS = 5
ROOT_MIB = 30 * 1024
OPERATING_SYSTEM_MIB = 4.6 * 1024
LEFT_BY_A_CONTAINER_MIB = 20
UNPACKED = 2.5
KEEP_STOPPED = """\
#!/bin/bash
# keep stopped containers for a look at them
cat >> /etc/ecs/ecs.config <<'EOF'
ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=3h
ECS_IMAGE_CLEANUP_INTERVAL=1h
ECS_NUM_IMAGES_DELETE_PER_CYCLE=1
EOF
"""
PREFER_CACHED = """\
#!/bin/bash
echo ECS_IMAGE_PULL_BEHAVIOR=prefer-cached >> /etc/ecs/ecs.config
"""
ONLY_THE_CLUSTER = """\
#!/bin/bash
echo ECS_CLUSTER={cluster} > /etc/ecs/ecs.config
"""


def build(fake: FakeAws, jobs_a_burst: int = JOBS_A_BURST) -> None:
    """Make the account; it is looked at ten minutes after three."""
    laid = foundation.lay(fake)
    images = _push_images(fake)
    ami = foundation.ecs_al2(fake.world, fake.world.now - timedelta(days=160))
    _simulate(fake, laid, ami, images, jobs_a_burst)
    _train(fake, laid, ami, images)
    _render(fake, laid)
    _archive(fake, laid)
    fake.client("events").put_rule(
        Name="nightly-report", ScheduleExpression="cron(0 6 * * ? *)", State="ENABLED"
    )
    measure_idle(fake.world)
    fake.world.clock = fake.world.now


def _push_images(fake: FakeAws) -> dict[str, str]:
    base = [("debian", 52 * MIB), ("python", 131 * MIB), ("scipy", 214 * MIB)]
    sizes = {
        "simulate:2026.11.0": [*base, ("simulate-deps", 138 * MIB), ("simulate-1", 28 * MIB)],
        "simulate:2026.11.1": [*base, ("simulate-deps-2", 331 * MIB), ("simulate-2", 31 * MIB)],
        "train:17": [*base, ("cuda", 2900 * MIB), ("torch", 890 * MIB), ("train-17", 120 * MIB)],
        "render:5.2": [("ubuntu", 30 * MIB), ("mesa", 760 * MIB), ("blender", 1610 * MIB)],
    }
    ecr = fake.client("ecr")
    pushed = {}
    for number, (image, layers) in enumerate(sizes.items()):
        repository, tag = image.split(":")
        fake.world.clock = fake.world.now - timedelta(days=9 - number, hours=4)
        if tag != "2026.11.1":
            ecr.create_repository(repositoryName=repository)
        pushed[image] = push_image(fake, repository, tag, layers)
    return pushed


# --- the full disk -----------------------------------------------------------------------------


def _simulate(
    fake: FakeAws, laid: Foundation, ami: str, images: dict[str, str], jobs_a_burst: int
) -> None:
    world, now = fake.world, fake.world.now
    world.clock = now - timedelta(days=90)
    template = _simulate_template(fake, size_gib=22)
    world.clock = now - timedelta(days=89)
    made = environment(
        fake,
        laid,
        "simulate-on-demand",
        allocationStrategy="BEST_FIT_PROGRESSIVE",
        instanceTypes=["r5", "m5"],
        maxvCpus=512,
        desiredvCpus=0,
        ec2Configuration=[{"imageType": "ECS_AL2"}],
        launchTemplate={"launchTemplateId": template, "version": "$Latest"},
    )
    world.environment_resources["simulate-on-demand"] = {"desiredvCpus": 192}
    devices = [device("/dev/xvdcz", 22, "gp2")]
    how = managed(fake, laid, made, "r5.24xlarge", ami, devices, KEEP_STOPPED)
    world.clock = now - timedelta(days=3)
    _enlarge_the_wrong_device(fake, template)
    instances = launch(world, how, now - timedelta(minutes=47), 2)
    queue(fake, "simulate", made)
    jobs = _submit_bursts(fake, _definitions(fake, images), jobs_a_burst)
    run_jobs(world, jobs, instances, _FillingDisk(seed=3))
    for instance in instances:
        _exhausted(fake, instance.instance_id)


def _simulate_template(fake: FakeAws, size_gib: int) -> str:
    created = fake.client("ec2").create_launch_template(
        LaunchTemplateName="simulate",
        VersionDescription="more room for docker",
        LaunchTemplateData={
            "BlockDeviceMappings": [device("/dev/xvdcz", size_gib, "gp2")],
            "UserData": encoded(mime(KEEP_STOPPED)),
        },
    )
    template_id: str = created["LaunchTemplate"]["LaunchTemplateId"]
    return template_id


def _enlarge_the_wrong_device(fake: FakeAws, template: str) -> None:
    """After the first failures; the environment was never updated, so no instance has it."""
    fake.client("ec2").create_launch_template_version(
        LaunchTemplateId=template,
        VersionDescription="even more room for docker",
        LaunchTemplateData={
            "BlockDeviceMappings": [device("/dev/xvdcz", 100, "gp2")],
            "UserData": encoded(mime(KEEP_STOPPED)),
        },
    )


def _definitions(fake: FakeAws, images: dict[str, str]) -> dict[str, str]:
    """Job definitions by image; all ask for 1 vCPU and 8 GB."""
    batch, arns = fake.client("batch"), {}
    for image, uri in images.items():
        name = image.split(":")[0]
        arns[image] = batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            containerProperties={
                "image": uri,
                "command": [f"/opt/{name}/run", "--case", "Ref::case", "--out", "Ref::out"],
                "resourceRequirements": requirements(1, 8192),
                "environment": [
                    {"name": "STAGE", "value": "production"},
                    {"name": "RESULTS_TOKEN", "value": "tok-4e1c8a90bd"},
                ],
                "logConfiguration": {"logDriver": "awslogs", "options": {}},
            },
            parameters={"case": "0", "out": "s3://example-results/"},
            retryStrategy={"attempts": 1},
        )["jobDefinitionArn"]
    return arns


def _submit_bursts(fake: FakeAws, definitions: dict[str, str], jobs_a_burst: int) -> list[str]:
    """200 jobs, five times in ten minutes; half of the last use a renewed image."""
    batch, world = fake.client("batch"), fake.world
    submitted = []
    for burst in range(BURSTS):
        world.clock = world.now - timedelta(minutes=40) + timedelta(seconds=150 * burst)
        for number in range(jobs_a_burst):
            image = _image_of(burst, number)
            submitted.append(
                batch.submit_job(
                    jobName=f"sweep-{burst + 1}-{number:03}",
                    jobQueue="simulate",
                    jobDefinition=definitions[image],
                    parameters={"case": f"{burst}-{number}"},
                )["jobId"]
            )
            world.clock += timedelta(milliseconds=60)
    return submitted


def _image_of(burst: int, number: int) -> str:
    if number % 40 == 39:
        return "render:5.2"
    if number % 40 == 19:
        return "train:17"
    is_renewed = burst == BURSTS - 1 and number % 2
    return "simulate:2026.11.1" if is_renewed else "simulate:2026.11.0"


class _FillingDisk:
    """How jobs go on an instance whose root volume fills and whose burst credits run out."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, job: Shape, instance: ContainerInstance, at: datetime) -> Run:
        digest = digest_of(job["container"]["image"])
        is_new = digest not in instance.digests
        if self._used_mib(instance, instance.digests | {digest}) > ROOT_MIB:
            return self._no_space_to_pull() if is_new else self._no_space_to_create()
        instance.digests.add(digest)
        pull_s = self._random.uniform(55, 95) if is_new else self._random.uniform(1, 3)
        return self._run_on_slow_docker(instance, pull_s)

    def _used_mib(self, instance: ContainerInstance, digests: set[str]) -> float:
        """Layers are shared; every container, running or stopped, has left something."""
        layers = dict(layer for digest in digests for layer in layers_of(digest))
        unpacked = UNPACKED * sum(layers.values()) / MIB
        return OPERATING_SYSTEM_MIB + unpacked + LEFT_BY_A_CONTAINER_MIB * (instance.containers + 1)

    def _run_on_slow_docker(self, instance: ContainerInstance, pull_s: float) -> Run:
        duration_s = self._random.uniform(240, 290)
        is_starved, chance = instance.containers > 220, self._random.random()
        if is_starved and chance < 0.05:
            reason = "Could not transition to inspecting; timed out after waiting 30s"
            return Run(pull_s, duration_s + 30, None, f"CannotInspectContainerError: {reason}")
        if is_starved and chance < 0.08:
            reason = "Could not transition to created; timed out after waiting 4m0s"
            return Run(pull_s, 240, None, f"DockerTimeoutError: {reason}")
        return Run(pull_s, duration_s)

    def _no_space_to_pull(self) -> Run:
        blob = self._random.randrange(10**8, 10**9)
        path = f"/var/lib/docker/tmp/GetImageBlob{blob}"
        reason = f"CannotPullContainerError: write {path}: no space left on device"
        return Run(self._random.uniform(20, 40), 2, None, reason)

    def _no_space_to_create(self) -> Run:
        layer = f"{self._random.getrandbits(256):064x}"
        reason = (
            "CannotCreateContainerError: Error response from daemon: "
            f"mkdir /var/lib/docker/overlay2/{layer}-init: no space left on device"
        )
        return Run(2, 3, None, reason)


def _exhausted(fake: FakeAws, instance_id: str) -> None:
    """Burst credits of the root volume fall to nothing in half an hour."""
    start = fake.world.instances[instance_id]["LaunchTime"]
    times = [(m, start + timedelta(minutes=m)) for m in range(0, 46, 5)]
    balance = [(at, max(0.0, 100 - 4.0 * max(0, m - 5))) for m, at in times]
    measure(fake.world, instance_id, balance, [(at, min(64.0, 0.4 + 1.9 * m)) for m, at in times])


# --- the neighbours ----------------------------------------------------------------------------


def _train(fake: FakeAws, laid: Foundation, ami: str, images: dict[str, str]) -> None:
    """Made years ago without an allocation strategy; it never removes an image, and is blocked."""
    world, now = fake.world, fake.world.now
    world.clock = now - timedelta(days=700)
    template = fake.client("ec2").create_launch_template(
        LaunchTemplateName="train",
        LaunchTemplateData={"UserData": encoded(mime(PREFER_CACHED))},
    )["LaunchTemplate"]["LaunchTemplateId"]
    made = environment(
        fake,
        laid,
        "train-legacy",
        instanceTypes=["optimal"],
        maxvCpus=32,
        desiredvCpus=0,
        ec2Configuration=[{"imageType": "ECS_AL2"}],
        launchTemplate={"launchTemplateId": template, "version": "1"},
    )
    world.environment_resources["train-legacy"] = {"desiredvCpus": 16}
    how = managed(fake, laid, made, "m5.4xlarge", ami, [], PREFER_CACHED)
    launch(world, how, now - timedelta(hours=9), 1)
    queue(fake, "train", made)
    _block(fake, images)


def _block(fake: FakeAws, images: dict[str, str]) -> None:
    batch, world = fake.client("batch"), fake.world
    batch.register_job_definition(
        jobDefinitionName="train-large",
        type="container",
        containerProperties={
            "image": images["train:17"],
            "command": ["/opt/train/run"],
            "resourceRequirements": requirements(64, 120_000),
        },
    )
    for number in range(4):
        world.clock = world.now - timedelta(hours=5) + timedelta(minutes=number)
        definition = "train-large" if number == 0 else "train"
        job_id = batch.submit_job(
            jobName=f"nightly-train-{number}", jobQueue="train", jobDefinition=definition
        )["jobId"]
        if number == 0:
            world.jobs[job_id]["statusReason"] = (
                "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job "
                "queue cannot meet the CPU requirement of the job."
            )


def _render(fake: FakeAws, laid: Foundation) -> None:
    """The studio's own machine in an unmanaged environment, with no cleaning set up."""
    world, now = fake.world, fake.world.now
    world.clock = now - timedelta(days=400)
    fake.client("batch").create_compute_environment(
        computeEnvironmentName="render-unmanaged",
        type="UNMANAGED",
        state="ENABLED",
        serviceRole=laid.service_role,
    )
    made = described(fake, "render-unmanaged")
    devices = [device("/dev/xvda", 60, "gp2")]
    ami = machine_image(world, "studio-render-2025-03", ACCOUNT, now - timedelta(days=600), devices)
    cluster = made["ecsClusterArn"]
    script = ONLY_THE_CLUSTER.format(cluster=cluster.rsplit("/", 1)[-1])
    launch(world, Launch(cluster, "m5.2xlarge", ami, [], script), now - timedelta(days=12), 1)
    queue(fake, "render", made)


def _archive(fake: FakeAws, laid: Foundation) -> None:
    """Someone removed the instance profile of this one."""
    profile = foundation.make_instance_profile(fake, "archiveInstanceRole")
    environment(
        fake,
        laid,
        "archive",
        allocationStrategy="BEST_FIT_PROGRESSIVE",
        instanceTypes=["m5.large"],
        maxvCpus=16,
        desiredvCpus=0,
        instanceRole=profile,
        ec2Configuration=[{"imageType": "ECS_AL2023"}],
    )
    iam = fake.client("iam")
    names = {"InstanceProfileName": "archiveInstanceRole", "RoleName": "archiveInstanceRole"}
    iam.remove_role_from_instance_profile(**names)
    iam.delete_instance_profile(InstanceProfileName="archiveInstanceRole")
    reason = f"CLIENT_ERROR - Instance profile {profile} does not exist"
    fake.world.environment_states["archive"] = ("INVALID", reason)
