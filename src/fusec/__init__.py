"""fusec: from a declarative .fuse spec to executed model post-training."""

__version__ = "0.1.0"
