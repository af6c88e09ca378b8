"""What AWS does by itself when a user has made environments and submitted jobs.

Batch copies the user's launch template into one of its own, makes an Auto Scaling group, launches
instances that join the cluster, and starts a task per attempt. Sources: the Batch user guide on
launch templates and on the instances' memory, and the ECS API reference on tasks.
"""

import base64
import hashlib
import heapq
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.world import ACCOUNT, REGION, Shape, World, from_ms, ms
from fakeaws import FakeAws

ECS_AMI_OWNER = "591542846629"
BATCH_PART = """\
#!/bin/bash
echo ECS_CLUSTER={cluster}>>/etc/ecs/ecs.config
echo ECS_DISABLE_IMAGE_CLEANUP=false>>/etc/ecs/ecs.config
echo ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=2m>>/etc/ecs/ecs.config
echo ECS_IMAGE_CLEANUP_INTERVAL=10m>>/etc/ecs/ecs.config
echo ECS_IMAGE_MINIMUM_CLEANUP_AGE=10m>>/etc/ecs/ecs.config
echo ECS_NUM_IMAGES_DELETE_PER_CYCLE=5>>/etc/ecs/ecs.config
echo ECS_RESERVED_MEMORY=32>>/etc/ecs/ecs.config
echo 'ECS_INSTANCE_ATTRIBUTES={{"com.amazonaws.batch.compute-environment-revision":"1"}}' \
>>/etc/ecs/ecs.config
"""


@dataclass(frozen=True)
class Hardware:
    """What the machinery must know of an instance type; memory as the ECS agent registers it."""

    name: str
    vcpus: int
    registered_memory_mib: int


HARDWARE = {
    hardware.name: hardware
    for hardware in (
        Hardware("r5.24xlarge", 96, 765_651),
        Hardware("r6i.2xlarge", 8, 63_235),
        Hardware("m5.4xlarge", 16, 62_786),
        Hardware("m5.2xlarge", 8, 31_587),
    )
}


@dataclass
class ContainerInstance:
    """An instance in a cluster, with its free slots while jobs are being run."""

    arn: str
    instance_id: str
    hardware: Hardware
    ready_at: datetime
    containers: int = 0
    digests: set[str] = field(default_factory=set)
    free_at: list[datetime] = field(default_factory=list)


def mime(*scripts: str) -> str:
    """User data in parts, as Batch merges its own with the user's."""
    boundary = "==BATCHGUIDE-EXAMPLE=="
    parts = "".join(
        f'--{boundary}\nContent-Type: text/x-shellscript; charset="us-ascii"\n\n{script}\n'
        for script in scripts
    )
    head = f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{boundary}"\n\n'
    return f"{head}{parts}--{boundary}--\n"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def machine_image(
    world: World, name: str, owner: str, made_at: datetime, devices: list[Shape]
) -> str:
    """An AMI; its root device is the first of the devices."""
    image_id = world.ec2_id("ami")
    world.machine_images[image_id] = {
        "ImageId": image_id,
        "Name": name,
        "OwnerId": owner,
        "ImageOwnerAlias": "amazon" if owner == ECS_AMI_OWNER else "self",
        "State": "available",
        "Architecture": "x86_64",
        "CreationDate": made_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "RootDeviceName": devices[0]["DeviceName"],
        "RootDeviceType": "ebs",
        "VirtualizationType": "hvm",
        "Public": owner == ECS_AMI_OWNER,
        "BlockDeviceMappings": devices,
    }
    return image_id


def device(name: str, size_gib: int, volume_type: str, **more: Any) -> Shape:
    ebs = {"VolumeSize": size_gib, "VolumeType": volume_type, "DeleteOnTermination": True, **more}
    return {"DeviceName": name, "Ebs": ebs}


def batch_launch_template(fake: FakeAws, data: Shape) -> Shape:
    """Batch's copy of a launch template, with its own part of the user data in front."""
    name = f"Batch-lt-{fake.world.uuid()}"
    template = fake.client("ec2").create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData=data,
        TagSpecifications=[
            {
                "ResourceType": "launch-template",
                "Tags": [{"Key": "AWSBatchServiceTag", "Value": "batch"}],
            }
        ],
    )["LaunchTemplate"]
    return {"LaunchTemplateId": template["LaunchTemplateId"], "LaunchTemplateName": name}


def scaling_group(
    fake: FakeAws, environment: Shape, template: Shape, subnets: tuple[str, ...]
) -> str:
    """The group that Batch makes for an environment."""
    name = f"{environment['computeEnvironmentName']}-asg-{fake.world.uuid()}"
    specification = {"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"}
    fake.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=0,
        DesiredCapacity=0,
        VPCZoneIdentifier=",".join(subnets),
        MixedInstancesPolicy={"LaunchTemplate": {"LaunchTemplateSpecification": specification}},
        Tags=[{"Key": "AWSBatchServiceTag", "Value": "batch", "PropagateAtLaunch": True}],
    )
    fake.world.group_instances[name] = []
    fake.world.group_made_at[name] = fake.world.clock
    return name


