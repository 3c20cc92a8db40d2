"""`describe`: what a data set holds, as `report.json`."""

from fusec.runtime.kernels.describe.kernel import run

__all__ = ["run"]
