"""What runs in the process of the second opinion, by an interpreter that may have nothing of ours installed.

It is loaded by its path under the name of `NAME`, so its modules import each other relatively, and nothing else but the
standard library, numpy, and the detectors.
"""
