"""From floating point to integers: ranges alone, or training that goes on with their errors."""

from sw.quant.run import Run

__all__ = ["quantize"]

NARROW = 2          # bits of weights that are so coarse that aware training is the training
TINY = 1e-9         # of an accuracy, which rounding decides
SHARE = 0.5         # of the recipe's passes, and of its learning rate, for aware training of wider ones


def quantize(run: Run) -> None:
    """Make the network one of integers, by the cheaper way that holds on ``valid`` unless the recipe says which."""
    options, network = run.recipe.quantize, run.network
    before = run.accuracy("valid") if options.method == "auto" else 0.0
    network.become(quantized=True)
    informed = run.err_in("quantize")
    run.settle(run.recipe.settle.batches)
    if options.method == "post":
        run.did = "ranges alone"
        return
    if options.method == "auto":
        after = run.accuracy("valid")
        reached = f"ranges alone reach {after:.4f} on valid, floating point {before:.4f}"
        allowed = max(options.tolerance, 1 / len(run.data.labels["valid"])) + TINY
        if after >= before - allowed and not informed:
            run.did = f"post: {reached}"
            return
        run.did = "aware: with feedback of the hardware" if informed else f"aware: {reached}"
    else:
        run.did = "aware"
    _aware(run)


def _aware(run: Run) -> None:
    recipe, options, count = run.recipe, run.recipe.quantize, len(run.labels)
    if options.step_size == "learned":
        run.network.learn_steps()
    share = SHARE if "pretrain" in recipe.steps and run.network.narrowest > NARROW else 1.0
    inputs = round(options.passes * count) if options.passes else recipe.inputs(share, count)
    run.fit("quantize", inputs=inputs, peak=options.learning_rate or share * recipe.learning_rate,
            still=0.0 if run.network.narrowest <= NARROW else options.still)
