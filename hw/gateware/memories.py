"""What synthesis is told about memories.

Nobody uses what a read gives while its address is written, so synthesis need not build logic that defines it.
"""

__all__ = ["BLOCK_RAM", "LUT_RAM", "RAM"]

#: The kind that fits its size.
RAM = {"no_rw_check": 1}
#: A few words, read without a clock.
LUT_RAM = RAM | {"ram_style": "distributed"}
#: Block RAM even for a few words, where logic is scarce.
BLOCK_RAM = RAM | {"ram_style": "block"}
