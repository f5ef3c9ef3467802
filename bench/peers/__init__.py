"""One driver for each peer. Each does the work it is told of and prints one JSON line per figure."""
