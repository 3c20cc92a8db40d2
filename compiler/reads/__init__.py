"""Which blocks of which experts a merge reads under a budget, and what leaving out the others costs."""
