"""Finding tools, their versions and remedies, and running them with a time limit."""

from hw.tools.find import (
    NATIVE,
    PACKAGED,
    TOOLS,
    VARIABLE,
    Choice,
    Tool,
    choice,
    environment,
    locate,
    prepare,
    version,
    versions,
)
from hw.tools.run import Completed, ToolError, run

__all__ = ["NATIVE", "PACKAGED", "TOOLS", "VARIABLE", "Choice", "Completed", "Tool", "ToolError", "choice",
           "environment", "locate", "prepare", "run", "version", "versions"]
