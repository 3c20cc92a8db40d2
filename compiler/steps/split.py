"""split: parts of a data set that share no row."""

from __future__ import annotations

from fusec.compiler.cost import Cost
from fusec.compiler.rowtypes import rows_of, scan
from fusec.compiler.slots import Amount, Data
from fusec.compiler.step import Site, Step
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import DataType, MapType, Type, Unknown


class Split(Step, verb="split", kernel="data.split", subject="data"):
    """Cut rows into named parts: `split { test: 2% }` gives `.test` and the rest as `.train`.

    Example:

    ```fuse
    data part = text |> split { test: 5% }
    report held_out = describe { data: part.test }
    ```
    """

    data: Data
    shares: tuple[tuple[str, float], ...]
    seed: int

    open_slots = "shares"
    open_want = Amount("Share")
    loads = ("pyarrow",)

    def gives(self, site: Site) -> Type:
        data = rows_of(self.data)
        total = sum(share for _, share in self.shares)
        if not self.shares or total > 1 + 1e-9 or any(share <= 0 for _, share in self.shares):
            at = site.at(self.shares[0][0]) if self.shares else site.at("shares")
            allowed = "named shares above 0% that add up to at most 100%"
            site.report(
                OutOfRange(at=at, what="the sum of shares", got=f"{total * 100:.6g}%", allowed=allowed)
            )
            return Unknown()
        names = [name for name, _ in self.parts()]
        if names.count("train") > 1:
            allowed = "left out, as `train` takes what the others leave; or shares that add up to 100%"
            got = f"{dict(self.shares)['train'] * 100:.6g}%"
            site.report(OutOfRange(at=site.at("train"), what="train", got=got, allowed=allowed))
            return Unknown()
        if data is None:
            return Unknown()
        return MapType(tuple((name, _part(data, share)) for name, share in self.parts()))

    def parts(self) -> tuple[tuple[str, float], ...]:
        """Every part with its share; `train` takes what is left."""
        rest = 1.0 - sum(share for _, share in self.shares)
        return self.shares if rest <= 1e-9 else (*self.shares, ("train", rest))

    def cost(self, result: Type) -> Cost:
        return scan(self.data)


def _part(data: DataType, share: float) -> DataType:
    return DataType(data.columns, -1, int(data.bytes * share) if data.bytes >= 0 else -1)