@dataclass(frozen=True)
class Launch:
    """How instances of one environment start."""

    cluster_arn: str
    instance_type: str
    image_id: str
    devices: list[Shape]  # the template's mappings, which go before the AMI's
    user_data: str
    group: str | None = None
    template_id: str | None = None
    zones: tuple[str, ...] = (f"{REGION}a",)  # instances are spread over them in turn


def launch(world: World, how: Launch, at: datetime, count: int) -> list[ContainerInstance]:
    """Start instances; they join the cluster two to three minutes later."""
    return [_launch_one(world, how, at, number) for number in range(count)]


def _launch_one(world: World, how: Launch, at: datetime, number: int) -> ContainerInstance:
    instance_id = world.ec2_id("i")
    image, zone = world.machine_images[how.image_id], how.zones[number % len(how.zones)]
    tags = [{"Key": "AWSBatchServiceTag", "Value": "batch"}] if how.group else []
    if how.group and how.template_id:
        tags += [
            {"Key": "aws:autoscaling:groupName", "Value": how.group},
            {"Key": "aws:ec2launchtemplate:id", "Value": how.template_id},
            {"Key": "aws:ec2launchtemplate:version", "Value": "1"},
        ]
    world.instances[instance_id] = {
        "InstanceId": instance_id,
        "ImageId": how.image_id,
        "InstanceType": how.instance_type,
        "State": {"Code": 16, "Name": "running"},
        "LaunchTime": at,
        "Architecture": "x86_64",
        "RootDeviceName": image["RootDeviceName"],
        "RootDeviceType": "ebs",
        "EbsOptimized": True,
        "Placement": {"AvailabilityZone": zone, "Tenancy": "default"},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "BlockDeviceMappings": _attach(world, how, instance_id, at, zone),
        "Tags": tags,
    }
    world.user_data[instance_id] = encoded(how.user_data)
    if how.group:
        _record_in_group(world, how, instance_id, at, zone)
    return _register(world, how, instance_id, at + timedelta(seconds=130 + 7 * number), zone)


def _attach(world: World, how: Launch, instance_id: str, at: datetime, zone: str) -> list[Shape]:
    by_device = {
        d["DeviceName"]: d["Ebs"] for d in world.machine_images[how.image_id]["BlockDeviceMappings"]
    }
    for mapping in how.devices:
        name = mapping["DeviceName"]
        by_device[name] = {**by_device.get(name, {}), **mapping["Ebs"]}
    return [_attach_one(world, instance_id, at, zone, *each) for each in by_device.items()]


def _attach_one(
    world: World, instance_id: str, at: datetime, zone: str, name: str, ebs: Shape
) -> Shape:
    volume_id, size, kind = world.ec2_id("vol"), ebs["VolumeSize"], ebs["VolumeType"]
    iops = max(100, 3 * size) if kind == "gp2" else ebs.get("Iops", 3000)
    throughput = {"Throughput": ebs.get("Throughput", 125)} if kind == "gp3" else {}
    world.volumes[volume_id] = {
        "VolumeId": volume_id,
        "Size": size,
        "VolumeType": kind,
        "Iops": iops,
        **throughput,
        "State": "in-use",
        "Encrypted": False,
        "AvailabilityZone": zone,
        "CreateTime": at,
        "MultiAttachEnabled": False,
        "Attachments": [
            {
                "InstanceId": instance_id,
                "VolumeId": volume_id,
                "Device": name,
                "State": "attached",
                "AttachTime": at,
                "DeleteOnTermination": ebs.get("DeleteOnTermination", True),
            }
        ],
    }
    attached = {"VolumeId": volume_id, "Status": "attached", "AttachTime": at}
    return {"DeviceName": name, "Ebs": {**attached, "DeleteOnTermination": True}}


def _record_in_group(world: World, how: Launch, instance_id: str, at: datetime, zone: str) -> None:
    group = how.group or ""
    world.group_instances[group].append(
        {
            "InstanceId": instance_id,
            "InstanceType": how.instance_type,
            "AvailabilityZone": zone,
            "LifecycleState": "InService",
            "HealthStatus": "Healthy",
            "ProtectedFromScaleIn": True,
        }
    )
    world.activities.setdefault(group, []).append(
        {
            "ActivityId": world.uuid(),
            "AutoScalingGroupName": group,
            "Description": f"Launching a new EC2 instance: {instance_id}",
            "Cause": "an instance was started in response to a difference between desired and "
            "actual capacity",
            "StartTime": at,
            "EndTime": at + timedelta(seconds=32),
            "StatusCode": "Successful",
            "Progress": 100,
        }
    )


