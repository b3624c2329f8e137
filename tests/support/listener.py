"""A listener to progress that remembers."""

__all__ = ["Heard"]


class Heard:
    """Keeps everything in the order in which it came."""

    def __init__(self):
        self.works, self.counts, self.told_, self.noted_ = [], [], [], []

    def began(self, title, total):
        self.works.append((title, total))

    def ended(self):
        self.works.append("ended")

    def counted(self, done, total):
        self.counts.append((done, total))

    def told(self, task, text):
        self.told_.append((task, text))

    def noted(self, text):
        self.noted_.append(text)
