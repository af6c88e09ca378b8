"""An account as AWS described it: joined, in our units, each value with its place in the capture.

`Account.from_capture` never fails: what is absent, refused, cut or odd becomes a gap that
`account.gaps("ec2:DescribeVolumes")` tells, and a `None` where the value would have been.

The parts: `fields` reads one field, `answers` the rows and gaps of an operation, `batch`, `compute`
and `extras` make the values of `model`, `joined` brings them together, and `fleet`, `volumes` and
`workload` answer what is asked of one compute environment.
"""

from batchguide.account.answers import Gap, Where
from batchguide.account.fleet import Fleet, fleet_of, resolve_template, template_of
from batchguide.account.joined import Account
from batchguide.account.model import (
    Attempt,
    AutoScalingGroup,
    BlockDevice,
    ComputeEnvironment,
    ContainerInstance,
    Instance,
    Job,
    JobDefinition,
    JobQueue,
    LaunchTemplate,
    MachineImage,
    TemplateVersion,
    Volume,
)
from batchguide.account.model_extras import (
    Cluster,
    ContainerImage,
    Metric,
    Rule,
    ScalingActivity,
)
from batchguide.account.volumes import DataVolume, DataVolumes, data_volumes
from batchguide.account.workload import JobShape, Workload, workload_of

__all__ = [
    "Account",
    "Attempt",
    "AutoScalingGroup",
    "BlockDevice",
    "Cluster",
    "ComputeEnvironment",
    "ContainerImage",
    "ContainerInstance",
    "DataVolume",
    "DataVolumes",
    "Fleet",
    "Gap",
    "Instance",
    "Job",
    "JobDefinition",
    "JobQueue",
    "JobShape",
    "LaunchTemplate",
    "MachineImage",
    "Metric",
    "Rule",
    "ScalingActivity",
    "TemplateVersion",
    "Volume",
    "Where",
    "Workload",
    "data_volumes",
    "fleet_of",
    "resolve_template",
    "template_of",
    "workload_of",
]
