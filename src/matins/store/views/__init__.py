"""Reading for people: queries whose rows are shown, never decided on. One module a resource."""

from matins.store.views import code, occurrences, runs, schedules, workers

__all__ = ["code", "occurrences", "runs", "schedules", "workers"]
