"""Files that are read at given positions, wherever they lie.

    with open_file(path) as file:                # a local file, or the stand-in of a remote one
        file.read_into(buffer, offset)           # exactly these bytes, or one clear error

A remote file is read by HTTP range requests, or by what fsspec has for its scheme (`s3://`, `gs://`, ...).
In a folder on this machine a *stand-in* holds its address, size, version and header. Everything that needs
headers reads the stand-in, everything that needs payload asks `open_file`.

A version is what tells two contents of one address apart: a strong ETag, or the generation or version id
of an object store. Reads are bound to it, so a file that changes is an error and never a mixture.
"""

from __future__ import annotations

from fusec.runtime.ranges.file import Changed, RangeFile, Traffic
from fusec.runtime.ranges.opening import name_of, open_file, open_remote

__all__ = ["Changed", "RangeFile", "Traffic", "name_of", "open_file", "open_remote"]
