"""Verbs of Acme: what stands in this namespace is what `extend "acme_fuse_steps"` brings."""

from acme_fuse_steps.methods import Median, Shouty, Whispered
from acme_fuse_steps.rewrite import Rewrite

__all__ = ["Median", "Rewrite", "Shouty", "Whispered"]