def _register(
    world: World, how: Launch, instance_id: str, at: datetime, zone: str
) -> ContainerInstance:
    hardware = HARDWARE[how.instance_type]
    cluster = how.cluster_arn.rsplit("/", 1)[-1]
    arn = world.arn("ecs", f"container-instance/{cluster}/{world.hexes(32)}")
    resources = [
        {"name": "CPU", "type": "INTEGER", "integerValue": hardware.vcpus * 1024},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": hardware.registered_memory_mib},
    ]
    attributes = {
        "ecs.instance-type": how.instance_type,
        "ecs.ami-id": how.image_id,
        "ecs.availability-zone": zone,
        "ecs.os-type": "linux",
        "ecs.cpu-architecture": "x86_64",
        "com.amazonaws.ecs.capability.logging-driver.awslogs": None,
        "com.amazonaws.ecs.capability.docker-remote-api.1.44": None,
    }
    world.container_instances[arn] = {
        "containerInstanceArn": arn,
        "ec2InstanceId": instance_id,
        "version": 12,
        "versionInfo": {
            "agentVersion": "1.106.1",
            "agentHash": "aebcbca",
            "dockerVersion": "DockerVersion: 25.0.13",
        },
        "remainingResources": resources,
        "registeredResources": resources,
        "status": "ACTIVE",
        "agentConnected": True,
        "runningTasksCount": 0,
        "pendingTasksCount": 0,
        "registeredAt": at,
        "attributes": [
            {"name": name, **({"value": value} if value else {})}
            for name, value in attributes.items()
        ],
    }
    return ContainerInstance(arn, instance_id, hardware, at)


@dataclass(frozen=True)
class Run:
    """How one attempt went: times in seconds, and what ended it if it failed."""

    pull_s: float
    duration_s: float
    exit_code: int | None = 0
    reason: str | None = None

    @property
    def started(self) -> bool:
        """Whether the container started: the exit code or an inspection at exit tells."""
        return self.exit_code is not None or "inspecting" in (self.reason or "")


Behaviour = Callable[[Shape, ContainerInstance, datetime], Run]


def run_jobs(
    world: World,
    jobs: Iterable[str],
    instances: list[ContainerInstance],
    behave: Behaviour,
    task_definition: str = "simulate",
) -> None:
    """First come, first served, each job in the slot that is free first."""
    first = world.jobs[next(iter(jobs := list(jobs)))]
    slots = _slots(first, instances)
    heapq.heapify(slots)
    for job_id in jobs:
        job = world.jobs[job_id]
        free_at, at = slots[0]
        begun = max(free_at, from_ms(job["createdAt"]) + timedelta(seconds=4))
        run = behave(job, instances[at], begun)
        instances[at].containers += "CannotPull" not in (run.reason or "")
        ended = _record(world, job, instances[at], begun, run)
        heapq.heapreplace(slots, (ended, at))


def _slots(job: Shape, instances: list[ContainerInstance]) -> list[tuple[datetime, int]]:
    needs = {r["type"]: int(r["value"]) for r in job["container"]["resourceRequirements"]}
    slots = []
    for at, instance in enumerate(instances):
        hardware = instance.hardware
        count = min(
            hardware.vcpus // needs["VCPU"], hardware.registered_memory_mib // needs["MEMORY"]
        )
        slots += [(instance.ready_at, at)] * count
    return slots


def _record(
    world: World, job: Shape, instance: ContainerInstance, begun: datetime, run: Run
) -> datetime:
    started = begun + timedelta(seconds=run.pull_s)
    stopped = started + timedelta(seconds=run.duration_s)
    cluster = instance.arn.split("/")[-2]
    task_id = world.hexes(32)
    name = job["jobDefinition"].rsplit("/", 1)[-1].split(":")[0]
    container = {
        "containerInstanceArn": instance.arn,
        "taskArn": world.arn("ecs", f"task/{cluster}/{task_id}"),
        "networkInterfaces": [],
        **({"exitCode": run.exit_code} if run.exit_code is not None else {}),
        **({"reason": run.reason} if run.reason else {}),
        **({"logStreamName": f"{name}/default/{task_id}"} if run.started else {}),
    }
    reason = "Essential container in task exited" if run.started else "Task failed to start"
    times = {"startedAt": ms(started)} if run.started else {}
    attempt = {**times, "stoppedAt": ms(stopped), "statusReason": reason, "container": container}
    job["attempts"].append(attempt)
    job["container"] = {**job["container"], **container}
    job.update(
        status="SUCCEEDED" if run.exit_code == 0 and not run.reason else "FAILED",
        statusReason=reason,
        stoppedAt=ms(stopped),
        **times,
    )
    _record_task(world, job, instance, begun, run)
    return stopped


