"""Matins and its peers, measured on the same work on this machine: `make bench`."""
