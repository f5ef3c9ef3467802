"""The transactions of the ledger: plan, request, claim, settle, cancel, recover.

Each takes a transaction and decides with the pure functions of `matins.domain`. Lock order everywhere: pending runs
that are being claimed (never waited for: whoever meets one passes over it), then schedules, then occurrences, then
runs, each by ascending id. Admission happens only under the schedule's lock.
"""
