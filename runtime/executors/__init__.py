"""Executors walk a plan: `local` in this process, the obvious reference."""
