"""Names within names: what an image string and an ARN of ECS say."""

from __future__ import annotations

import re
from typing import NamedTuple

_ECR = re.compile(
    r"^(?P<registry>\d{12})\.dkr[.-]ecr\.[^/]+/(?P<repository>[^:@]+)"
    r"(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]+))?$"
)


class EcrReference(NamedTuple):
    """An image string that names ECR, in its parts."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None


def ecr_reference(image: str) -> EcrReference | None:
    """The parts of an image string in ECR; None when it is of another registry.

    >>> ecr_reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/resize:v2").tag
    'v2'
    """
    found = _ECR.match(image)
    if found is None:
        return None
    tag = found["tag"] or (None if found["digest"] else "latest")
    return EcrReference(found["registry"], found["repository"], tag, found["digest"])


def cluster_name(arn: object) -> str | None:
    """The name in a cluster's ARN, or the name itself."""
    return arn.rpartition("/")[2] or None if isinstance(arn, str) else None


def cluster_of_container_instance(arn: str | None) -> str | None:
    """The cluster's name in a container instance's ARN; old ARNs do not carry it.

    >>> cluster_of_container_instance("arn:aws:ecs:eu-west-1:1:container-instance/jobs_Batch_1/ab")
    'jobs_Batch_1'
    """
    parts = (arn or "").split("/")
    return parts[1] if len(parts) == 3 else None
