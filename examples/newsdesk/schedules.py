"""The news desk's jobs and schedules: what Matins is pointed at, as ``newsdesk.schedules:app``."""

from __future__ import annotations

import logging
from contextlib import nullcontext

import httpx

from matins import JobContext, Matins, cron, every, tag
from newsdesk import digest
from newsdesk.desk import open_desk
from newsdesk.feeds import FeedError, fetch
from newsdesk.sample_server import serving
from newsdesk.settings import Settings, load_searches, settings

app = Matins(name="newsdesk")
# What is fetched is logged here in fewer words.
logging.getLogger("httpx").setLevel(logging.WARNING)

# What a job logs is kept with its run; that a request was made says less than what came of it.
logging.getLogger("httpx").setLevel(logging.WARNING)


@app.job(tags=["feed"], timeout="10m", retries=3)
def refresh_feeds(ctx: JobContext) -> dict[str, int]:
    """Fetch every feed and keep what is new."""
    return fetch_all(ctx, settings(), share=1.0)


@app.job(tags=["matching"], timeout="5m", retries=1)
def match_searches(ctx: JobContext) -> dict[str, int]:
    """Match the stored items against the saved searches."""
    return match_all(ctx, settings())


@app.job(tags=["sync"], timeout="30m", retries=1)
def full_sync(ctx: JobContext) -> dict[str, int]:
    """Fetch, match, and write the digest."""
    desk_settings = settings()
    counts = fetch_all(ctx, desk_settings, share=0.8) | match_all(ctx, desk_settings)
    ctx.progress(0.95, "writing the digest")
    listed = digest.write(desk_settings)
    ctx.log.info("digest of %d items written to %s", listed, desk_settings.digest)
    return counts | {"digest_items": listed}


def fetch_all(ctx: JobContext, desk_settings: Settings, *, share: float) -> dict[str, int]:
    """Fetch every feed; one that fails is left out, all failing is an error."""
    counts = {"feeds": 0, "new_items": 0, "failed": 0}
    source = nullcontext(desk_settings.feeds) if desk_settings.feeds else serving()
    with source as addresses, httpx.Client(timeout=20, follow_redirects=True) as client:
        for number, address in enumerate(addresses, start=1):
            counts["feeds"] += 1
            new = fetch_one(ctx, desk_settings, client, address)
            counts["failed" if new is None else "new_items"] += 1 if new is None else new
            ctx.progress(share * number / len(addresses), f"{number} of {len(addresses)} feeds")
    if counts["failed"] == counts["feeds"]:
        raise RuntimeError(f"none of {counts['feeds']} feeds could be fetched")
    return counts


def fetch_one(ctx: JobContext, desk_settings: Settings, client: httpx.Client, address: str) -> int | None:
    """Fetch one feed and keep it; how many items are new, or None when it cannot be had."""
    with open_desk(desk_settings.database) as desk:
        etag, last_modified = desk.last_fetch(address)
        try:
            feed = fetch(client, address, etag=etag, last_modified=last_modified)
        except (httpx.HTTPError, FeedError) as error:
            ctx.log.warning("%s: %s", address, error)
            return None
        new = desk.keep(address, feed)
    ctx.log.info("%s: %s", address, "unchanged" if feed.unchanged else f"{len(feed.items)} items, {new} new")
    return new


def match_all(ctx: JobContext, desk_settings: Settings) -> dict[str, int]:
    """Run every saved search."""
    counts = {"searches": 0, "new_matches": 0}
    with open_desk(desk_settings.database) as desk:
        for search in load_searches(desk_settings.searches):
            new = desk.match(search)
            ctx.log.info("%s: %d new", search.name, new)
            counts["searches"] += 1
            counts["new_matches"] += new
    return counts


app.schedule(
    "daily-full-sync",
    cron("0 2 * * *", tz="UTC"),
    name="Daily full sync",
    jobs="*",
    environments={"production"},
    description="Fetch, match and write the digest, in the quiet of the night",
)
app.schedule(
    "hourly-matching",
    cron("0 * * * *"),
    name="Hourly matching",
    jobs=tag("matching"),
    environments={"production"},
    description="Run the saved searches over what came in",
)
app.schedule(
    "feed-refresh",
    every(minutes=15),
    name="Feed refresh",
    jobs=tag("feed"),
    environments={"production"},
    description="Fetch every feed",
)
app.schedule(
    "dev-quick-test",
    cron("*/5 * * * *"),
    name="Dev quick test",
    jobs="*",
    environments={"development"},
    description="Everything, often, while you are working on it",
)
