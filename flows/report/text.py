"""Text of others, such as names in a model's file, where it is shown."""

__all__ = ["printable"]


def printable(text: str) -> str:
    """With a mark in place of everything that does something to a terminal, or that XML cannot hold.

    >>> printable("conv" + chr(27) + "[2J")
    'conv�[2J'
    """
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
