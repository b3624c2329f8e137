"""FULLY_CONNECTED: of one row a dense layer, of several a convolution of one tap."""

from dataclasses import replace

from sw.frontend.lowering import Operation, Registry
from sw.frontend.operators.scales import NONE
from sw.frontend.operators.weighted import parameters, weights_of
from sw.graph.graph import GraphError

__all__ = ["LOWERS"]

LOWERS = Registry()
DEFAULT = 0     # tflite.FullyConnectedOptionsWeightsFormat


@LOWERS("FULLY_CONNECTED")
def _dense(op: Operation) -> None:
    weights, source, output = weights_of(op, 1, 2), op.tensor(0), op.given()
    outputs, inputs = weights.shape
    rows = source.size // inputs
    if op.option("weights_format", DEFAULT) != DEFAULT:
        raise GraphError("has shuffled weights; convert the network again for the CPU")
    if rows * inputs != source.size or output.size != rows * outputs or output.shape[-1:] != (outputs,):
        raise GraphError(f"weights of {weights.shape} give {outputs} outputs for every {inputs} inputs, but {source} "
                         f"has a shape of {source.shape} and {output} one of {output.shape}; get or convert the file "
                         f"again")
    fields = parameters(op, source=source.type, output=output.type, weights=1, bias=2, axis=0, channels=outputs,
                        activation=op.option("fused_activation_function", NONE))
    value, shape = op.read(0)
    if rows > 1:
        # in the file's own shapes where these are images
        images = len(shape) == 3 and shape[-1] == inputs and output.type.shape == (*shape[:2], outputs)
        height, width = shape[:2] if images else (rows, 1)
        op.define(op.layer("conv", [(value, (height, width, inputs))],
                           replace(output.type, shape=(height, width, outputs)), weights=weights[:, None, None, :],
                           **fields))
        return
    shape = value.type.shape if len(value.type.shape) == 3 else (1, 1, inputs)      # it flattens whatever it reads
    op.define(op.layer("dense", [(value, shape)], replace(output.type, shape=(1, 1, outputs)), weights=weights,
                       **fields))
