"""Floor 0: nopython functions over flat arrays. Imports nothing of ours but kernels.

Rules
- No allocation in the step, no Python object, no exception: what can go wrong is a value (NaN) or a bit.
- float32 or float64 from the same source: constants are made in the array's own type. Clocks, experts and calibration
  are float64 always, in the units of the data (a byte counter does not fit float32).
- Views are contiguous and made once per message; inner loops index them by the loop variable alone.
- A part (layer, head, optimiser, expert) is a few functions of its family's C signature; a plan holds their addresses.
- fast-math without nnan and ninf: the firewall must see what is not finite.

Letters of shapes: core/program.py; the places in a row: core/layout.py. What was tried and what it gave (GRU(8 -> 32),
window 16, one core of which a 1,024 x 1,024 sgemm draws 92 GFLOP/s), forward and a row back:

    each matrix quantity a view of one record per time step                     1.64 us together
    products with four inputs a pass, a block a quantity, gradients folded      0.26 us and 0.44 us
      once per update, rational tanh
    sums in registers (simd.py: tiles, transposing dots), no gradient at the    0.21 us and 0.31 us; LSTM from
      inputs that nobody asks for                                               0.74 and 0.90 us to 0.34 and 0.39 us
    elementwise formulas by whole registers (simd.each)                         GRU(16) 0.25 to 0.16 us forward

The fold runs at 65 to 67 GFLOP/s, a product with one vector at 50 while the matrix is in the first cache and at 30 from
the second. Adam is bound by its root and division: 0.4 ns a parameter. A call through an address costs 6 ns, through a
switch of all parts 125 ns.
"""
