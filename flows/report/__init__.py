"""What a run leaves: its folder, figures, the page; tables and the console."""
