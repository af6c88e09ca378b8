"""What the pages teach from: beliefs and what was found, AMIs, agent profiles, Docker's answers."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import altair as alt

from batchguide import facts
from batchguide.disk.agent_config import AgentSettings
from batchguide.disk.docker import constant
from batchguide.disk.latency import Pressure, inspect_starting_s
from batchguide.disk.volume import INSTANCE_STORE, volume_device
from batchguide.errors import UserError
from batchguide.units import show_size
from batchguide.views.disk_data import Row
from batchguide.views.markup import Shown, inert, inert_prose, link, page, table
from batchguide.views.prose import SETTING_WORDS, setting_words
from batchguide.views.theme import ALARM, CHART_CONFIG, Picture

EVIDENCE_WORDS = {
    "documented": "AWS documents it",
    "source": "read in the source code",
    "measured": "measured",
    "reported": "reported in public, not confirmed",
    "observed": "seen in published copies, not confirmed by AWS",
    "assumption": "assumed",
}
MOST_WRITERS = 6


@dataclass(frozen=True)
class PageEntry:
    """A runbook as the index shows it."""

    name: str
    title: str
    use_it_when: str


def belief_card(name: str) -> Shown:
    """A row of `beliefs.csv` as a card."""
    known = {row["name"]: row for row in facts.rows("beliefs.csv")}
    if name not in known:
        raise UserError(f"there is no belief {name!r}; there are {', '.join(known)}")
    row = known[name]
    sources = [link(url, _place(url)) for url in (row["source"], row["more"]) if url]
    said = (
        f"<p><b>Believed.</b> {inert(row['believed'])}</p>"
        f"<p><b>Found.</b> {inert(row['found'])}</p>"
        f"<p><b>Since.</b> {inert(row['since'])} <span class='bg-dim'>"
        f"Known: {EVIDENCE_WORDS[row['evidence']]} ({row['as_of']}): "
        f"{', '.join(sources)}.</span></p>"
    )
    return Shown(page(f'<div class="bg-card">{said}</div>'), f"{row['believed']} {row['found']}")


def _place(url: str) -> str:
    """Where a source stands, short enough for a line; a file of this repository by its path.

    >>> _place("https://github.com/aws/aws-cdk/issues/9900"), _place("data/SOURCES.md#beliefs")
    ('github.com/aws/aws-cdk', 'data/SOURCES.md#beliefs')
    """
    if not url.startswith("https://"):
        return url
    host, *path = url.removeprefix("https://").split("/")
    return "/".join([host, *path[:2]]) if host == "github.com" else host


def ami_table() -> Shown:
    """Each generation's volumes: which one Docker writes to, and how large it is."""
    rows = [_ami_row(each) for each in facts.ami_generations().values()]
    head = [
        "ECS-optimized AMI",
        "root volume",
        "Docker writes to",
        "a container may use",
        "support",
    ]
    return Shown(page(table(head, rows)), "\n".join(" | ".join(row) for row in rows))


def _ami_row(ami: facts.AmiGeneration) -> list[str]:
    root = f"{ami.root_device}, {show_size(ami.root_gib)} {ami.root_volume_type}"
    own = f"{ami.data_device}, {show_size(ami.data_gib)} {ami.data_volume_type}"
    limit = ami.per_container_limit_gib
    return [
        link(ami.source, ami.title),
        inert(root),
        inert(own) if ami.data_device else "the root volume",
        "all of it" if limit is None else show_size(limit),
        f"{ami.status}, until {ami.end_of_support_on}",
    ]


