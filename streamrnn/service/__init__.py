"""Floor 5: everything that touches the world. The engine below is pure; here are the sockets, the disk and the clock.

`process` runs a `daemon`, a loop over what `startup` has opened: `build` wires the `parts`, a `turn` serves messages,
`chores` follow it, `reload` goes over to another configuration (`changes` tells what that would mean), `stop` ends.
`operator` answers the control socket, `gauges` the scrape; `inspect` looks at a state that nobody serves.

Rules of this floor

- One thread turns the daemon and owns sockets, engine and database: no locks. A second thread serves HTTP and only
  reads counters and the engine's health.
- A batch is received, decoded, admitted, journaled, applied, published, in this order (`turn.serve`). What can
  be refused is refused before the journal; after it nothing is refused.
- Bad input never stops the daemon: it is counted by reason, told in a dead letter, and the next message is served. An
  error of our own while a batch is applied does stop it: the batch is in the journal, the restart replays it.
- Everything dropped is counted, labels come from closed sets, and nothing is logged per message.
- Recovery, reload and the ordinary turn use the same functions of the engine, the decoder and the encoder.

Decisions

- A turn takes what is waiting, up to `limits.max_batch` frames and `ingest.sockets.TURN_BYTES`, shared by the inputs:
  512 frames of 400 invented names each held up everybody else for a second. There is no timer that waits for a batch to
  fill: a lone message is answered at once, and under load batches grow by themselves.
- libzmq tells of every end of a connection by the one event DISCONNECTED, whether the peer left or was cut off for a
  frame above MAXMSGSIZE. `peers` holds a second descriptor of each connection to tell the two apart. Rejected: a larger
  MAXMSGSIZE and a check of our own, which would hold the frame in memory first.
- XPUB with XPUB_MANUAL, and XPUB_MANUAL_LAST_VALUE for the time of one message: what is sent then goes to the peer
  whose subscription was read last. So a subscription is answered by the last prediction or the status, for that peer
  alone. Rejected: XPUB_MANUAL_LAST_VALUE for good. Whatever is sent after an unsubscription was read would reach the
  peer that sent it and no other, or all when that peer has left, and nothing tells the two apart.
- Last values are computed from the engine when somebody asks, not cached: they cost nothing until then and are there
  right after a restart.
- Counters are plain numbers that a collector turns into families when Prometheus asks. Rejected: one client object a
  counter, at 0.8 to 1.8 microseconds an update.
"""
