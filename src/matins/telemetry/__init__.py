"""What happens, told: events as facts in one file, their words in another."""
