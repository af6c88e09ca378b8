"""A healthy account as a capture; a test names only what it changes.

One managed compute environment with one running instance, one queue that got `JOBS` jobs of one
definition, their image in ECR, and a rule that keeps events. Everything is in AWS's own names.

>>> make_capture(volume={"Size": 8}).calls_of("ec2", "DescribeVolumes")[0].pages[0]["Volumes"][0][
...     "Size"
... ]
8
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from batchguide.account import Account
from batchguide.capture import Call, CallError, Capture
from batchguide.checks import run_checks
from batchguide.findings import Finding

Fields = dict[str, Any]

REGION, ACCOUNT = "eu-west-1", "111122223333"
TAKEN_AT = "2026-11-22T12:00:00Z"
NOON_MS = 1_795_348_800_000  # TAKEN_AT
HOUR_MS = 3_600_000
JOBS = 40
CLUSTER = "prod_Batch_11111111-2222-3333-4444-555555555555"
CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
MEMBER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance/{CLUSTER}/0123456789abcdef"
ENVIRONMENT_ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}:compute-environment/prod"
QUEUE_ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/main"
DEFINITION_ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}:job-definition/resize:3"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/resize:v3"
DIGEST = "sha256:" + "a" * 64
INSTANCE, VOLUME, AMI = "i-0aaaaaaaaaaaaaaa1", "vol-0bbbbbbbbbbbbbbb1", "ami-0ccccccccccccccc1"
TEMPLATE, COPY = "lt-0ddddddddddddddd1", "lt-0eeeeeeeeeeeeeee1"
GROUP = "prod-asg-99999999-8888-7777-6666-555555555555"
SERVICE_ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"
)
LIMITED = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
)
USER_DATA = f"""#!/bin/bash
echo ECS_CLUSTER={CLUSTER} >> /etc/ecs/ecs.config
echo ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=2m >> /etc/ecs/ecs.config
echo ECS_IMAGE_CLEANUP_INTERVAL=10m >> /etc/ecs/ecs.config
echo ECS_IMAGE_MINIMUM_CLEANUP_AGE=10m >> /etc/ecs/ecs.config
echo ECS_NUM_IMAGES_DELETE_PER_CYCLE=5 >> /etc/ecs/ecs.config
"""


class _Gone:
    """A value that stands for a field that AWS did not send."""


GONE = _Gone()


def merged(base: Any, change: Any) -> Any:
    """`base` with some fields set anew, dicts within dicts likewise; GONE takes a field out."""
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return change
    kept = {key: merged(base.get(key), value) for key, value in change.items()}
    return {key: value for key, value in (base | kept).items() if value is not GONE}


def make_capture(
    *,
    environment: Fields | None = None,
    queue: Fields | None = None,
    definition: Fields | None = None,
    jobs: Iterable[Fields] | None = None,
    tasks: Iterable[Fields] = (),
    member: Fields | None = None,
    instance: Fields | None = None,
    user_data: Any = USER_DATA,
    volume: Fields | None = None,
    ami: Fields | None = None,
    template: Fields | None = None,
    template_data: Fields | None = None,
    copy_data: Fields | None = None,
    image: Fields | None = None,
    metrics: Iterable[float] | None = None,
    queue_length: Iterable[float] = (),
    rules: Iterable[Fields] | None = None,
    targets: Iterable[str] = (f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/events/batch",),
    front: Iterable[str] = (),
    front_min: float = 5,
    activities: Iterable[Fields] | None = None,
    group: Fields | None = None,
    cluster: Fields | None = None,
    running: bool = True,
    meta: Fields | None = None,
) -> Capture:
    """The healthy account with changes, each merged into the thing of its name.

    `jobs` are merged one by one into a succeeded job; `running=False` is a fleet scaled in;
    `front_min` are the minutes for which the jobs of `front` have stood where they stand.
    """
    described = [
        make_job(at, change) for at, change in enumerate(jobs if jobs is not None else [{}] * JOBS)
    ]
    here = [1] if running else []
    desired = {"computeResources": {"desiredvCpus": 8 if running else 0}}
    answers: dict[str, list[tuple[Fields, Fields]]] = {
        "sts:GetCallerIdentity": [({}, {"Account": ACCOUNT, "Arn": "arn:aws:iam::x:user/u"})],
        "batch:DescribeComputeEnvironments": [
            (
                {},
                {
                    "computeEnvironments": [
                        merged(merged(_environment(), desired), environment or {})
                    ]
                },
            )
        ],
        "batch:DescribeJobQueues": [({}, {"jobQueues": [merged(_queue(), queue or {})]})],
        "batch:DescribeJobDefinitions": [
            ({"status": "ACTIVE"}, {"jobDefinitions": [merged(_definition(), definition or {})]})
        ],
        "batch:ListJobs": [
            ({"jobQueue": QUEUE_ARN}, {"jobSummaryList": [_summary(job) for job in described]})
        ],
        "batch:DescribeJobs": [
            ({"jobs": [job["jobId"] for job in part]}, {"jobs": part})
            for part in (described[at : at + 100] for at in range(0, len(described), 100))
        ],
        "batch:GetJobQueueSnapshot": [
            (
                {"jobQueue": QUEUE_ARN},
                {"frontOfQueue": {"jobs": [_in_front(id, front_min) for id in front]}},
            )
        ],
        "ecs:ListContainerInstances": [
            ({"cluster": CLUSTER_ARN}, {"containerInstanceArns": [MEMBER_ARN for _ in here]})
        ],
        "ecs:DescribeContainerInstances": [
            (
                {"cluster": CLUSTER_ARN, "containerInstances": [MEMBER_ARN]},
                {"containerInstances": [merged(_member(), member or {})]},
            )
            for _ in here
        ],
        "ecs:ListTasks": [({"cluster": CLUSTER_ARN}, {"taskArns": []})],
        "ecs:DescribeTasks": [({"cluster": CLUSTER_ARN}, {"tasks": list(tasks)})],
        "ec2:DescribeLaunchTemplates": [
            ({}, {"LaunchTemplates": [merged(_template(), template or {}), _batch_copy()]})
        ],
        "ec2:DescribeLaunchTemplateVersions": [
            (
                {"Versions": ["$Latest", "$Default"]},
                {
                    "LaunchTemplateVersions": [
                        _version(TEMPLATE, "prod", template_data),
                        _version(COPY, "Batch-lt-1", copy_data),
                    ]
                },
            )
        ],
        "autoscaling:DescribeAutoScalingGroups": [
            ({}, {"AutoScalingGroups": [merged(_group(running), group or {})]})
        ],
        "autoscaling:DescribeScalingActivities": [
            (
                {"AutoScalingGroupName": GROUP},
                {"Activities": list([make_activity()] if activities is None else activities)},
            )
        ],
        "ecs:DescribeClusters": [
            ({"clusters": [CLUSTER_ARN]}, {"clusters": [merged(_cluster(), cluster or {})]})
        ],
        "ec2:DescribeInstances": [
            (
                {"Filters": [{"Name": "instance-id", "Values": [INSTANCE]}]},
                {"Reservations": [{"Instances": [merged(_instance(), instance or {})]}]},
            )
            for _ in here
        ],
        "ec2:DescribeInstanceAttribute": [
            (
                {"InstanceId": INSTANCE, "Attribute": "userData"},
                {"InstanceId": INSTANCE, "UserData": {"Value": user_data}},
            )
            for _ in here
        ],
        "ec2:DescribeVolumes": [({}, {"Volumes": [merged(_volume(), volume or {})]}) for _ in here],
        "ec2:DescribeImages": [({}, {"Images": [merged(_ami(), ami or {})]})],
        "cloudwatch:GetMetricData": [_metrics(metrics, queue_length)],
        "ecr:BatchGetImage": [({"repositoryName": "resize"}, {"images": [_manifest()]})],
        "ecr:DescribeImages": [
            ({"repositoryName": "resize"}, {"imageDetails": [merged(_image(), image or {})]})
        ],
        "events:ListRules": [({}, {"Rules": list(rules) if rules is not None else [make_rule()]})],
        "events:ListTargetsByRule": [
            ({"Rule": "keep"}, {"Targets": [{"Id": "1", "Arn": arn} for arn in targets]})
        ],
    }
    calls = [call for name, asked in answers.items() for call in _calls(name, asked)]
    return Capture(merged(_meta(), meta or {}), tuple(calls))


def make_account(**changes: Any) -> Account:
    """`make_capture`, parsed."""
    return Account.from_capture(make_capture(**changes))


def find(check_id: str, capture: Capture | None = None, **changes: Any) -> list[Finding]:
    """What one check finds in the healthy account with changes, or in a capture."""
    account = Account.from_capture(capture or make_capture(**changes))
    return list(run_checks(account, ids=[check_id]))


def answer(check_id: str, **changes: Any) -> tuple[str, str]:
    """Status and severity of the only finding of a check."""
    (finding,) = find(check_id, **changes)
    return str(finding.status), str(finding.severity)


def _calls(name: str, asked: list[tuple[Fields, Fields]]) -> list[Call]:
    service, operation = name.split(":")
    if not asked:
        return [Call(service, operation, {}, ())]
    return [Call(service, operation, params, (page,)) for params, page in asked]


# --- faults -----------------------------------------------------------------------------------


def _replaced(capture: Capture, name: str, change: Callable[[Call], Call]) -> Capture:
    service, operation = name.split(":")
    calls = (
        change(call) if (call.service, call.operation) == (service, operation) else call
        for call in capture.calls
    )
    return replace(capture, calls=tuple(calls))


def failed(capture: Capture, name: str, kind: str = "refused") -> Capture:
    """The capture as it would be had AWS answered none of an operation's calls."""
    error = CallError("AccessDeniedException", "no identity-based policy allows it", name, kind)
    return _replaced(capture, name, lambda call: replace(call, pages=(), error=error))


