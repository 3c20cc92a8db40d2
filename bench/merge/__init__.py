"""Merging measured: a family generator, a harness around processes, and the tables made with them."""
