"""The arithmetic of merge methods: one file for each, named like the method, with an `operator` function."""