def cut(capture: Capture, name: str) -> Capture:
    """The first page is there, the next was refused."""
    error = CallError("ThrottlingException", "Rate exceeded", name, "throttled")
    return _replaced(capture, name, lambda call: replace(call, error=error))


def emptied(capture: Capture, name: str) -> Capture:
    """Every list that an operation answered is empty, every structure as well."""
    return _replaced(
        capture, name, lambda call: replace(call, pages=tuple(map(_empty, call.pages)))
    )


def _empty(page: Fields) -> Fields:
    return {
        key: [] if isinstance(value, list) else {} if isinstance(value, dict) else value
        for key, value in page.items()
    }


def garbled(capture: Capture, name: str, value: Any = "<html>502</html>") -> Capture:
    """Every field of an operation's answer is something else than AWS documents."""
    return _replaced(
        capture,
        name,
        lambda call: replace(call, pages=tuple(dict.fromkeys(page, value) for page in call.pages)),
    )


def with_definitions(capture: Capture, rows: list[Fields]) -> Capture:
    """The capture with other job definitions."""
    page = {"jobDefinitions": rows}
    name = "batch:DescribeJobDefinitions"
    return _replaced(capture, name, lambda call: replace(call, pages=(page,)))


def absent(capture: Capture, name: str) -> Capture:
    """A capture that has never heard of the operation."""
    service, operation = name.split(":")
    kept = (
        call for call in capture.calls if (call.service, call.operation) != (service, operation)
    )
    return replace(capture, calls=tuple(kept))


