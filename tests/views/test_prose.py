"""Sentences that are computed, and claims that fail when they stop being true."""

from types import SimpleNamespace

import pytest

from batchguide.disk.outcome import simulate
from batchguide.disk.scenario import AgentSpec, Burst, Scenario
from batchguide.findings import Finding, Severity, Status
from batchguide.views import prose


def finding(status, severity=Severity.HIGH, message="it is small."):
    return Finding("D-1", status, severity, "env-a", message)


FAIL, UNKNOWN, PASS = (finding(Status(name)) for name in ("FAIL", "UNKNOWN", "PASS"))


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([], "no check applied, so nothing is known about this account"),
        ([PASS, PASS], "no problem found in 2 questions answered"),
        ([PASS, UNKNOWN], "no problem found in 1 question answered, but 1 question could not be"),
        ([UNKNOWN, UNKNOWN], "nothing was answered, but 2 questions could not be answered"),
        ([FAIL], "1 high problem; the worst, D-1 on env-a: it is small"),
        ([FAIL, UNKNOWN, PASS], "it is small; 1 question could not be answered"),
        (
            [FAIL, finding(Status.FAIL, Severity.CRITICAL, "it is full")],
            "1 critical, 1 high problems; the worst, D-1 on env-a: it is full",
        ),
    ],
)
def test_the_health_verdict_never_calls_the_unknown_healthy(findings, said):
    verdict = prose.health_verdict(findings)

    assert said in verdict
    if Status.UNKNOWN in {it.status for it in findings}:
        assert "could not be answered" in verdict


def test_a_claim_that_holds_is_ticked_and_inert():
    shown = prose.claim("8 < 30 <b>", 8 < 30)

    assert shown.text == "✓ 8 < 30 <b>"
    assert "8 &lt; 30 &lt;b&gt;" in shown.html


def test_a_claim_that_does_not_hold_stops_the_page():
    with pytest.raises(prose.ClaimError, match="not true any more: pigs fly"):
        prose.claim("pigs fly", False)


@pytest.mark.parametrize(("size_gib", "shape"), [(8, "✗"), (500, "✓")])
def test_the_verdict_card_has_a_shape_and_the_sentence(size_gib, shape):
    scenario = Scenario((Burst(0, 200),)).changed(
        {"volume": {"size_gib": size_gib, "used_gib": 5}, "job": {"writes_mib": 500}}
    )
    outcome = simulate(scenario)

    card = prose.verdict_card(outcome)

    assert shape in card
    assert outcome.verdict.split("`")[0] in card


def test_what_differs_from_the_profile_is_named_with_both_values_and_the_source():
    words = prose.agent_words(AgentSpec("batch-managed", task_cleanup_wait_s=10_800))

    assert "a stopped container is kept 3 h (profile: 2 min)" in words
    assert "https://github.com/aws/aws-cdk/issues/9900" in words
    assert "As the profile." in prose.agent_words(AgentSpec("ecs-default"))


@pytest.mark.parametrize(("safe", "word"), [(True, "safe"), (False, "not safe")])
def test_an_advice_says_whether_it_is_safe_also_without_colour(safe, word):
    advice = SimpleNamespace(safe=safe, sentence="Give it 22 GiB <now>.")

    words = prose.advice_words(advice)

    assert f'aria-label="{word}"' in words
    assert "Give it 22 GiB &lt;now&gt;." in words


@pytest.mark.parametrize(
    ("count", "failed_on", "said"),
    [
        (0, None, "No instance ran."),
        (1, None, "The only instance, i-1."),
        (3, "i-1", "Shown: i-1, where the first job fails, of 3 instances."),
        (3, None, "Shown: i-1, the fullest, of 3 instances."),
    ],
)
def test_which_instance_is_shown_is_said(count, failed_on, said):
    instances = tuple(SimpleNamespace(instance=f"i-{at + 1}") for at in range(count))
    failure = SimpleNamespace(instance=failed_on) if failed_on else None
    outcome = SimpleNamespace(instances=instances, first_failure=failure)

    assert prose.picture_words(outcome, instances[0] if instances else None) == said
