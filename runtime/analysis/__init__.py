"""What models hold, measured block by block: hashes, norms, sketches, inner products; kept in the catalog."""
