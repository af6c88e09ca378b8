"""The forecast of an account is of its own jobs, or there is none and the reason is told."""

import pytest

from batchguide import runbook
from batchguide.account import Account
from batchguide.account_scenario import scenario_of
from batchguide.capture import Call, CallError, Capture, load_capture
from batchguide.report.forecast import basis_of

REFUSED = CallError("AccessDeniedException", "no", "batch:ListJobs", "refused")


CUT = CallError("Throttling", "slow down", "batch:ListJobs", "throttled")


@pytest.fixture(scope="module")
def capture():
    return load_capture("demo:disk-full")


def with_call(capture, operation, change):
    """The capture with every call of one operation changed."""
    calls = (change(call) if call.operation == operation else call for call in capture.calls)
    return Capture(capture.meta, tuple(calls))


def answered_empty(call):
    pages = tuple({**page, "jobSummaryList": []} for page in call.pages)
    return Call(call.service, call.operation, call.params, pages)


def cut(call):
    return Call(call.service, call.operation, call.params, call.pages[:1], CUT)


def refused(call):
    return Call(call.service, call.operation, call.params, (), REFUSED)


def test_it_is_the_environment_with_the_most_jobs_as_the_page_understands_it(capture):
    basis = basis_of(capture)

    account = Account.from_capture(capture)
    asked = runbook.open_scenario(basis.scenario, account)
    own = {env.name: scenario_of(account, env).scenario for env in account.compute_environments}
    jobs = {name: sum(it.jobs for it in s.bursts) for name, s in own.items() if s is not None}
    assert len(jobs) > 1
    assert basis.environment == max(jobs, key=jobs.__getitem__)
    assert asked == own[basis.environment]
    assert basis.assumed
    assert (basis.why, basis.missing) == ("", ())


def test_what_was_refused_is_a_gap_and_named(capture):
    blind = with_call(capture, "ListJobs", refused)

    basis = basis_of(with_call(blind, "DescribeJobs", refused))

    assert basis.scenario == ""
    assert "batch:ListJobs" in basis.missing
    assert basis.why == "no forecast, for the capture does not say enough"


def test_jobs_that_were_listed_in_part_make_a_forecast_with_a_gap(capture):
    basis = basis_of(with_call(capture, "ListJobs", cut))

    assert basis.scenario
    assert basis.missing == ("batch:ListJobs",)


def test_a_quiet_account_has_nothing_to_forecast_and_no_gap(capture):
    quiet = with_call(capture, "ListJobs", answered_empty)
    quiet = with_call(quiet, "DescribeJobs", lambda call: Call("batch", "DescribeJobs", {}, ()))

    basis = basis_of(quiet)

    assert basis.scenario == ""
    assert basis.missing == ()
    assert "no job ran in the captured days" in basis.why


def test_an_empty_capture_is_all_gap():
    basis = basis_of(Capture({}, ()))

    assert basis.scenario == ""
    assert set(basis.missing) >= {"batch:DescribeComputeEnvironments", "batch:ListJobs"}
