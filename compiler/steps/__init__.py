"""Verbs, one file each; the file name is the verb. `source.py` declares what `from` means."""
