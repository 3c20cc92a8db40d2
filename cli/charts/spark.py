"""Bars in a terminal."""

from __future__ import annotations

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int, *, plain: bool) -> str:
    """A bar of `share` of `width` characters, `#` where it is `plain`; more than nothing always shows."""
    if plain:
        return "#" * (max(round(share * width), 1) if share > 0 else 0)
    eighths = max(round(share * width * 8), 1) if share > 0 else 0
    whole, part = divmod(eighths, 8)
    return _EIGHTHS[8] * whole + (_EIGHTHS[part] if part else "")
