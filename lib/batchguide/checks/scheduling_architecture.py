"""Images and instances of different CPU architectures."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchguide.account import Account, ComputeEnvironment, Job, workload_of
from batchguide.checks.budget import allowed_types
from batchguide.checks.common import ENVIRONMENTS, WORKLOAD, needed, on_instances
from batchguide.findings import (
    Evidence,
    Verdict,
    check,
    fails,
    not_applicable,
    passes,
    quote,
    unknown,
)

AREA = "scheduling"
MANIFESTS = "ecr:BatchGetImage"
IN_DOCKER = {"x86_64": "amd64", "arm64": "arm64"}  # Docker's word for EC2's
DIFFERS = re.compile(r"exec format error|no matching manifest|does not match the (?:detected|host)")


@check(
    id="SCHED-007",
    title="Image and instances have different CPU architectures",
    severity="high",
    area=AREA,
    needs=needed(WORKLOAD, ENVIRONMENTS),
    runbook="20-check-account-health",
)
def architectures_differ(account: Account) -> Iterator[Verdict]:
    """Do jobs bring an image that is built for another CPU architecture than their instances have?

    Why it matters: the pull ends with "no matching manifest", or the program with "exec format
    error", on every attempt and every instance.

    How to fix: build the image for both architectures (docker buildx build --platform
    linux/amd64,linux/arm64), or send its jobs to an environment of the other one.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/create-batch-ami.html
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/docker-push-multi-architecture-image.html
    """
    yield from on_instances(account, _architectures)


def _architectures(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    workload, allowed = workload_of(account, env), allowed_types(account, env)
    jobs = [job for queue in account.queues_of(env) for job in account.jobs_of(queue)]
    told = next(((job, words) for job in jobs if (words := _says(job)) is not None), None)
    has = {IN_DOCKER[each] for t in allowed.types for each in t.architectures if each in IN_DOCKER}
    ran = {job.image for job in jobs if job.status == "SUCCEEDED"}
    built = {image: found for image in workload.images if (found := _built_for(account, image))}
    foreign = [image for image, found in built.items() if has and not has & set(found)]
    unsaid = [image for image in workload.images if image not in built and image not in ran]
    if told is not None:
        job, (path, said) = told
        name = quote(job.name or job.id, 60)
        yield fails(env.resource, f"job {name} ended with: {quote(said)}", Evidence(path, said))
    elif foreign:
        yield _foreign(account, env, foreign[0], has)
    elif not workload.shapes and not workload.missing:
        yield not_applicable(env.resource, "its queues got no job in the days of the capture")
    elif workload.missing or unsaid or not has:
        missing = (
            *workload.missing,
            *(account.lacks(*MANIFESTS.split(":")) if unsaid else ()),
            *(f"platform of {quote(image, 120)}" for image in unsaid),
            *(() if has else (f"instance types of {env.name}",)),
        )
        message = "what its images are built for can't be told"
        yield unknown(env.resource, message, missing=missing)
    else:
        message = f"its images run on {' and '.join(sorted(has))}"
        named = Evidence(
            env.where.path("computeResources.instanceTypes"), list(env.instance_types) or None
        )
        yield passes(env.resource, message, named)


def _says(job: Job) -> tuple[str, str] | None:
    """The place and the words of a reason that tells of another architecture."""
    for index, attempt in enumerate(job.attempts):
        if DIFFERS.search(attempt.reason or ""):
            return job.where.path(f"attempts[{index}].container.reason"), attempt.reason or ""
    return None


def _built_for(account: Account, image: str) -> tuple[str, ...]:
    """By the manifest of an image for several platforms; a plain manifest does not say."""
    found = account.image_of(image)
    return found.architectures if found is not None else ()


def _foreign(account: Account, env: ComputeEnvironment, image: str, has: set[str]) -> Verdict:
    found = account.image_of(image)
    named = list(found.architectures) if found is not None else []
    place = found.where.path("imageDigest") if found is not None else MANIFESTS
    return fails(
        env.resource,
        f"{quote(image, 120)} is built for {', '.join(quote(each, 20) for each in named[:5])};"
        f" its instances have {' and '.join(sorted(has))}",
        Evidence(place, found.digest if found is not None else None),
    )
