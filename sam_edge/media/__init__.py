"""Pictures and video in and out, what is drawn on them, and what is reported about a run."""
