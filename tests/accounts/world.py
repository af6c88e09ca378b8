"""What stands behind the fake's answers and is no request of a user: AWS's own doings.

moto keeps what API calls make (networks, roles, templates, environments, queues, rules, images).
Here is what AWS's machinery makes of them: jobs, instances, volumes, tasks, metrics, states. All
ids come from a counter, and time is a clock that the account's builder moves.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

ACCOUNT = "123456789012"
REGION = "us-east-1"
Shape = dict[str, Any]
_TAIL = hashlib.sha256(ACCOUNT.encode()).hexdigest()


@dataclass
class World:
    """One account in one region; `now` is when it is looked at, `clock` the time while building."""

    now: datetime
    clock: datetime = field(init=False)
    jobs: dict[str, Shape] = field(default_factory=dict)  # DescribeJobs' shape, in order of making
    definitions: dict[str, Shape] = field(default_factory=dict)  # by ARN
    environment_states: dict[str, tuple[str, str]] = field(default_factory=dict)
    environment_resources: dict[str, Shape] = field(default_factory=dict)
    time_limits: dict[str, list[Shape]] = field(default_factory=dict)  # by queue
    machine_images: dict[str, Shape] = field(default_factory=dict)
    instances: dict[str, Shape] = field(default_factory=dict)
    volumes: dict[str, Shape] = field(default_factory=dict)
    user_data: dict[str, str] = field(default_factory=dict)  # as EC2 has it: base64
    container_instances: dict[str, Shape] = field(default_factory=dict)  # by ARN
    tasks: dict[str, Shape] = field(default_factory=dict)  # by ARN
    group_instances: dict[str, list[Shape]] = field(default_factory=dict)
    group_made_at: dict[str, datetime] = field(default_factory=dict)
    activities: dict[str, list[Shape]] = field(default_factory=dict)
    metrics: dict[tuple[str, str], list[tuple[datetime, float]]] = field(default_factory=dict)
    quotas: dict[str, Shape] = field(default_factory=dict)
    pushed_at: dict[str, datetime] = field(default_factory=dict)  # by image digest
    _ids: int = 0

    def __post_init__(self) -> None:
        self.clock = self.now

    def hexes(self, length: int) -> str:
        """The next id's hex digits, the same in every run; alike at the end, to compress well."""
        self._ids += 1
        return hashlib.sha256(f"id {self._ids}".encode()).hexdigest()[:9] + _TAIL[: length - 9]

    def ec2_id(self, prefix: str) -> str:
        return f"{prefix}-0{self.hexes(16)}"

    def uuid(self) -> str:
        return str(UUID(self.hexes(32), version=4))

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def ms(at: datetime) -> int:
    """An instant as Batch counts: milliseconds since the epoch."""
    return int(at.timestamp() * 1000)


def from_ms(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)
