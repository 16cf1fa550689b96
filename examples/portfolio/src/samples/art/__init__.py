"""Pictures drawn by the program itself, each one the same on every machine for the same seed."""

from .abstract import field, paper, tiles, wash
from .scenes import dusk, meadow, tides, windows
from .vessels import still

STYLES = {
    style.__name__: style
    for style in (dusk, field, meadow, paper, still, tides, tiles, wash, windows)
}


def draw(style, size, palette, seed):
    """A picture in one of the STYLES; `palette` is a list of hexadecimal colours."""
    return STYLES[style](size, palette, seed)
