import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batchguide import facts, tables
from batchguide.errors import UserError

JOB_MIB = 8192


def test_the_notes_instance_is_what_ec2_says():
    kind = facts.instance_type("r5.24xlarge")

    assert (kind.vcpus, kind.memory_mib, kind.gpus) == (96, 786_432, 0)
    assert kind.architectures == ("x86_64",)
    assert kind.ebs_baseline_mibps == pytest.approx(2375e6 / 2**20)
    assert (kind.ebs_baseline_iops, kind.ebs_max_iops) == (80_000, 80_000)
    assert kind.instance_store_gib == 0
    assert kind.usd_per_hour == 6.048


def test_one_job_of_8_gib_per_vcpu_does_not_fill_the_notes_instance():
    kind = facts.instance_type("r5.24xlarge")

    assert kind.memory_mib // JOB_MIB == kind.vcpus
    assert kind.registered_memory_mib // JOB_MIB < kind.vcpus


def test_no_type_registers_what_ec2_sells():
    for kind in facts.instance_types().values():
        assert 0.8 * kind.memory_mib < kind.registered_memory_mib < kind.memory_mib, kind.name


@pytest.mark.parametrize(
    ("name", "registered_mib", "evidence"),
    [
        ("m4.large", 7985, "documented"),
        ("trn1.32xlarge", 507_821, "reported"),
        ("r5.24xlarge", 786_432 - 20_749, "measured"),
    ],
)
def test_what_is_known_of_a_type_goes_before_the_model(name, registered_mib, evidence):
    kind = facts.instance_type(name)

    assert kind.registered_memory_mib == registered_mib
    assert kind.registered_memory_evidence == evidence