# --- things -----------------------------------------------------------------------------------


def _meta() -> Fields:
    return {"account": ACCOUNT, "region": REGION, "taken_at": TAKEN_AT, "days": 7}


def _environment() -> Fields:
    return {
        "computeEnvironmentName": "prod",
        "computeEnvironmentArn": ENVIRONMENT_ARN,
        "ecsClusterArn": CLUSTER_ARN,
        "type": "MANAGED",
        "state": "ENABLED",
        "status": "VALID",
        "statusReason": "ComputeEnvironment Healthy",
        "containerOrchestrationType": "ECS",
        "serviceRole": SERVICE_ROLE,
        "updatePolicy": {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 30},
        "computeResources": {
            "type": "EC2",
            "allocationStrategy": "BEST_FIT_PROGRESSIVE",
            "minvCpus": 0,
            "maxvCpus": 256,
            "instanceTypes": ["m5.2xlarge", "m5a.2xlarge"],
            "subnets": ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0bbbbbbbbbbbbbbb2"],
            "ec2Configuration": [{"imageType": "ECS_AL2023"}],
            "launchTemplate": {"launchTemplateId": TEMPLATE, "version": "$Latest"},
        },
    }


def _queue() -> Fields:
    return {
        "jobQueueName": "main",
        "jobQueueArn": QUEUE_ARN,
        "state": "ENABLED",
        "status": "VALID",
        "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": ENVIRONMENT_ARN}],
        "jobStateTimeLimitActions": [
            {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": 3600, "action": "CANCEL"}
            for reason in LIMITED
        ],
    }


