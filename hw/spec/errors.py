"""The errors that Heddle raises for something a user can mend."""

__all__ = ["HeddleError", "SpecError"]


class HeddleError(Exception):
    """A failure with one clear line: what is wrong, where, and the way out. The command line exits with 2."""


class SpecError(HeddleError, ValueError):
    """A specification cannot be built; the message names the field, the value, the rule and the way out."""