def _record_task(
    world: World, job: Shape, instance: ContainerInstance, begun: datetime, run: Run
) -> None:
    arn = job["container"]["taskArn"]
    started = begun + timedelta(seconds=run.pull_s)
    stopped = from_ms(job["stoppedAt"])
    name = job["jobDefinition"].rsplit("/", 1)[-1]
    image = job["container"]["image"]
    pulled = run.started or "CannotCreate" in (run.reason or "")
    digest = {"imageDigest": digest_of(image)} if pulled else {}
    failure = {"reason": run.reason} if run.reason else {}
    exit_code = {"exitCode": run.exit_code} if run.exit_code is not None else {}
    world.tasks[arn] = {
        "taskArn": arn,
        "clusterArn": world.arn("ecs", f"cluster/{arn.split('/')[-2]}"),
        "containerInstanceArn": instance.arn,
        "taskDefinitionArn": world.arn("ecs", f"task-definition/{name}"),
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "launchType": "EC2",
        "createdAt": begun,
        "pullStartedAt": begun + timedelta(seconds=1),
        **({"pullStoppedAt": started} if pulled else {}),
        **({"startedAt": started} if run.started else {}),
        "stoppedAt": stopped,
        "stopCode": "EssentialContainerExited" if run.started else "TaskFailedToStart",
        "stoppedReason": job["statusReason"],
        "containers": [
            {"name": "default", "image": image, "lastStatus": "STOPPED"}
            | digest
            | exit_code
            | failure
        ],
        "overrides": {
            "containerOverrides": [
                {
                    "name": "default",
                    "environment": [
                        {"name": "AWS_BATCH_JOB_ID", "value": job["jobId"]},
                        {"name": "AWS_BATCH_JQ_NAME", "value": job["jobQueue"].split("/")[-1]},
                        {"name": "AWS_BATCH_JOB_ATTEMPT", "value": str(len(job["attempts"]))},
                    ],
                }
            ]
        },
    }


# --- container images --------------------------------------------------------------------------

Layers = list[tuple[str, int]]  # name, compressed bytes
_DIGESTS: dict[str, str] = {}
_LAYERS: dict[str, Layers] = {}


def digest_of(image: str) -> str:
    """The digest that a tag pointed to when it was pushed."""
    return image.rsplit("@", 1)[-1] if "@" in image else _DIGESTS[image]


def layers_of(digest: str) -> Layers:
    """The layers that were pushed with an image."""
    return _LAYERS[digest]


def push_image(fake: FakeAws, repository: str, tag: str, layers: Layers) -> str:
    """Push a manifest by the real API. Returns the image's URI with its tag."""
    pushed = fake.client("ecr").put_image(
        repositoryName=repository,
        imageManifest=json.dumps(_manifest(f"{repository}:{tag}", layers)),
        imageTag=tag,
    )
    digest = pushed["image"]["imageId"]["imageDigest"]
    fake.world.pushed_at[digest] = fake.world.clock
    uri = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{repository}:{tag}"
    _DIGESTS[uri], _LAYERS[digest] = digest, layers
    return uri


def _manifest(image: str, layers: Layers) -> Shape:
    kind = "application/vnd.docker"
    return {
        "schemaVersion": 2,
        "mediaType": f"{kind}.distribution.manifest.v2+json",
        "config": {
            "mediaType": f"{kind}.container.image.v1+json",
            "size": 7023,
            "digest": _content_digest(image),
        },
        "layers": [
            {
                "mediaType": f"{kind}.image.rootfs.diff.tar.gzip",
                "size": size,
                "digest": _content_digest(name),
            }
            for name, size in layers
        ],
    }


def _content_digest(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


Points = list[tuple[datetime, float]]


def measure(world: World, instance_id: str, balance: Points, length: Points) -> None:
    """AWS/EBS BurstBalance (gp2 alone, per cent) and VolumeQueueLength of the root volume."""
    volume_id = world.instances[instance_id]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    if world.volumes[volume_id]["VolumeType"] == "gp2":
        world.metrics[volume_id, "BurstBalance"] = balance
    world.metrics[volume_id, "VolumeQueueLength"] = length


def measure_idle(world: World) -> None:
    """Volumes that nothing strained since they were made, by the half hour."""
    for volume_id, volume in world.volumes.items():
        times, at = [], volume["CreateTime"]
        while at < world.now:
            times.append(at)
            at += timedelta(minutes=30)
        if volume["VolumeType"] == "gp2":
            full = [(at, 100.0) for at in times]
            world.metrics.setdefault((volume_id, "BurstBalance"), full)
        world.metrics.setdefault((volume_id, "VolumeQueueLength"), [(at, 0.01) for at in times])