def _definition() -> Fields:
    return {
        "jobDefinitionName": "resize",
        "jobDefinitionArn": DEFINITION_ARN,
        "revision": 3,
        "status": "ACTIVE",
        "type": "container",
        "platformCapabilities": ["EC2"],
        "retryStrategy": {
            "attempts": 3,
            "evaluateOnExit": [
                {"onStatusReason": "Host EC2*", "action": "RETRY"},
                {"onReason": "*", "action": "EXIT"},
            ],
        },
        "timeout": {"attemptDurationSeconds": 3600},
        "containerProperties": {"image": IMAGE, "resourceRequirements": _requirements(1, 2048)},
    }


def _requirements(vcpus: float, memory_mib: int) -> list[Fields]:
    return [
        {"type": "VCPU", "value": str(vcpus)},
        {"type": "MEMORY", "value": str(memory_mib)},
    ]


def _job_arn(id: str) -> str:
    return f"arn:aws:batch:{REGION}:{ACCOUNT}:job/{id}"


def make_job(at: int, change: Fields | None = None) -> Fields:
    """A described job that ran for four minutes, the one after the other started a minute later.

    `reason`, `status_reason`, `minutes` and `member` in the change are short for its attempt's.
    """
    change = dict(change or {})
    started = NOON_MS - 10 * HOUR_MS + int(change.pop("minutes", 4 * at) * 60_000)
    attempt: Fields = {
        "container": {
            "containerInstanceArn": change.pop("member", MEMBER_ARN),
            "taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{at:032x}",
            "exitCode": 0,
        },
        "startedAt": started,
        "stoppedAt": started + 240_000,
        "statusReason": change.pop("status_reason", "Essential container in task exited"),
    }
    if "reason" in change:
        attempt["container"]["reason"] = change.pop("reason")
    job = {
        "jobId": f"job-{at}",
        "jobName": f"resize-{at}",
        "jobArn": _job_arn(f"job-{at}"),
        "jobQueue": QUEUE_ARN,
        "jobDefinition": DEFINITION_ARN,
        "status": "SUCCEEDED",
        "createdAt": started - 60_000,
        "startedAt": started,
        "stoppedAt": started + 240_000,
        "container": {"image": IMAGE, "resourceRequirements": _requirements(1, 2048)},
        "attempts": [attempt],
    }
    return dict(merged(job, change))


def _summary(job: Fields) -> Fields:
    names = ("jobId", "jobName", "status", "statusReason", "createdAt", "jobDefinition")
    return {name: job[name] for name in names if name in job}


def _member() -> Fields:
    return {
        "containerInstanceArn": MEMBER_ARN,
        "ec2InstanceId": INSTANCE,
        "status": "ACTIVE",
        "agentConnected": True,
        "runningTasksCount": 0,
        "registeredResources": [
            {"name": "CPU", "type": "INTEGER", "integerValue": 8192},
            {"name": "MEMORY", "type": "INTEGER", "integerValue": 31587},
        ],
        "versionInfo": {"agentVersion": "1.106.1"},
        "registeredAt": "2026-11-22T02:00:00Z",
    }


def _template() -> Fields:
    return {
        "LaunchTemplateId": TEMPLATE,
        "LaunchTemplateName": "prod",
        "DefaultVersionNumber": 1,
        "LatestVersionNumber": 1,
    }


def _batch_copy() -> Fields:
    return _template() | {"LaunchTemplateId": COPY, "LaunchTemplateName": "Batch-lt-1"}


def _version(id: str, name: str, change: Fields | None) -> Fields:
    ebs = {"VolumeSize": 100, "VolumeType": "gp3"}
    data = {
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": ebs}],
        "UserData": make_mime("#!/bin/bash\n"),
    }
    return {
        "LaunchTemplateId": id,
        "LaunchTemplateName": name,
        "VersionNumber": 1,
        "CreateTime": "2026-10-01T00:00:00Z",
        "LaunchTemplateData": merged(data, change or {}),
    }


def _group(running: bool) -> Fields:
    specification = {"LaunchTemplateId": COPY, "LaunchTemplateName": "Batch-lt-1", "Version": "1"}
    return {
        "AutoScalingGroupName": GROUP,
        "MixedInstancesPolicy": {"LaunchTemplate": {"LaunchTemplateSpecification": specification}},
        "Instances": [{"InstanceId": INSTANCE}] if running else [],
        "AvailabilityZones": [f"{REGION}a", f"{REGION}b"],
        "SuspendedProcesses": [],
    }