def profile_table() -> Shown:
    """The settings that decide how long things stay, by profile, with how each is known."""
    profiles = list(facts.agent_profiles().values())
    settings = [asdict(AgentSettings.from_env(profile.settings)) for profile in profiles]
    names = ["task_cleanup_wait_s", "image_cleanup_interval_s", "image_minimum_cleanup_age_s"]
    names += ["images_deleted_per_cycle", "pull_behavior"]
    rows = [
        [SETTING_WORDS[name], *(setting_words(name, each[name]) for each in settings)]
        for name in names
    ]
    rows.append(["applies to", *(inert(profile.applies_to) for profile in profiles)])
    rows.append(["known", *(_known(profile) for profile in profiles)])
    head = ["setting", *(profile.name for profile in profiles)]
    return Shown(page(table(head, rows)), "\n".join(" | ".join(row) for row in rows))


def _known(profile: facts.AgentProfile) -> str:
    said = EVIDENCE_WORDS[profile.evidence]
    return f"{said} ({profile.as_of}), {link(profile.source, 'source')}"


def inspect_seconds() -> list[Row]:
    """Median seconds of an inspect of a starting container, by volume and number of writers.

    The model of `disk.latency`, whose measured cells are named in data/docker.csv.
    """
    volumes = {
        "a fast instance store": volume_device(INSTANCE_STORE, 30),
        "gp3, as included": volume_device("gp3", 30),
        "gp2 of 30 GiB, credits spent": volume_device("gp2", 30, credit=False),
    }
    return [
        {
            "volume": name,
            "writers": writers,
            "seconds": round(inspect_starting_s(device, "xfs", Pressure(fsync=writers)), 2),
        }
        for name, device in volumes.items()
        for writers in range(MOST_WRITERS + 1)
    ]


def inspect_chart() -> Picture:
    """Those seconds as lines against the agent's limit."""
    limit_s = constant("inspect_timeout_s")
    rows = inspect_seconds()
    names = list(dict.fromkeys(row["volume"] for row in rows))
    colour = alt.Color(
        "volume:N",
        scale=alt.Scale(domain=names, range=["#009e73", "#0072b2", "#e69f00"]),
        legend=alt.Legend(title=None, orient="top", symbolType="stroke"),
    )
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("writers:Q", title="containers that write and fsync", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("seconds:Q", title="seconds (logarithmic)", scale=alt.Scale(type="log")),
        color=colour,
        tooltip=["volume:N", "writers:Q", "seconds:Q"],
    )
    limit = alt.Chart(
        alt.InlineData(values=[{"s": limit_s, "said": f"the agent gives up: {limit_s:g} s"}])
    )
    rule = limit.mark_rule(color=ALARM, strokeDash=[6, 3]).encode(y="s:Q")
    text = limit.mark_text(align="left", dx=6, dy=-7, color=ALARM, fontSize=11).encode(
        y="s:Q", x=alt.value(0), text="said:N"
    )
    lines = base.mark_line(point=alt.OverlayMarkDef(size=45), strokeWidth=2)
    return (lines + rule + text).properties(width=560, height=240).configure(**CHART_CONFIG)


def page_entries(directory: Path | None = None) -> list[PageEntry]:
    """Every runbook's title and "Use it when", read from its first cell, in order of number."""
    found = sorted((directory or facts.runbooks_path()).glob("[0-9][0-9]-*.ipynb"))
    return [_entry(path) for path in found]


def _entry(path: Path) -> PageEntry:
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
    text = "".join(first)
    title = re.match(r"# (.+)", text)
    use = re.search(r"\*\*Use it when\*\* (.+?)(?:\n\n|\n\*\*|\n- \*\*|\Z)", text, re.DOTALL)
    if title is None or use is None:
        raise UserError(f"{path.name}: its first cell needs a title and a line **Use it when**")
    return PageEntry(path.stem, title[1].strip(), " ".join(use[1].split()))


def index_table() -> Shown:
    """The index: what hurts, and the page for it."""
    entries = [each for each in page_entries() if not each.name.startswith("00-")]
    rows = [
        [inert_prose(each.use_it_when), f"<b>{link(f'{each.name}.ipynb', each.title)}</b>"]
        for each in entries
    ]
    lines = [f"{each.name}: {each.use_it_when}" for each in entries]
    return Shown(page(table(["use it when", "page"], rows)), "\n".join(lines))
