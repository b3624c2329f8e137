"""Finding tools, their versions and remedies, and running them with a time limit."""

from hw.tools.find import TOOLS, Tool, environment, locate, prepare, version, versions
from hw.tools.run import Completed, ToolError, run

__all__ = ["TOOLS", "Completed", "Tool", "ToolError", "environment", "locate", "prepare", "run", "version", "versions"]
