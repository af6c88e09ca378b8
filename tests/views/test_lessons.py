"""What the pages teach from: every belief has its source, and every figure is computed."""

import json

import pytest

from batchguide import facts
from batchguide.disk.agent_config import AgentSettings
from batchguide.disk.docker import constant
from batchguide.errors import UserError
from batchguide.units import MIB
from batchguide.views import lessons

BELIEFS = [row["name"] for row in facts.rows("beliefs.csv")]


@pytest.mark.parametrize("name", BELIEFS)
def test_a_belief_shows_what_was_found_since_when_and_where_to_read_it(name):
    row = next(row for row in facts.rows("beliefs.csv") if row["name"] == name)

    html = lessons.belief_card(name).html

    assert all(lead in html for lead in ("Believed.", "Found.", "Since."))
    assert row["as_of"] in html
    assert f"Known: {lessons.EVIDENCE_WORDS[row['evidence']]}" in html
    for url in (row["source"], row["more"]):
        assert not url.startswith("https://") or f'href="{url}"' in html


def test_the_figures_in_the_beliefs_are_those_of_the_tables():
    found = {row["name"]: f"{row['found']} {row['since']}" for row in facts.rows("beliefs.csv")}
    amis, profiles = facts.ami_generations(), facts.agent_profiles()
    alone, managed = (
        AgentSettings.from_env(profiles[name].settings) for name in ("ecs-default", "batch-managed")
    )

    volume = found["volume-8-gib"]
    assert f"{amis['al1'].root_gib} GiB was the root volume" in volume
    assert f"a second volume of {amis['al1'].data_gib} GiB" in volume
    assert amis["al2"].root_gib == amis["al2023"].root_gib
    assert f"one volume of {amis['al2023'].root_gib} GiB for both" in volume
    assert amis["al2"].batch_default_from in volume
    assert amis["al2023"].batch_default_from in volume
    wait = found["three-hours"]
    assert f"{alone.task_cleanup_wait_s / 3600:g} hours is how long" in wait
    assert f"every {alone.image_cleanup_interval_s / 60:g} minutes" in wait
    batch_min = (managed.task_cleanup_wait_s / 60, managed.image_cleanup_interval_s / 60)
    assert "Batch sets {:g} and {:g} minutes".format(*batch_min) in wait
    assert f"within {constant('inspect_timeout_s'):g} s" in found["cannot-inspect"]
    per_container_mib = [constant("container_bytes", fs) / MIB for fs in ("ext4", "xfs")]
    assert all(0.05 < size < 0.15 for size in per_container_mib)
    assert "about a tenth of a MiB" in found["fresh-copy"]


def test_a_belief_that_is_not_there_is_refused_by_name():
    with pytest.raises(UserError, match=r"no belief 'flat-earth'; there are volume-8-gib"):
        lessons.belief_card("flat-earth")


def test_the_tables_have_every_generation_and_every_profile():
    amis, profiles = lessons.ami_table().html, lessons.profile_table().html

    assert all(ami.title in amis for ami in facts.ami_generations().values())
    assert all(name in profiles for name in facts.agent_profiles())
    assert "<td>3 h</td><td>2 min</td>" in profiles


def test_inspects_slow_down_with_writers_and_with_the_volume_and_cross_the_limit():
    rows = {(row["volume"], row["writers"]): row["seconds"] for row in lessons.inspect_seconds()}
    fast, included, spent = dict.fromkeys(volume for volume, _ in rows)

    for volume in (fast, included, spent):
        times = [rows[volume, writers] for writers in range(lessons.MOST_WRITERS + 1)]
        assert times == sorted(times)
    for writers in range(1, lessons.MOST_WRITERS + 1):
        assert rows[fast, writers] < rows[included, writers] < rows[spent, writers]
    assert rows[included, 0] < 30 < rows[included, lessons.MOST_WRITERS]


def test_the_index_is_read_from_the_pages(tmp_path):
    first = "# A title\n\n**Use it when** it\nhurts.\n\n**You need** nothing."
    page = {"cells": [{"cell_type": "markdown", "source": [first]}]}
    (tmp_path / "41-mend-it.ipynb").write_text(json.dumps(page))
    (tmp_path / "notes.ipynb").write_text("not a page")

    (entry,) = lessons.page_entries(tmp_path)

    assert entry == lessons.PageEntry("41-mend-it", "A title", "it hurts.")


def test_a_page_without_use_it_when_is_refused(tmp_path):
    page = {"cells": [{"cell_type": "markdown", "source": ["# A title"]}]}
    (tmp_path / "41-mend-it.ipynb").write_text(json.dumps(page))

    with pytest.raises(UserError, match=r"41-mend-it.ipynb: its first cell needs"):
        lessons.page_entries(tmp_path)


def test_the_index_links_every_page_but_itself():
    html = lessons.index_table().html

    for path in facts.runbooks_path().glob("[0-9]*.ipynb"):
        assert (f'href="{path.name}"' in html) is not path.name.startswith("00-")
