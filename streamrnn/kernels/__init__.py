"""Floor 0: nopython functions over flat arrays. Imports nothing of ours but kernels.

Rules
- No allocation in the step, no Python object, no exception: what can go wrong is a value (NaN) or a bit.
- float32 or float64 from the same source: constants are made in the array's own type. Clocks, experts and calibration
  are float64 always, in the units of the data (a byte counter does not fit float32).
- Views are contiguous and made once per message; inner loops index them by the loop variable alone.
- A part (layer, head, optimiser, expert) is a few functions of its family's C signature; a plan holds their addresses.
- fast-math without nnan and ninf: the firewall must see what is not finite.

Letters of shapes and the places in a row: table.py. What was tried and what it gave (GRU(8 -> 32), window 16, one
core): input-major products with four inputs a pass, four dot products at once going back, weight gradients folded
once per update eight rows a pass, rational tanh: 0.26 us forward and 0.44 us back per row, against 1.64 us together
in the prototype. A call through an address costs 6 ns, through a switch of all parts 125 ns.
"""
