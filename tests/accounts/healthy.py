"""The same work as in the account with full disks, set up so that nothing is wrong with it.

Small instances share it out, with 200 GiB gp3 at the root device of Amazon Linux 2023, a launch
template whose version is pinned, images named by digest, quick cleaning, retries for the
instances' own failures, two Availability Zones, a time limit for a job that blocks the queue, and
job events kept in a log group and a queue.
"""

import json
import random
from datetime import datetime, timedelta

from accounts import foundation
from accounts.foundation import MIB, Foundation, environment, managed, queue, requirements
from accounts.machinery import (
    ContainerInstance,
    Run,
    device,
    digest_of,
    encoded,
    launch,
    measure_idle,
    mime,
    push_image,
    run_jobs,
)
from accounts.world import REGION, Shape
from fakeaws import FakeAws

JOBS_A_BURST = 200
BURSTS = 5
INSTANCES = 25
INSTANCE_TYPES = ["r6i.2xlarge", "r6a.2xlarge", "r7i.2xlarge"]
ZONES = (f"{REGION}a", f"{REGION}b")
LIMITED_REASONS = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
)
CLEAN_SOON = """\
#!/bin/bash
cat >> /etc/ecs/ecs.config <<'EOF'
ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=1m
ECS_NUM_IMAGES_DELETE_PER_CYCLE=20
EOF
"""
ROOT = device("/dev/xvda", 200, "gp3", Iops=4000, Throughput=250)
ROOT_IN_TEMPLATE = {
    "DeviceName": "/dev/xvda",
    "Ebs": {k: v for k, v in ROOT["Ebs"].items() if k != "DeleteOnTermination"},
}


def build(fake: FakeAws, jobs_a_burst: int = JOBS_A_BURST) -> None:
    """Make the account; it is looked at ten minutes after three."""
    laid, world = foundation.lay(fake, ZONES), fake.world
    image = _push_image(fake)
    world.clock = world.now - timedelta(days=20)
    instances = _instances(fake, laid)
    jobs = _submit_bursts(fake, _definition(fake, image), jobs_a_burst)
    run_jobs(world, jobs, instances, _Steady(seed=5))
    measure_idle(world)
    _keep_events(fake)
    world.clock = world.now


def _push_image(fake: FakeAws) -> str:
    """The image's URI by digest."""
    world = fake.world
    world.clock = world.now - timedelta(days=9)
    fake.client("ecr").create_repository(repositoryName="simulate", imageTagMutability="IMMUTABLE")
    layers = [("debian", 52), ("python", 131), ("scipy", 214), ("deps", 138), ("simulate", 28)]
    tagged = push_image(
        fake, "simulate", "2026.11.1", [(name, size * MIB) for name, size in layers]
    )
    return f"{tagged.rsplit(':', 1)[0]}@{digest_of(tagged)}"


def _instances(fake: FakeAws, laid: Foundation) -> list[ContainerInstance]:
    world = fake.world
    template = fake.client("ec2").create_launch_template(
        LaunchTemplateName="simulate",
        VersionDescription="200 GiB gp3 at the root device",
        LaunchTemplateData={
            "BlockDeviceMappings": [ROOT_IN_TEMPLATE],
            "UserData": encoded(mime(CLEAN_SOON)),
        },
    )["LaunchTemplate"]["LaunchTemplateId"]
    ami = foundation.ecs_al2023(world, world.now - timedelta(days=11))
    made = environment(
        fake,
        laid,
        "simulate-on-demand",
        allocationStrategy="BEST_FIT_PROGRESSIVE",
        instanceTypes=INSTANCE_TYPES,
        maxvCpus=256,
        desiredvCpus=0,
        ec2Configuration=[{"imageType": "ECS_AL2023"}],
        launchTemplate={"launchTemplateId": template, "version": "1"},
    )
    world.environment_resources["simulate-on-demand"] = {"desiredvCpus": 8 * INSTANCES}
    queue(fake, "simulate", made)
    world.time_limits["simulate"] = [
        {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": 3600, "action": "CANCEL"}
        for reason in LIMITED_REASONS
    ]
    how = managed(fake, laid, made, INSTANCE_TYPES[0], ami, [ROOT_IN_TEMPLATE], CLEAN_SOON)
    return launch(world, how, world.now - timedelta(minutes=44), INSTANCES)


def _definition(fake: FakeAws, image: str) -> str:
    made = fake.client("batch").register_job_definition(
        jobDefinitionName="simulate",
        type="container",
        containerProperties={
            "image": image,
            "command": ["/opt/simulate/run", "--case", "Ref::case", "--out", "Ref::out"],
            "resourceRequirements": requirements(1, 8192),
            "environment": [{"name": "STAGE", "value": "production"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {}},
        },
        parameters={"case": "0", "out": "s3://example-results/"},
        retryStrategy={
            "attempts": 3,
            "evaluateOnExit": [
                {"onStatusReason": "Host EC2*", "action": "RETRY"},
                {"onReason": "*", "action": "EXIT"},
            ],
        },
        timeout={"attemptDurationSeconds": 1800},
    )
    arn: str = made["jobDefinitionArn"]
    return arn


def _submit_bursts(fake: FakeAws, definition: str, jobs_a_burst: int) -> list[str]:
    batch, world = fake.client("batch"), fake.world
    submitted = []
    for burst in range(BURSTS):
        world.clock = world.now - timedelta(minutes=40) + timedelta(seconds=150 * burst)
        for number in range(jobs_a_burst):
            job = batch.submit_job(
                jobName=f"sweep-{burst + 1}-{number:03}",
                jobQueue="simulate",
                jobDefinition=definition,
                parameters={"case": f"{burst}-{number}"},
            )
            submitted.append(job["jobId"])
            world.clock += timedelta(milliseconds=60)
    return submitted


class _Steady:
    """The first job on an instance waits for the pull; none fails."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, job: Shape, instance: ContainerInstance, at: datetime) -> Run:
        digest = digest_of(job["container"]["image"])
        is_new = digest not in instance.digests
        instance.digests.add(digest)
        pull_s = self._random.uniform(14, 19) if is_new else self._random.uniform(0.5, 1.5)
        return Run(pull_s, self._random.uniform(200, 250))


def _keep_events(fake: FakeAws) -> None:
    """Job events go to a log group, and to a queue whose failures are kept as well."""
    logs, sqs, events = fake.client("logs"), fake.client("sqs"), fake.client("events")
    logs.create_log_group(logGroupName="/aws/events/batch")
    logs.put_retention_policy(logGroupName="/aws/events/batch", retentionInDays=90)
    for name in ("batch-events", "batch-events-undelivered"):
        sqs.create_queue(QueueName=name)
    pattern = {
        "source": ["aws.batch"],
        "detail-type": ["Batch Job State Change", "Batch Job Queue Blocked"],
    }
    events.put_rule(Name="keep-batch-events", EventPattern=json.dumps(pattern), State="ENABLED")
    arn = fake.world.arn
    dead_letters = {"Arn": arn("sqs", "batch-events-undelivered")}
    events.put_targets(
        Rule="keep-batch-events",
        Targets=[
            {"Id": "log", "Arn": arn("logs", "log-group:/aws/events/batch")},
            {"Id": "queue", "Arn": arn("sqs", "batch-events"), "DeadLetterConfig": dead_letters},
        ],
    )
