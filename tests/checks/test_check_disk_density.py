import pytest

from batchguide.account import workload_of
from batchguide.account_scenario import scenario_of
from batchguide.checks.budget import allowed_types, containers_on, densest_of
from batchguide.checks.disk_density import median_vcpus, one_instance
from batchguide.disk.scenario import Burst, Fleet, Scenario
from batchguide.facts import instance_type
from builders import GONE, IMAGE, answer, find, make_account


def needing(vcpus=1, memory_mib=2048):
    requirements = [
        {"type": "VCPU", "value": str(vcpus)},
        {"type": "MEMORY", "value": str(memory_mib)},
    ]
    return {"container": {"resourceRequirements": requirements}}


def types(*names, **more):
    return {"computeResources": {"instanceTypes": list(names), **more}}


def compressed(gib):
    return {"imageSizeInBytes": int(gib * 2**30)}


@pytest.mark.parametrize(
    ("size_gib", "expected"),
    [
        # 8 containers; 6 + 2 GiB for system and logs, 0.63 GiB of images, 15 % free:
        (58, ("FAIL", "high")),  # 5.08 GiB each is what 58 GiB would leave without images
        (57, ("FAIL", "high")),
        (20, ("FAIL", "high")),
        (19, ("FAIL", "critical")),  # less than 1 GiB each
        (8, ("FAIL", "critical")),
        (64, ("PASS", "critical")),
    ],
)
def test_containers_outgrow_volume(size_gib, expected):
    """(size * 0.85 - 8.63) / 8 crosses 5 GiB between 57 and 58, and 1 GiB between 19 and 20."""
    found = answer("DISK-017", volume={"Size": size_gib})

    assert found == (("PASS", "critical") if size_gib == 58 else expected)


def test_a_forecast_that_fills_the_volume_is_critical():
    """700 jobs that come at once leave 20 MiB each, and 4 GiB of image, on 30 GiB."""
    keeps = "#!/bin/bash\necho ECS_CLUSTER=x >> /etc/ecs/ecs.config\n"  # 3 h, the agent's default
    jobs = [{"minutes": at / 600} | needing(0.25, 64) for at in range(700)]

    (finding,) = find(
        "DISK-017",
        volume={"Size": 20},
        environment=types("m5.large"),
        jobs=jobs,
        user_data=keeps,
    )

    assert (finding.status, finding.severity) == ("FAIL", "critical")
    assert "forecast of its busiest hour" in finding.message
    assert any(each.path.startswith("=forecast, assumed:") for each in finding.evidence)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": []}, "NOT_APPLICABLE"),
        ({"volume": {"Size": GONE}}, "UNKNOWN"),
        ({"image": {"imageSizeInBytes": GONE, "imageDigest": "sha256:other"}}, "UNKNOWN"),
        ({"jobs": [{"container": {"image": "docker.io/library/busybox"}}]}, "UNKNOWN"),
        ({"environment": types("m5.2xlarge", "m99.huge")}, "UNKNOWN"),
        ({"environment": types()}, "PASS"),  # none named: those that run
        ({"jobs": [needing(vcpus=999)]}, "UNKNOWN"),  # nothing that it allows holds the job
        ({"jobs": [needing()], "definition": {"containerProperties": GONE}}, "PASS"),
    ],
)
def test_what_the_density_can_not_tell(changes, expected):
    assert answer("DISK-017", **changes)[0] == expected


@pytest.mark.parametrize(
    ("name", "job", "expected"),
    [
        ("m5.2xlarge", needing(1, 2048), 8),
        ("m5.2xlarge", needing(2, 2048), 4),
        ("m5.2xlarge", needing(0.25, 1024), 30),  # memory: less than nominal registers
        ("m5.2xlarge", needing(16, 1024), 0),
    ],
)
def test_containers_on(name, job, expected):
    account = make_account(jobs=[job])
    (shape,) = workload_of(account, account.compute_environments[0]).shapes

    assert containers_on(instance_type(name), shape) == expected


@pytest.mark.parametrize(
    ("names", "has", "lacks"),
    [
        (["m5"], "m5.24xlarge", "m5.metal"),
        (["optimal"], "m7i.24xlarge", "x2idn.32xlarge"),
        (["default_arm64"], "m7g.16xlarge", "m5.24xlarge"),
        (["m5.large", "c5.large"], "c5.large", "m5.xlarge"),
    ],
)
def test_allowed_types(names, has, lacks):
    account = make_account(environment=types(*names))

    found = {each.name for each in allowed_types(account, account.compute_environments[0]).types}

    assert has in found
    assert lacks not in found


def test_the_densest_pair_is_found():
    account = make_account(
        environment=types("m5.large", "r5.24xlarge"), jobs=[needing(1, 8192), needing(4, 1024)]
    )
    env = account.compute_environments[0]

    dense = densest_of(account, env, workload_of(account, env))

    assert (dense.type.name, dense.shape.vcpus) == ("r5.24xlarge", 1)
    assert 85 <= dense.containers <= 95  # memory decides: 768 GiB nominal, less registered


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"environment": types("m5.4xlarge")}, ("PASS", "high")),  # 16 times
        ({"environment": types("m5.8xlarge")}, ("FAIL", "medium")),  # 32 times
        ({"environment": types("m5.12xlarge")}, ("FAIL", "high")),  # 48 times
        ({"environment": types("m5")}, ("FAIL", "high")),
        ({"environment": types("optimal")}, ("FAIL", "high")),
        ({"environment": types("m5.12xlarge"), "jobs": [needing(4)] * 3}, ("PASS", "high")),
        (
            {
                "environment": types(
                    "m5.12xlarge",
                    launchTemplate={"overrides": [{"targetInstanceTypes": ["m5.12xlarge"]}]},
                )
            },
            ("FAIL", "medium"),  # larger volumes for larger types are possible
        ),
        ({"environment": types("m99.huge")}, ("UNKNOWN", "high")),
        ({"environment": types()}, ("UNKNOWN", "high")),
        ({"jobs": []}, ("NOT_APPLICABLE", "high")),
    ],
)
def test_instances_huge_for_jobs(changes, expected):
    assert answer("DISK-019", **changes) == expected


