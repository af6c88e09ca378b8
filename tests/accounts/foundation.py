"""What every account has before its first compute environment: a network, roles, quotas."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.machinery import (
    BATCH_PART,
    ECS_AMI_OWNER,
    Launch,
    batch_launch_template,
    device,
    encoded,
    machine_image,
    mime,
    scaling_group,
)
from accounts.world import REGION, Shape, World
from fakeaws import FakeAws

MIB = 1024**2


@dataclass(frozen=True)
class Foundation:
    """The names that a compute environment is made with."""

    subnets: tuple[str, ...]
    zones: tuple[str, ...]
    security_group: str
    instance_profile: str
    service_role: str

    def resources(self, **more: Any) -> Shape:
        """`computeResources` of an EC2 environment."""
        return {
            "type": "EC2",
            "minvCpus": 0,
            "subnets": list(self.subnets),
            "securityGroupIds": [self.security_group],
            "instanceRole": self.instance_profile,
            **more,
        }


def lay(fake: FakeAws, zones: tuple[str, ...] = (f"{REGION}a",)) -> Foundation:
    """Make them by API calls."""
    ec2, iam = fake.client("ec2"), fake.client("iam")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{16 * at}.0/20", AvailabilityZone=zone)
        for at, zone in enumerate(zones)
    ]
    group = ec2.create_security_group(GroupName="batch", Description="batch", VpcId=vpc)
    service_role = iam.create_service_linked_role(AWSServiceName="batch.amazonaws.com")
    _quotas(fake.world)
    return Foundation(
        subnets=tuple(each["Subnet"]["SubnetId"] for each in subnets),
        zones=zones,
        security_group=group["GroupId"],
        instance_profile=make_instance_profile(fake, "ecsInstanceRole"),
        service_role=service_role["Role"]["Arn"],
    )


def make_instance_profile(fake: FakeAws, name: str) -> str:
    iam = fake.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)
    made = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    arn: str = made["Arn"]
    return arn


def _quotas(world: World) -> None:
    named = {
        "L-1216C47A": ("ec2", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"),
        "L-34B43A08": ("ec2", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"),
        "L-7A658B76": ("ebs", "Storage for General Purpose SSD (gp3) volumes, in TiB"),
        "L-D18FCD1D": ("ebs", "Storage for General Purpose SSD (gp2) volumes, in TiB"),
    }
    for code, (service, name) in named.items():
        world.quotas[code] = {
            "ServiceCode": service,
            "QuotaCode": code,
            "QuotaName": name,
            "Value": 2048.0 if service == "ec2" else 50.0,
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


def ecs_al2(world: World, made_at: datetime) -> str:
    """Amazon Linux 2 for ECS: one 30 GiB gp2 root volume."""
    name = "amzn2-ami-ecs-hvm-2.0.20260611-x86_64-ebs"
    return machine_image(world, name, ECS_AMI_OWNER, made_at, [device("/dev/xvda", 30, "gp2")])


def ecs_al2023(world: World, made_at: datetime) -> str:
    """Amazon Linux 2023 for ECS: one 30 GiB gp3 root volume."""
    name = "al2023-ami-ecs-hvm-2023.0.20261110-kernel-6.1-x86_64"
    return machine_image(world, name, ECS_AMI_OWNER, made_at, [device("/dev/xvda", 30, "gp3")])


def requirements(vcpus: int, memory_mib: int) -> list[Shape]:
    return [
        {"type": "VCPU", "value": str(vcpus)},
        {"type": "MEMORY", "value": str(memory_mib)},
    ]


def environment(fake: FakeAws, laid: Foundation, name: str, **resources: object) -> Shape:
    """A managed EC2 environment, as DescribeComputeEnvironments shows it."""
    batch = fake.client("batch")
    batch.create_compute_environment(
        computeEnvironmentName=name,
        type="MANAGED",
        state="ENABLED",
        serviceRole=laid.service_role,
        computeResources=laid.resources(**resources),
    )
    return described(fake, name)


def described(fake: FakeAws, name: str) -> Shape:
    answer = fake.client("batch").describe_compute_environments(computeEnvironments=[name])
    found: Shape = answer["computeEnvironments"][0]
    return found


def managed(
    fake: FakeAws,
    laid: Foundation,
    made: Shape,
    instance_type: str,
    ami: str,
    devices: list[Shape],
    script: str,
) -> Launch:
    """What Batch does with an environment: a template of its own, and a group."""
    cluster = made["ecsClusterArn"]
    user_data = mime(BATCH_PART.format(cluster=cluster.rsplit("/", 1)[-1]), script)
    data = {"ImageId": ami, "UserData": encoded(user_data)}
    if devices:
        data["BlockDeviceMappings"] = devices
    template = batch_launch_template(fake, data)
    group = scaling_group(fake, made, template, laid.subnets)
    return Launch(
        cluster,
        instance_type,
        ami,
        devices,
        user_data,
        group,
        template["LaunchTemplateId"],
        laid.zones,
    )


def queue(fake: FakeAws, name: str, made: Shape) -> None:
    fake.client("batch").create_job_queue(
        jobQueueName=name,
        state="ENABLED",
        priority=10,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}],
    )
