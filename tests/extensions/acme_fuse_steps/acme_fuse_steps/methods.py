"""Ways to rewrite a text, and one to merge models."""

from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.step import Method


class Shouty(Method, name="shouty", family="voice"):
    """Capitals, and `marks` exclamation marks behind them."""

    marks: Annotated[int, Ge(0), Le(9)] = 1


class Whispered(Method, name="whispered", family="voice"):
    """Small letters."""


class Median(MergeMethod, name="median", family="merge", kernel="acme_fuse_steps.kernels.median"):
    """The median of the experts, weight by weight; the base is not part of it."""

    weighted: ClassVar[bool] = False
