"""The shared trainer: rows to token sequences, sequences to a trained model, folders in and out.

`rows` reads columns, `encode` turns rows into labelled tokens, `sequences` cuts and spools them, `loop`
trains, `folder` loads, `save` writes. Verbs that train differ in their loss and their sequences only.
"""
