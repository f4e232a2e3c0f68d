"""What goes out (publisher): outcomes, last_values for new subscribers, catchup for those who missed something (from a
ring a kind), and dead_letters for what was refused.
"""
