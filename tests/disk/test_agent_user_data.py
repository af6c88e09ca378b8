"""User data read without running it; where bash is there, bash is asked too."""

import shutil
import subprocess
from pathlib import Path

import pytest

from batchguide.disk.agent_user_data import parse_ecs_config, settings_in_user_data

CONFIG = "/etc/ecs/ecs.config"
FOLLOWED = {
    "echo": f"echo ECS_A=1 >> {CONFIG}",
    "echo with quotes": f'echo "ECS_A=1" >> {CONFIG}\necho \'ECS_B="2"\' >> {CONFIG}',
    "echo of two lines": f'echo "ECS_A=1\nECS_B=2" >> {CONFIG}',
    "echo -e": f"echo -e 'ECS_A=1\\nECS_B=2' >> {CONFIG}",
    "echo -n joins lines": f"echo -n ECS_A=1 >> {CONFIG}\necho ECS_B=2 >> {CONFIG}",
    "printf": f"printf 'ECS_A=%s\\n' 10m >> {CONFIG}",
    "printf used again": f"printf '%s\\n' ECS_A=1 ECS_B=2 >> {CONFIG}",
    "cat": f"cat <<EOF >> {CONFIG}\nECS_A=1\nECS_B={{'x': 1}}\nEOF",
    "cat, path first": f"cat >> {CONFIG} << 'EOF'\nECS_A=$HOME\nEOF",
    "cat, tabs stripped": f"cat <<-EOF >> {CONFIG}\n\tECS_A=1\n\tEOF",
    "tee": f"echo ECS_A=1 | tee -a {CONFIG} > /dev/null",
    "tee of a here-document": f"tee -a {CONFIG} <<EOF\nECS_A=1\nEOF",
    "here-string": f"cat <<< 'ECS_A=1' >> {CONFIG}",
    "group": f"{{ echo ECS_A=1; echo ECS_B=2; }} >> {CONFIG}",
    "group of lines": f"{{\n  echo ECS_A=1\n  echo ECS_B=2\n}} >> {CONFIG}",
    "subshell": f"(echo ECS_A=1; echo ECS_B=2) >> {CONFIG}",
    "chain": f"mkdir -p /etc/ecs && echo ECS_A=1 >> {CONFIG} && echo ECS_B=2 >> {CONFIG}",
    "path in a variable": f'CFG={CONFIG}\necho ECS_A=1 >> $CFG\necho ECS_B=2 >> "${{CFG}}"',
    "value in a variable": f"WAIT=10m\necho ECS_A=$WAIT >> {CONFIG}",
    "last wins": f"echo ECS_A=1 >> {CONFIG}\necho ECS_A=2 >> {CONFIG}",
    "overwritten": f"echo ECS_A=1 >> {CONFIG}\necho ECS_B=2 > {CONFIG}",
    "comment": f"# echo ECS_A=1 >> {CONFIG}\necho ECS_B=2 >> {CONFIG} # why",
    "continued line": f"echo \\\n  ECS_A=1 \\\n  >> {CONFIG}",
    "shell in a shell": f"bash -c 'echo ECS_A=1 >> {CONFIG}'",
    "two here-documents": f"cat <<A >> {CONFIG}; cat <<B >> {CONFIG}\nECS_A=1\nA\nECS_B=2\nB",
    "dollar escaped": f'cat <<EOF >> {CONFIG}\nECS_A=\\$x\nEOF\necho "ECS_B=\\$y" >> {CONFIG}',
    "errors redirected": f"echo ECS_A=1 2>/dev/null >> {CONFIG} 2>&1",
    "another file": f"echo ECS_A=1 >> /tmp/other\necho ECS_B=2 >> {CONFIG}",
}


