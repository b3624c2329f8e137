"""Proofs of properties by k-induction."""

from hw.formal.prove import Proof, ProofError, prove

__all__ = ["Proof", "ProofError", "prove"]