def test_the_median_counts_jobs_and_not_shapes():
    account = make_account(jobs=[needing(1)] * 5 + [needing(2)] + [needing(8)] * 3)

    assert median_vcpus(workload_of(account, account.compute_environments[0])) == 1


@pytest.mark.parametrize(
    ("compressed_gib", "size_gib", "expected"),
    [
        # (6 + 2.5 * compressed) / size
        (0.25, 100, ("PASS", "high")),
        (8.0, 53, ("PASS", "high")),  # 26 / 53 = 49 %
        (8.0, 51, ("FAIL", "medium")),
        (8.0, 38, ("FAIL", "medium")),  # 26 / 38 = 68 %
        (8.0, 37, ("FAIL", "high")),  # 26 / 37 = 70.3 %
    ],
)
def test_images_do_not_fit_together(compressed_gib, size_gib, expected):
    image = compressed(compressed_gib) | {"imageDigest": "sha256:unlisted", "imageTags": ["v3"]}

    assert answer("DISK-003", image=image, volume={"Size": size_gib}) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": []}, "NOT_APPLICABLE"),
        ({"jobs": [{}, {"container": {"image": "docker.io/library/busybox"}}]}, "UNKNOWN"),
        ({"jobs": [{}, {"container": {"image": IMAGE.replace("v3", "v4")}}]}, "UNKNOWN"),
        ({"jobs": [{"container": {"image": GONE}}]}, "PASS"),  # the definition's
        ({"image": {"imageDigest": "sha256:x", "imageSizeInBytes": GONE}}, "UNKNOWN"),
        ({"volume": {"Size": GONE}}, "UNKNOWN"),
        ({"running": False}, "PASS"),
        (  # what is known of them is too much already
            {"jobs": [{}, {"container": {"image": "busybox"}}], "volume": {"Size": 7}},
            "FAIL",
        ),
    ],
)
def test_what_of_images_can_not_be_told(changes, expected):
    assert answer("DISK-003", **changes)[0] == expected


# --- the account as a scenario ------------------------------------------------------------------


def test_the_account_becomes_a_scenario():
    jobs = [{"minutes": at // 10} for at in range(20)] + [{"minutes": 200}]
    account = make_account(jobs=jobs)

    observed = scenario_of(account, account.compute_environments[0])

    scenario = observed.scenario
    assert observed.missing == ()
    assert "job.writes_mib" in observed.assumed
    assert scenario.bursts == (Burst(0, 10), Burst(60, 10))  # the busiest hour, by the minute
    assert scenario.instance.type == "m5.2xlarge"
    assert (scenario.volume.type, scenario.volume.size_gib) == ("gp3", 100)
    assert scenario.job.vcpus == 1 and scenario.job.memory_mib == 2048
    assert scenario.job.duration_s.median == 240
    assert scenario.agent.task_cleanup_wait_s == 120
    assert [layer.digest for layer in scenario.image.images[0].layers] == [
        "sha256:base",
        "sha256:top",
    ]
    assert sum(layer.size_gib for layer in scenario.image.images[0].layers) == 0.625
    assert scenario.fleet == Fleet(instances=1)


def test_what_jobs_write_can_be_given():
    account = make_account()

    observed = scenario_of(account, account.compute_environments[0], writes_mib=500)

    assert observed.scenario.job.writes_mib.median == 500
    assert "job.writes_mib" not in observed.assumed


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"volume": {"Size": GONE}}, "size of volume"),
        ({"user_data": None}, "user data"),
        ({"jobs": []}, "jobs of prod"),
        ({"image": {"imageSizeInBytes": GONE, "imageDigest": "sha256:x"}}, "size of image"),
        ({"volume": {"Size": 10**9}}, "volume.size_gib"),  # more than the model takes
    ],
)
def test_what_a_scenario_lacks_is_named(changes, missing):
    account = make_account(**changes)

    observed = scenario_of(account, account.compute_environments[0])

    assert observed.scenario is None
    assert any(missing in name for name in observed.missing), observed.missing


def test_a_fleet_that_is_scaled_in_scales_out_in_the_scenario():
    account = make_account(running=False, jobs=[{"attempts": []}])

    observed = scenario_of(account, account.compute_environments[0])

    assert observed.scenario.fleet.scale_out == "on-demand"
    assert observed.scenario.fleet.max_vcpus == 256


def test_one_instance_gets_its_share_of_each_burst_up_to_a_bound():
    whole = Scenario((Burst(0, 9), Burst(60, 20_000)), fleet=Fleet(instances=2))

    single = one_instance(whole)

    assert single.bursts == (Burst(0, 5), Burst(60, 4995))
    assert single.fleet == Fleet(instances=1)
