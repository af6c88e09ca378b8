"""A plan's requests as files for those who apply by hand, by CLI, or by CloudFormation."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from batchguide.fixes.plan import Expectation, Request, Step, as_json

_HEAD = """#!/usr/bin/env bash
# Written by batchguide. Read it first; run it in this folder, with the account's credentials.
# It stops at the first surprise; undo-by-hand.sh walks back what was done.
# shellcheck disable=SC2016 # $Latest is a word of AWS here, no variable
set -euo pipefail
cd "$(dirname "$0")"
"""
_EXPECT = """
expect() { # what it means, the value wanted, the command that reads it
  local got
  got=$("${@:3}")
  if [ "$got" != "$2" ]; then
    echo "STOP: $1: expected $2, got $got" >&2
    exit 1
  fi
  echo "ok: $1"
}
until_so() { # the same, for what AWS takes its time for: asked every 15 s for an hour
  local got
  for _ in $(seq 240); do
    got=$("${@:3}")
    if [ "$got" = "$2" ]; then
      echo "ok: $1"
      return
    fi
    sleep 15
  done
  echo "STOP: $1: expected $2, got $got" >&2
  exit 1
}
"""
_KEPT = (
    "BlockDeviceMappings", "CpuOptions", "CreditSpecification", "DisableApiStop",
    "DisableApiTermination", "EbsOptimized", "EnclaveOptions", "ImageId", "InstanceType",
    "KeyName", "Monitoring", "NetworkInterfaces", "SecurityGroupIds", "SecurityGroups",
    "TagSpecifications",
)  # fmt: skip
_METADATA_OPTIONS = (
    "HttpEndpoint", "HttpProtocolIpv6", "HttpPutResponseHopLimit", "HttpTokens",
    "InstanceMetadataTags",
)  # fmt: skip


def request_files(steps: Iterable[Step]) -> dict[str, str]:
    """Each step's parameters, for `aws … --cli-input-json file://…`."""
    return {
        _file_of(number, step.request): as_json(step.request.parameters)
        for number, step in enumerate(steps, 1)
    }


def _file_of(number: int, request: Request) -> str:
    return f"{number:02}-{_kebab(request.operation)}.json"


def _kebab(name: str) -> str:
    """`CreateLaunchTemplateVersion` as the AWS CLI writes it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def apply_script(preconditions: Iterable[Expectation], steps: Iterable[Step]) -> str:
    """The preconditions, then each step and its verification, as AWS CLI commands."""
    lines = [_HEAD + _EXPECT]
    lines += [_read("expect", each) for each in preconditions]
    for number, step in enumerate(steps, 1):
        file = _file_of(number, step.request)
        lines += ["", f"echo {shlex.quote(f'{number}. {step.title}')}"]
        lines.append(f"# running jobs: {_comment(step.effect_on_jobs)}")
        lines.append(f"{_command(step.request)} --cli-input-json {shlex.quote(f'file://{file}')}")
        lines += [_read("until_so", each) for each in step.verify]
    return "\n".join([*lines, ""])


def undo_script(steps: Iterable[Step]) -> str:
    """The inverses, last step first."""
    lines = [_HEAD.rstrip()]
    for step in reversed(tuple(steps)):
        lines += ["", f"echo {shlex.quote(f'undo: {step.title}')}"]
        for request in step.undo:
            parameters = as_json(request.parameters).strip()
            lines.append(f"{_command(request)} --cli-input-json {shlex.quote(parameters)}")
    return "\n".join([*lines, ""])


def _command(request: Request) -> str:
    return f"aws {request.service} {_kebab(request.operation)}"


def _read(word: str, expectation: Expectation) -> str:
    """A read and the value it must give; a structure is compared by the query itself."""
    path, wanted = expectation.path, json.dumps(expectation.value)
    if isinstance(expectation.value, dict | list):
        path, wanted = f"({path}) == `{wanted.replace('`', chr(92) + '`')}`", "true"
    request = expectation.request
    return (
        f"{word} {shlex.quote(_comment(expectation.statement))} {shlex.quote(wanted)}"
        f" {_command(request)} --cli-input-json {shlex.quote(json.dumps(request.parameters))}"
        f" --query {shlex.quote(path)} --output json"
    )


def _comment(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def cloudformation(
    name: str, data: Mapping[str, Any], mappings: list[dict[str, Any]], device: str
) -> str:
    """The launch template as CloudFormation, for accounts that keep theirs so.

    User data is a parameter: a capture holds it redacted, so it is taken from the account itself.
    """
    import yaml

    kept = {key: data[key] for key in _KEPT if key in data} | {"BlockDeviceMappings": mappings}
    options = data.get("MetadataOptions", {})
    if options:
        kept["MetadataOptions"] = {key: options[key] for key in _METADATA_OPTIONS if key in options}
    parameters, properties = _sized(kept, device)
    if "UserData" in data:
        properties["UserData"] = {"Ref": "UserDataBase64"}
        parameters["UserDataBase64"] = {
            "Type": "String",
            "NoEcho": True,
            "Description": "The UserData of the launch template version in use, in base64",
        }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Launch template with a larger {device}, planned by batchguide",
        "Parameters": parameters,
        "Resources": {
            "LaunchTemplate": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {"LaunchTemplateName": name, "LaunchTemplateData": properties},
            }
        },
        "Outputs": {
            "LaunchTemplateId": {"Value": {"Ref": "LaunchTemplate"}},
            "Version": {"Value": {"Fn::GetAtt": ["LaunchTemplate", "LatestVersionNumber"]}},
        },
    }
    return str(yaml.safe_dump(template, sort_keys=False, allow_unicode=True, width=100))


def _sized(kept: dict[str, Any], device: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make the size a parameter, so that the next change needs no new template."""
    import copy

    properties = copy.deepcopy(kept)
    mapping = next(m for m in properties["BlockDeviceMappings"] if m["DeviceName"] == device)
    size_gib = mapping["Ebs"]["VolumeSize"]
    mapping["Ebs"]["VolumeSize"] = {"Ref": "VolumeSizeGib"}
    parameter = {
        "Type": "Number",
        "Default": size_gib,
        "MinValue": 1,
        "Description": f"Size of {device} in GiB, which Docker writes to",
    }
    return {"VolumeSizeGib": parameter}, properties


def policy(actions: Iterable[str]) -> str:
    """An IAM policy with the actions of a plan; a role may be passed to Batch and EC2 alone."""
    passing = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": "*",
        "Condition": {
            "StringEquals": {
                "iam:PassedToService": ["batch.amazonaws.com", "ec2.amazonaws.com"],
            }
        },
    }
    others = [action for action in actions if action != "iam:PassRole"]
    asking = {"Effect": "Allow", "Action": others, "Resource": "*"}
    return as_json({"Version": "2012-10-17", "Statement": [asking, passing]})
