"""Layers, one file each, of one C signature (contract): recurrent cells (elman, gru, gru_before, lstm, peephole, lru),
dense, conv, attention, memory, embedding, norm and dropout.
"""
