"""The engine as its users see it; feed.py makes batches and feeds them."""
