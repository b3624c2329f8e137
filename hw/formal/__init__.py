"""Proofs of properties: by k-induction, or bounded."""

from hw.formal.prove import Proof, ProofError, prove, prove_bounded

__all__ = ["Proof", "ProofError", "prove", "prove_bounded"]
