"""What the browser shows: a tab for each task, with Panel."""
