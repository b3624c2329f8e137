"""Text configurations of a routed ECP5 that holds nothing but block RAMs."""

from collections.abc import Sequence

__all__ = ["config"]


def config(blocks: Sequence[Sequence[int]]) -> str:
    """``blocks`` are the 2,048 words of each."""
    lines = [".device LFE5U-25F\n", "\n"]
    for number, words in enumerate(blocks):
        lines.append(f".bram_init {number}\n")
        lines += [" ".join(f"{word:03x}" for word in words[n:n + 8]) + "\n" for n in range(0, 2048, 8)] + ["\n"]
    return "".join(lines)
