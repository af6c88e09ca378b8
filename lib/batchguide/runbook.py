"""What the cells of the runbooks call: one line each, so that a page holds no logic.

    from batchguide import runbook

A `show_…` returns what a cell displays; it also hands its values to the report. Everything else
returns plain values of the library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.display import display

from batchguide import facts
from batchguide.account import Account
from batchguide.account_scenario import scenario_of
from batchguide.capture import load_capture
from batchguide.checks import run_checks
from batchguide.disk import outcome as forecast
from batchguide.disk.advice import advise
from batchguide.disk.scenario import Scenario, load_scenario
from batchguide.errors import UserError
from batchguide.findings import Finding, Status, registry
from batchguide.triage import failures
from batchguide.units import show_size
from batchguide.views import causes, charts, health_charts, lessons, prose, tables
from batchguide.views.markup import Shown, inert, page

if TYPE_CHECKING:
    from batchguide.disk.outcome import Outcome
    from batchguide.views.theme import Picture
    from batchguide.widgets.estimator import DiskEstimator

Findings = Sequence[Finding]
OWN = "account:"
"""Before the name of a compute environment: its busiest hour as a scenario."""


# --- an account's health -------------------------------------------------------------------------


def open_capture(source: str) -> Account:
    """Open a capture and show whose it is; a bundled one says that it is a sample."""
    charts.enable_renderer()
    capture = load_capture(source)
    text = f"capture {source}: account {capture.meta.get('account')}, {capture.meta.get('region')}"
    record = {"kind": "capture", "capture": dict(capture.meta)}
    display(Shown(tables.capture_card(source, capture.meta), text, record))  # type: ignore[no-untyped-call]
    return Account.from_capture(capture)


def check_health(account: Account) -> tuple[Finding, ...]:
    """Run every check; worst first."""
    return run_checks(account)


def show_health(findings: Findings) -> Shown:
    """The verdict in a sentence and how many of each kind."""
    said = prose.health_verdict(findings)
    said = said[:1].upper() + said[1:] + "."
    bad = any(finding.status is Status.FAIL for finding in findings)
    card = f'<div class="bg-card {"bg-bad" if bad else "bg-good"} bg-verdict">{inert(said)}</div>'
    record = {"kind": "findings", "findings": [finding.to_dict() for finding in findings]}
    return Shown(page(card) + tables.summary_strip(findings), said, record)


def show_unseen(findings: Findings) -> Shown:
    """What the capture lacks, and the questions that it leaves open."""
    missing = sorted({name for finding in findings for name in finding.missing})
    return Shown(
        tables.unseen_list(findings), "could not be seen: " + (", ".join(missing) or "nothing")
    )


def show_findings(findings: Findings, area: str = "") -> Shown:
    """The findings, worst first, with evidence and fix; of one area when one is named."""
    checks = registry()
    _refuse_area(area, sorted({check.area for check in checks.values()}))
    held = [it for it in findings if not area or checks[it.check].area == area]
    lines = [f"{it.status} {it.severity} {it.check} {it.resource}: {it.message}" for it in held]
    return Shown(tables.findings_table(held, checks), "\n".join(lines) or "no findings")


def show_areas(findings: Findings) -> Picture:
    """One bar an area."""
    charts.enable_renderer()
    return health_charts.findings_chart(findings, registry())


def next_steps(findings: Findings) -> Shown:
    """The pages that the failing findings lead to, the one most named first."""
    return Shown(tables.next_steps_list(findings, registry()), "next steps")


def _refuse_area(area: str, known: Sequence[str]) -> None:
    if area and area not in known:
        raise UserError(f"there is no area {area!r}; there are {', '.join(known)}")


# --- a forecast ----------------------------------------------------------------------------------


def open_scenario(source: str, account: Account | None = None) -> Scenario:
    """A bundled scenario by its name, a path, YAML text, or `account:ENVIRONMENT` of a capture."""
    if account is not None and source.startswith(OWN):
        return _own_scenario(account, source.removeprefix(OWN))
    bundled = {path.stem: path for path in sorted(facts.data_path("scenarios").glob("*.yaml"))}
    if source in bundled:
        return load_scenario(bundled[source])
    if "\n" in source or ":" in source or Path(source).exists():
        return load_scenario(source)
    raise UserError(
        f"there is no scenario {source!r}: give one of {', '.join(bundled)}, a path to a YAML file"
        " that exists, or YAML text"
    )


def _own_scenario(account: Account, name: str) -> Scenario:
    known = {env.name: env for env in account.compute_environments}
    if name not in known:
        allowed = ", ".join(OWN + each for each in known) or "none in this capture"
        raise UserError(f"there is no compute environment {name!r}; there are {allowed}")
    observed = scenario_of(account, known[name])
    if observed.scenario is None:
        missing = ", ".join(observed.missing)
        raise UserError(f"{name} can't be forecast: the capture lacks {missing}")
    return observed.scenario


def show_own_scenarios(account: Account) -> Shown:
    """Each compute environment's busiest hour, forecast; or what the capture lacks for it."""
    observed = {OWN + env.name: scenario_of(account, env) for env in account.compute_environments}
    outcomes = {name: simulate(each.scenario) for name, each in observed.items() if each.scenario}
    return Shown(tables.own_scenarios_table(observed, outcomes), ", ".join(observed) or "none")