def test_the_memory_model_is_near_what_was_measured():
    errors = sorted(
        abs(
            facts.registered_memory(kind.memory_mib, kind.hypervisor, kind.architectures[-1])
            - kind.registered_memory_mib
        )
        / kind.memory_mib
        for kind in facts.instance_types().values()
        if kind.registered_memory_evidence == "measured"
    )

    assert len(errors) > 600
    assert errors[len(errors) * 9 // 10] < 0.02


def test_a_type_nobody_measured_takes_the_model_of_its_own_kind():
    kinds = [
        kind
        for kind in facts.instance_types().values()
        if kind.registered_memory_evidence == "model"
    ]

    assert {kind.hypervisor for kind in kinds} >= {"nitro", None}
    for kind in kinds:
        family = "arm64" if kind.architectures[0].startswith("arm64") else "x86_64"
        modelled = facts.registered_memory(kind.memory_mib, kind.hypervisor, family)
        assert kind.registered_memory_mib == modelled


def test_units_are_converted_once():
    store = facts.instance_type("i3en.24xlarge")
    small = facts.instance_type("m5.large")

    assert store.instance_store_gib == pytest.approx(60_000e9 / 2**30)
    assert store.instance_store_disks == 8
    assert small.ebs_baseline_mibps == pytest.approx(81.25e6 / 2**20)
    assert small.ebs_max_mibps == pytest.approx(593.75e6 / 2**20)


def test_what_the_source_does_not_say_is_none():
    assert facts.instance_type("t2.micro").ebs_baseline_mibps is None
    assert facts.instance_type("t2.micro").ebs_max_iops is None
    assert facts.instance_type("mac1.metal").usd_per_hour is None
    assert facts.volume_type("st1").usd_per_gib_month is None
    assert facts.quotas()["ebs", "gp3_storage_tib"].value is None
    assert facts.ami_generations()["al2023"].data_device is None


def test_a_fraction_of_a_gpu_is_none():
    assert facts.instance_type("g6f.large").gpus == 0
    assert facts.instance_type("p3dn.24xlarge").gpus == 8


@pytest.mark.parametrize(
    ("look_up", "name", "said"),
    [
        (facts.instance_type, "r5.24xlrge", "unknown instance type 'r5.24xlrge'.*r5.24xlarge"),
        (facts.instance_type, "", "unknown instance type ''.*1395"),
        (facts.instance_type, "§§§", "unknown instance type '§§§'.*1395"),
        (facts.volume_type, "gp4", "unknown volume type 'gp4'; did you mean .*gp3"),
        (facts.volume_type, "x", "it must be one of gp2, gp3, io1"),
        (facts.agent_profile, "ecs-defaults", "did you mean ecs-default"),
    ],
)
def test_an_unknown_name_is_refused_with_what_is_near(look_up, name, said):
    with pytest.raises(UserError, match=said):
        look_up(name)


def test_gp2_credits_last_as_the_user_guide_computes():
    gp2 = facts.volume_type("gp2")
    baseline_iops = max(gp2.min_iops, 30 * gp2.baseline_iops_per_gib)

    assert baseline_iops == 100
    assert int(gp2.credit_ios / (gp2.burst_iops - baseline_iops)) == 1862
    assert gp2.credit_ios / baseline_iops == 54_000


def test_gp3_reaches_its_limits_at_the_sizes_the_user_guide_names():
    gp3 = facts.volume_type("gp3")

    assert gp3.max_iops / gp3.max_iops_per_gib == 160
    assert gp3.max_mibps / gp3.max_mibps_per_iops == 8_000
    assert gp3.max_gib == 64 * 1024


def test_batch_keeps_stopped_containers_shorter_than_the_agent_does():
    profiles = facts.agent_profiles()
    wait = "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION"

    assert profiles["ecs-default"].settings[wait] == "3h"
    assert profiles["batch-managed"].settings[wait] == "2m"
    assert profiles["batch-managed"].evidence == "observed"
    assert profiles["batch-guide-60m"].settings["ECS_IMAGE_CLEANUP_INTERVAL"] == "60m"
    for profile in profiles.values():
        assert set(profile.settings) == set(profile.settings_evidence)


def test_profiles_set_only_what_the_agent_knows():
    known = {row["name"] for row in facts.rows("agent-settings.csv")}

    for profile in facts.agent_profiles().values():
        assert set(profile.settings) <= known


def test_amazon_linux_1_alone_keeps_images_on_a_second_volume():
    with_data_volume = {
        name: (ami.root_gib, ami.data_device, ami.data_gib, ami.per_container_limit_gib)
        for name, ami in facts.ami_generations().items()
        if ami.data_device
    }

    assert with_data_volume == {"al1": (8, "/dev/xvdcz", 22, 10)}
    assert facts.ami_generations()["al2"].root_volume_type == "gp2"
    assert facts.ami_generations()["al2023"].root_volume_type == "gp3"


def test_tables_can_not_be_changed():
    with pytest.raises(TypeError):
        facts.instance_types()["x1.large"] = None
    with pytest.raises(AttributeError):
        facts.instance_type("m5.large").vcpus = 4
    with pytest.raises(TypeError):
        facts.agent_profiles()["ecs-default"].settings["ECS_RESERVED_MEMORY"] = "1"


def test_an_installed_package_finds_its_own_data(tmp_path):
    """As a wheel lays it out: data/ and runbooks/ inside the package, no checkout around it."""
    package = Path(tables.__file__).parent
    installed = tmp_path / "batchguide"
    installed.mkdir()
    for module in ("__init__", "errors", "units", "tables", "facts"):
        shutil.copy(package / f"{module}.py", installed)
    shutil.copytree(facts.data_path(), installed / "data")
    (installed / "runbooks").mkdir()
    code = (
        "from batchguide import facts;"
        "print(len(facts.instance_types()), facts.data_path(), facts.runbooks_path())"
    )

    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )

    count = str(len(facts.instance_types()))
    assert ran.stdout.split() == [count, str(installed / "data"), str(installed / "runbooks")]


def test_reading_no_table_costs_no_heavy_library():
    code = (
        "import sys; import batchguide.facts as f; "
        "heavy = {'numpy', 'pandas', 'boto3', 'numba', 'altair'} & set(sys.modules); "
        "print(heavy or '', f.instance_types.cache_info().currsize)"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["0"]
