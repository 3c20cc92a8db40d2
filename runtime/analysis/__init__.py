"""What models hold, measured block by block and kept in the catalog: hashes, norms, sketches, inner products."""
