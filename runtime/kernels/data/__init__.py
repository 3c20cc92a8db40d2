"""Verbs over rows, one file each with `run(inputs, slots, ctx)`; data in and out is `data.arrow`."""
