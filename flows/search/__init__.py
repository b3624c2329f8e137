"""The design space, what a candidate is worth, the sampler, the Pareto front, measuring, the whole job."""
