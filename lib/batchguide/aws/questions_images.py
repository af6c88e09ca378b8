"""Questions to ECR: the layers and sizes of the images that jobs name."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from batchguide.aws.known import Known, Params

# GetMetricData
ECR_IMAGES = 100  # BatchGetImage, DescribeImages
MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_ECR_IMAGE = re.compile(
    r"(?P<registry>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/"
    r"(?P<repository>[^:@\s]+)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)


def container_images(known: Known) -> list[str]:
    """Images of the newest revision of each definition, and of the jobs described."""
    newest: dict[str, dict[str, Any]] = {}
    for definition in known.items("batch", "DescribeJobDefinitions", "jobDefinitions"):
        name = definition.get("jobDefinitionName", "")
        if name not in newest or definition["revision"] > newest[name]["revision"]:
            newest[name] = definition
    described = known.items("batch", "DescribeJobs", "jobs")
    found = [image for item in (*newest.values(), *described) for image in _images_in(item)]
    return list(dict.fromkeys(found))


def _images_in(value: Any) -> Iterator[str]:
    """Every `image` in a definition or job: container, nodes, ECS tasks and pods alike."""
    if isinstance(value, dict):
        image = value.get("image")
        if isinstance(image, str):
            yield image
        nested: Iterable[Any] = (item for key, item in value.items() if key != "attempts")
    else:
        nested = value if isinstance(value, list) else ()
    for item in nested:
        if isinstance(item, dict | list):
            yield from _images_in(item)


def _by_repository(known: Known) -> dict[tuple[str, str], list[Params]]:
    """Image ids in ECR repositories of this region; other regions' need another session."""
    found: dict[tuple[str, str], list[Params]] = {}
    for image in container_images(known):
        match = _ECR_IMAGE.match(image)
        if match is None or match["region"] != known.region:
            continue
        ids = found.setdefault((match["registry"], match["repository"]), [])
        digest = {"imageDigest": match["digest"]}
        ids.append(digest if match["digest"] else {"imageTag": match["tag"] or "latest"})
    return found


def _image_questions(
    repositories: dict[tuple[str, str], list[Params]], **more: Any
) -> Iterator[Params]:
    for (registry, repository), ids in repositories.items():
        distinct = list({json.dumps(image_id): image_id for image_id in ids}.values())
        for at in range(0, len(distinct), ECR_IMAGES):
            batch = distinct[at : at + ECR_IMAGES]
            named = {"registryId": registry, "repositoryName": repository, "imageIds": batch}
            yield {**named, **more}


def image_manifests(known: Known) -> Iterator[Params]:
    return _image_questions(_by_repository(known), acceptedMediaTypes=list(MANIFEST_TYPES))


def platform_manifests(known: Known) -> Iterator[Params]:
    """An image for several architectures is an index; its layers are in the manifests it names."""
    found: dict[tuple[str, str], list[Params]] = {}
    for image in known.items("ecr", "BatchGetImage", "images"):
        for child in _manifest(image).get("manifests") or []:
            if (child.get("platform") or {}).get("os") == "linux":
                key = (image.get("registryId", ""), image.get("repositoryName", ""))
                found.setdefault(key, []).append({"imageDigest": child.get("digest")})
    return _image_questions(found, acceptedMediaTypes=list(MANIFEST_TYPES))


def _manifest(image: dict[str, Any]) -> dict[str, Any]:
    try:
        manifest = json.loads(image.get("imageManifest") or "{}")
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}


def image_details(known: Known) -> Iterator[Params]:
    """One missing tag fails the whole question, so ask by the digests that ECR has just named."""
    named = _by_repository(known)
    for call in known.calls_of("ecr", "BatchGetImage"):
        if call.error is None and call.pages:
            named.pop((call.params["registryId"], call.params["repositoryName"]), None)
    for image in known.items("ecr", "BatchGetImage", "images"):
        digest = (image.get("imageId") or {}).get("imageDigest")
        if digest:
            key = (image.get("registryId", ""), image.get("repositoryName", ""))
            named.setdefault(key, []).append({"imageDigest": digest})
    return _image_questions(named)
