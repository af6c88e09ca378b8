"""Images on one volume: whether all that can meet on an instance fit together."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide.account import Account, ComputeEnvironment, data_volumes, workload_of
from batchguide.account_scenario import footprint_of
from batchguide.checks.common import (
    FLEET,
    KEYED,
    TEMPLATE,
    USER_DATA,
    VOLUMES,
    WORKLOAD,
    computed,
    needed,
    on_instances,
    threshold,
)
from batchguide.findings import (
    Evidence,
    Severity,
    Verdict,
    check,
    fails,
    not_applicable,
    passes,
    unknown,
)
from batchguide.units import show_count, show_size

AREA = "disk"
ECR_IMAGES, MANIFESTS = "ecr:DescribeImages", "ecr:BatchGetImage"


@check(
    id="DISK-003",
    title="Images of an environment's jobs do not fit on one instance together",
    severity="high",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, VOLUMES, USER_DATA, WORKLOAD, ECR_IMAGES, MANIFESTS),
    keyed=(*KEYED, ECR_IMAGES, MANIFESTS),
    fixes=["larger-volume"],
    runbook="12-understand-disk",
)
def images_do_not_fit_together(account: Account) -> Iterator[Verdict]:
    """Do the images of all jobs that an environment gets, unpacked, leave too little of the volume?

    Why it matters: an instance that lives long enough pulls them all, and the agent deletes only
    what is old and unused; the pull that does not fit fails jobs of every other image as well.

    How to fix: enlarge the volume, build images on a common base so that layers are shared, or
    send the large images to an environment of their own. Sizes unpacked are estimated from ECR's
    compressed ones, layers that images share are counted once.

    Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageDetail.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/automated_image_cleanup.html
    """
    yield from on_instances(account, _images)


def _images(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    known, workload = data_volumes(account, env), workload_of(account, env)
    footprint = footprint_of(account, workload.images)
    missing = (*known.missing, *workload.missing, *footprint.missing)
    if not workload.images and not missing:
        yield not_applicable(env.resource, "its queues got no job in the days of the capture")
        return
    size_gib = known.smallest.size_gib if known.smallest else None
    if size_gib is None or known.smallest is None or not workload.images:
        message = "what the images take, or of which volume, is not in the capture"
        yield unknown(env.resource, message, missing=missing or (f"instances of {env.name}",))
        return
    used_gib = threshold("os_gib") + footprint.gib
    evidence = (
        Evidence(known.smallest.path, size_gib),
        computed("os_gib + unpacked images, shared layers once", round(used_gib, 2)),
        *(Evidence(path, workload.images) for path in footprint.paths[:1]),
    )
    share = used_gib / size_gib
    message = (
        f"{show_count(len(workload.images), 'image')} of {'at least ' if footprint.missing else ''}"
        f"{show_size(footprint.gib)} unpacked, with"
        f" the operating system {share:.0%} of {show_size(size_gib)}"
    )
    if share > threshold("images_share_fail"):
        yield fails(env.resource, message, *evidence)
    elif share > threshold("images_share_warn"):
        yield fails(env.resource, message, *evidence, severity=Severity.MEDIUM)
    elif missing:
        yield unknown(env.resource, f"{message}; not all was seen", *evidence, missing=missing)
    else:
        yield passes(env.resource, message, *evidence)
