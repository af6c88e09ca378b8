import json
from dataclasses import replace

import pytest

from builders import DIGEST, GONE, answer, failed, find, make_capture

FRESH = {"status": "RUNNABLE", "attempts": []}  # nobody ran the image yet


def built_for(*architectures, **changes):
    """The account with an image for several platforms."""
    platforms = [
        {"digest": f"sha256:{each}", "platform": {"architecture": each, "os": "linux"}}
        for each in architectures
    ]
    manifest = {
        "repositoryName": "resize",
        "imageId": {"imageDigest": DIGEST, "imageTag": "v3"},
        "imageManifest": json.dumps({"schemaVersion": 2, "manifests": platforms}),
    }
    capture = make_capture(**changes)
    calls = (
        replace(call, pages=({"images": [manifest]},))
        if call.operation == "BatchGetImage"
        else call
        for call in capture.calls
    )
    return replace(capture, calls=tuple(calls))


def types(*names):
    return {"computeResources": {"instanceTypes": list(names)}}


@pytest.mark.parametrize(
    ("architectures", "allowed", "expected"),
    [
        (["amd64"], ["m5.large"], "PASS"),
        (["arm64"], ["m5.large"], "FAIL"),
        (["amd64"], ["m7g.large"], "FAIL"),
        (["arm64", "unknown"], ["m7g.large"], "PASS"),
        (["amd64", "arm64"], ["m7g.large"], "PASS"),
        (["unknown"], ["m5.large"], "UNKNOWN"),  # attestations are no platform
        ([], ["m5.large"], "UNKNOWN"),
        (["amd64"], ["r9zz.huge"], "UNKNOWN"),
    ],
)
def test_architectures_differ(architectures, allowed, expected):
    capture = built_for(*architectures, jobs=[FRESH], environment=types(*allowed))

    (finding,) = find("SCHED-007", capture)

    assert (finding.status, finding.severity) == (expected, "high")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),  # a plain manifest does not say, but the image ran
        ({"jobs": [FRESH]}, "UNKNOWN"),
        ({"jobs": []}, "NOT_APPLICABLE"),
        (
            {"jobs": [{"reason": "CannotPullContainerError: no matching manifest for linux"}]},
            "FAIL",
        ),
        ({"jobs": [{"reason": "exec /bin/run: exec format error"}]}, "FAIL"),
        ({"jobs": [FRESH | {"jobDefinition": "gone:1", "container": GONE}]}, "UNKNOWN"),
    ],
)
def test_what_jobs_tell(changes, expected):
    assert answer("SCHED-007", **changes)[0] == expected


def test_the_permission_for_a_manifest_is_named():
    capture = failed(make_capture(jobs=[FRESH]), "ecr:BatchGetImage")

    (finding,) = find("SCHED-007", capture)

    assert "ecr:BatchGetImage" in finding.missing
