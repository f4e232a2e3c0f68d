"""Laws of the engine, over sequences that hypothesis makes up."""
