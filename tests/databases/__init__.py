"""Throw-away database servers for the tests and the benchmark.

A *keeper* process owns every server: it starts them from installed binaries on free ports with their data in a
temporary folder, and ends them when whoever started it is gone, however that came about. Nothing here knows Matins.
"""
