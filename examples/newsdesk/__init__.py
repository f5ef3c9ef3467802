"""A small news desk: it fetches feeds, matches what is new against saved searches and writes a digest."""