def simulate(scenario: Scenario, **change: Any) -> Outcome:
    """The forecast of a scenario, or of one that differs in some sections.

    `simulate(scenario, volume={"size_gib": 30}, agent={"profile": "batch-managed"})`
    """
    return forecast.simulate(scenario.changed(change) if change else scenario, timeline=True)


def show_verdict(outcome: Outcome) -> Shown:
    """The verdict in a sentence; the report counts it as what was asked."""
    record = {"kind": "outcome", "outcome": outcome.to_dict()}
    return Shown(prose.verdict_card(outcome), outcome.verdict, record)


def show_disk(outcome: Outcome, instance: str | None = None) -> Picture:
    """One instance's volume over time; without a name the first to fail, else the fullest."""
    charts.enable_renderer()
    return charts.disk_chart(outcome, instance)


def compare_disks(outcomes: Mapping[str, Outcome]) -> Picture:
    """Named outcomes as small pictures side by side, each against its own capacity."""
    charts.enable_renderer()
    return charts.outcomes_chart(outcomes)


def compare_jobs(outcomes: Mapping[str, Outcome]) -> Shown:
    """Named outcomes as a table: what became of the jobs, the first failure, the peak."""
    lines = [f"{name}: {outcome.verdict}" for name, outcome in outcomes.items()]
    compared = {name: outcome.to_dict() for name, outcome in outcomes.items()}
    record = {"kind": "comparison", "outcomes": compared}
    return Shown(tables.outcomes_table(outcomes), "\n".join(lines), record)


def replay_rules(
    scenario: Scenario,
    volumes_gib: Sequence[float] = (8, 30, 100),
    profiles: Sequence[str] = ("ecs-default", "batch-managed"),
    storages: Sequence[str] = ("fresh-copy-per-job", "shared-layers"),
) -> dict[str, Outcome]:
    """One scenario under each set of rules, named as `8 GiB, ecs-default, shared-layers`."""

    return {
        f"{show_size(size)}, {profile}, {storage}": simulate(
            scenario,
            image={"storage": storage},
            agent={"profile": profile},
            volume={"size_gib": size},
        )
        for storage, profile, size in product(storages, profiles, volumes_gib)
    }


def show_advice(scenario: Scenario, risk: float = 0.01) -> Shown:
    """What would prevent the failures, ranked, with cost."""
    found = advise(scenario, risk=risk)
    html = "".join(prose.advice_words(advice) for advice in found) or "Nothing needs to change."
    return Shown(html, "\n".join(advice.sentence for advice in found) or html)


def estimator(scenario: Scenario) -> DiskEstimator:
    """The forecast under the hand: sliders, the picture, the verdict."""
    from batchguide.widgets.estimator import disk_estimator

    return disk_estimator(scenario)


# --- a failed job --------------------------------------------------------------------------------


def show_failures(account: Account) -> Shown:
    """The likeliest causes of the jobs that failed, and how many have each."""
    return causes.shared_table(failures.shared_causes(account), len(failures.failed_jobs(account)))


def explain(account: Account, job: str = "", text: str = "") -> failures.Explained:
    """The causes of an error text, else of the job of that id, else of the job that failed last."""
    return failures.explain(account, job=job, text=text)


def show_causes(explained: failures.Explained) -> Shown:
    """The likeliest cause in a sentence, and the others; the values go to the report."""
    return causes.causes_card(explained)


def show_evidence(explained: failures.Explained) -> Shown:
    """What speaks for and against each cause, with the words and their place."""
    return causes.evidence_list(explained)


def show_looks(explained: failures.Explained) -> Shown:
    """What tells the causes apart, and where each shows itself."""
    return causes.looks_list(explained)


def cause_steps(explained: failures.Explained) -> Shown:
    """The pages that the causes lead to."""
    return causes.cause_steps(explained)


# --- what the pages teach ------------------------------------------------------------------------


def claim(text: str, truth: bool) -> Shown:
    """A sentence with a tick; it raises when it stops being true."""
    return prose.claim(text, bool(truth))


def show_belief(name: str) -> Shown:
    """What is believed, what was found, since when, how it is known, and where to read it."""
    return lessons.belief_card(name)


def show_amis() -> Shown:
    """The volumes of each generation of the ECS-optimized AMI."""
    return lessons.ami_table()


def show_agent_profiles() -> Shown:
    """What the agent does by default and as Batch sets it, with how each value is known."""
    return lessons.profile_table()


def show_inspect_times() -> Picture:
    """How long Docker takes to answer about a starting container, by volume and by its writers."""
    charts.enable_renderer()
    return lessons.inspect_chart()


def show_index() -> Shown:
    """Every page with the line that says when to use it, read from the pages themselves."""
    return lessons.index_table()
