"""From the integer graph to what the engine runs: memory plan, program, and exact cycles."""

from sw.compiler.compile import CompileError, KernelPlan, LayerPlan, Placement, Program, compile_graph
from sw.compiler.cycles import layer_cycles, program_cycles

__all__ = ["CompileError", "KernelPlan", "LayerPlan", "Placement", "Program", "compile_graph", "layer_cycles",
           "program_cycles"]
