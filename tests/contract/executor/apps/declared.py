"""An application as users write it."""

from __future__ import annotations

from matins import JobContext, Matins, shell

app = Matins()


@app.job(tags=["feed"])
def refresh(ctx: JobContext, feed: str = "all") -> str:
    ctx.log.info("refreshing %s", feed)
    return f"{ctx.job} {feed}"


@app.job
async def check() -> str:
    return "checked"


app.job(shell("true"), name="touch")
