"""What goes out (publisher): outcomes, last_values for new subscribers, catchup for those who missed something, and
dead_letters for what was refused.
"""
