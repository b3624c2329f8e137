"""``heddle`` that notes each result which it makes, a line a result, in the file ``made`` beside the store's folder.

Run as a program, also in the processes that it starts; a Dask worker takes it with ``--preload``.
"""

from flows.run.store import Store

__all__ = []


def note_all():
    """Once in a process: Dask loads what it is given more than once."""
    make = Store._make
    if make.__name__ == "noted":
        return

    def noted(self, kind, key, final, *more):
        make(self, kind, key, final, *more)
        with (self.root.parent.parent / "made").open("ab", buffering=0) as made:
            made.write(f"{final.name}\n".encode())      # at once and at the end, whoever else writes

    Store._make = noted


note_all()
if __name__ == "__main__":
    from flows.cli import main

    main()