@pytest.mark.parametrize("script", FOLLOWED.values(), ids=FOLLOWED.keys())
def test_a_script_is_read_as_bash_runs_it(script: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash to compare with")
    target = tmp_path / "ecs.config"
    body = script.replace(CONFIG, str(target)).replace("/tmp/other", str(tmp_path / "other"))
    subprocess.run(
        [bash, "-c", body.replace("mkdir -p /etc/ecs", "true")],
        check=True,
        capture_output=True,
        timeout=10,
    )

    read = settings_in_user_data(f"#!/bin/bash\n{script}\n")

    assert read.assignments == parse_ecs_config(target.read_text())
    assert read.not_understood == ()


@pytest.mark.parametrize(
    "script",
    [
        f"if nvidia-smi; then echo ECS_A=1 >> {CONFIG}; fi",
        f"for i in 1 2; do\n  echo ECS_A=$i >> {CONFIG}\ndone",
        f"[ -f /x ] && echo ECS_A=1 >> {CONFIG}",
        f"false || echo ECS_A=1 >> {CONFIG}",
        f"aws s3 cp s3://bucket/ecs.config {CONFIG}",
        f"sed -i 's/30m/10m/' {CONFIG}",
        f"curl -s http://169.254.169.254/x >> {CONFIG}",
        f"seq 3 | sort | tee -a {CONFIG}",
        f"cat <<EOF > /usr/local/bin/later.sh\necho ECS_A=1 >> {CONFIG}\nEOF",
        'echo ECS_A=1 >> "$(config_path)"',
        f"echo 'ECS_A=1 >> {CONFIG}",
        f"cat <<EOF >> {CONFIG}\nECS_A=1",
        f"printf '%5.2f' 1 >> {CONFIG}",
        f"echo (redacted) >> {CONFIG}",
        f"echo '(redacted)' >> {CONFIG}",
        f"cat <<'EOF' >> {CONFIG}\n(redacted)\nECS_B=1\nEOF",
    ],
)
def test_what_cannot_be_followed_is_named_and_not_believed(script: str) -> None:
    read = settings_in_user_data(f"#!/bin/bash\n{script}\n")

    assert read.not_understood
    assert "ECS_A" not in read.assignments


def test_a_value_that_only_the_instance_knows_is_none() -> None:
    script = f"echo ECS_A=$(hostname) >> {CONFIG}\necho ECS_B=x-$REGION >> {CONFIG}\n"
    script += f"V=1\nif true; then V=2; fi\necho ECS_C=$V >> {CONFIG}\n"
    script += f"cat <<EOF >> {CONFIG}\nECS_D=`id -u`\nECS_E=5\nEOF\n"

    read = settings_in_user_data("#!/bin/bash\n" + script)

    assert read.assignments == {
        "ECS_A": None, "ECS_B": None, "ECS_C": None, "ECS_D": None, "ECS_E": "5",
    }  # fmt: skip


@pytest.mark.parametrize(("operator", "expected"), [(">>", False), (">", True)])
def test_overwriting_is_noticed(operator: str, expected: bool) -> None:
    read = settings_in_user_data(f"#!/bin/sh\necho ECS_A=1 {operator} {CONFIG}\n")

    assert read.overwrites is expected


def test_tee_without_append_overwrites() -> None:
    assert settings_in_user_data(f"#!/bin/sh\necho ECS_A=1 | sudo tee {CONFIG}").overwrites


MIME = f"""Content-Type: multipart/mixed; boundary="==B=="
MIME-Version: 1.0

--==B==
Content-Type: text/x-shellscript; charset="us-ascii"

#!/bin/bash
echo ECS_IMAGE_CLEANUP_INTERVAL=10m >> {CONFIG}
echo ECS_RESERVED_MEMORY=32 >> {CONFIG}

--==B==
Content-Type: text/cloud-config; charset="us-ascii"

#cloud-config
runcmd:
  - echo ECS_IMAGE_CLEANUP_INTERVAL=60m >> {CONFIG}
  - [sh, -c, "echo ECS_NUM_IMAGES_DELETE_PER_CYCLE=7 >> {CONFIG}"]
write_files:
  - path: {CONFIG}
    append: true
    content: |
      ECS_DISABLE_IMAGE_CLEANUP=true

--==B==--
"""


def test_parts_are_read_in_order_and_the_last_assignment_wins() -> None:
    read = settings_in_user_data(MIME)

    assert read.assignments == {
        "ECS_IMAGE_CLEANUP_INTERVAL": "60m",
        "ECS_RESERVED_MEMORY": "32",
        "ECS_NUM_IMAGES_DELETE_PER_CYCLE": "7",
        "ECS_DISABLE_IMAGE_CLEANUP": "true",
    }
    assert not read.overwrites
    assert read.not_understood == ()


@pytest.mark.parametrize("text", ["", "\n", "#!/bin/sh\nyum update -y\n", "hello"])
def test_user_data_that_says_nothing_of_the_agent(text: str) -> None:
    read = settings_in_user_data(text)

    assert (read.assignments, read.overwrites, read.not_understood) == ({}, False, ())


@pytest.mark.parametrize(
    "text",
    [
        f"echo ECS_A=1 >> {CONFIG}",  # no first line that makes it a script
        f"#cloud-config\n- {CONFIG}",
        f"#cloud-config\nwrite_files: [{{path: {CONFIG}, encoding: b64, content: eA==}}]",
        f"#cloud-config\nwrite_files: [oops\n{CONFIG}",
    ],
)
def test_parts_that_cloud_init_would_not_run_are_named(text: str) -> None:
    read = settings_in_user_data(text)

    assert read.assignments == {}
    assert len(read.not_understood) == 1


def test_write_files_without_append_overwrites() -> None:
    text = f"#cloud-config\nwrite_files: [{{path: {CONFIG}, content: ECS_A=1}}]"

    assert settings_in_user_data(text).overwrites


def test_ecs_config_keeps_quotes_and_knows_no_comments() -> None:
    text = '\n A=1 \nB="10m"\nC=x=y\nnothing\n# D=1\nexport E=1\nA = 2\n'

    assert parse_ecs_config(text) == {
        "A": "1", "B": '"10m"', "C": "x=y", "# D": "1", "export E": "1", "A ": " 2",
    }  # fmt: skip
