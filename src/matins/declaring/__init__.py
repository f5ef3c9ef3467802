"""How what users declare becomes definitions: values are read, faults noted with their place, nothing is raised."""