def make_mime(script: str) -> str:
    """User data in the only form that Batch takes."""
    return (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=="\n\n'
        f'--==\nContent-Type: text/x-shellscript; charset="us-ascii"\n\n{script}\n--==--\n'
    )


def make_activity(**change: Any) -> Fields:
    """A launch that succeeded half an hour before the capture."""
    activity = {
        "ActivityId": "1",
        "AutoScalingGroupName": GROUP,
        "Description": f"Launching a new EC2 instance: {INSTANCE}",
        "StartTime": "2026-11-22T11:30:00Z",
        "StatusCode": "Successful",
    }
    return activity | change


def _cluster() -> Fields:
    return {"clusterArn": CLUSTER_ARN, "status": "ACTIVE", "activeServicesCount": 0}


def _in_front(id: str, minutes: float) -> Fields:
    since = NOON_MS - int(minutes * 60_000)
    return {"jobArn": _job_arn(id), "earliestTimeAtPosition": since}


def _instance() -> Fields:
    return {
        "InstanceId": INSTANCE,
        "InstanceType": "m5.2xlarge",
        "ImageId": AMI,
        "State": {"Code": 16, "Name": "running"},
        "LaunchTime": "2026-11-22T01:58:00Z",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": VOLUME}}],
        "Tags": [{"Key": "aws:autoscaling:groupName", "Value": GROUP}],
    }


def _volume() -> Fields:
    return {
        "VolumeId": VOLUME,
        "Size": 100,
        "VolumeType": "gp3",
        "Iops": 3000,
        "Throughput": 125,
        "State": "in-use",
        "Attachments": [{"InstanceId": INSTANCE, "Device": "/dev/xvda"}],
    }


def _ami() -> Fields:
    ebs = {"VolumeSize": 30, "VolumeType": "gp3"}
    return {
        "ImageId": AMI,
        "Name": "al2023-ami-ecs-hvm-2023.0.20261110-kernel-6.1-x86_64",
        "OwnerId": "591542846629",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": ebs}],
        "CreationDate": "2026-11-10T00:00:00.000Z",
    }


def _manifest() -> Fields:
    layers = [{"digest": "sha256:base", "size": 2**27}, {"digest": "sha256:top", "size": 2**27}]
    return {
        "registryId": ACCOUNT,
        "repositoryName": "resize",
        "imageId": {"imageDigest": DIGEST, "imageTag": "v3"},
        "imageManifest": json.dumps({"schemaVersion": 2, "layers": layers}),
    }


def _image() -> Fields:
    return {
        "registryId": ACCOUNT,
        "repositoryName": "resize",
        "imageDigest": DIGEST,
        "imageTags": ["v3"],
        "imageSizeInBytes": 2**28,
    }


def _metrics(
    burst_balance: Iterable[float] | None, queue_length: Iterable[float]
) -> tuple[Fields, Fields]:
    """BurstBalance only where it is given: it is not asked for gp3."""
    asked = {"VolumeQueueLength": list(queue_length)}
    asked |= {} if burst_balance is None else {"BurstBalance": list(burst_balance)}
    series = {f"m{at}": (name, values) for at, (name, values) in enumerate(asked.items())}
    queries = [
        {"Id": id, "MetricStat": {"Metric": _metric(name), "Period": 3600, "Stat": "Maximum"}}
        for id, (name, _) in series.items()
    ]
    results = [{"Id": id, "Values": values} for id, (_, values) in series.items()]
    return {"MetricDataQueries": queries}, {"MetricDataResults": results}


def _metric(name: str) -> Fields:
    dimension = {"Name": "VolumeId", "Value": VOLUME}
    return {"Namespace": "AWS/EBS", "MetricName": name, "Dimensions": [dimension]}


def make_rule(**change: Any) -> Fields:
    """A rule that takes every Batch job state change."""
    pattern = change.pop(
        "pattern", {"source": ["aws.batch"], "detail-type": ["Batch Job State Change"]}
    )
    rule = {"Name": "keep", "State": "ENABLED", "EventPattern": json.dumps(pattern)}
    return rule | change
