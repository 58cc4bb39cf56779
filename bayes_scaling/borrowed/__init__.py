"""Priors that come from measured families: the record, its file, its use, and the alarm when it conflicts."""
