"""The services of a schedule daemon, all of one shape, and the life of the process that holds them."""
