"""How a network learns: forward and loss on the tape (network), truncated back-propagation (tbptt, recompute), forward
rules (rtrl, rtrl_lru, snap1_elman, snap1_gru, snap1_lstm, of the signature in trace), optimisers, the
second-order filter (ekf, ekf_learn), learning_rate, the rows that an update goes back over (tape) and the network of
events (event_network).
"""
