#!/usr/bin/env python3
"""Writes pdq.csv: what the reference PDQ makes of rasters that a formula draws. Needs numpy and pdqhash from PyPI."""
import numpy as np
import pdqhash

SIZES = [(64, 64), (128, 128), (5, 5), (100, 75), (97, 61), (320, 180), (33, 200), (513, 257), (640, 360)]


def raster(width, height, seed):
    """RGB, each value an integer formula of place and channel, so that any language draws it alike."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return ((x * (x + seed) * 640 // width + 3 * y * y * (seed + 1) + c * x * y) // 97 % 256).astype(np.uint8)


with open("pdq.csv", "w") as out:
    for seed, (width, height) in enumerate(SIZES):
        hashes, quality = pdqhash.compute_dihedral(raster(width, height, seed))
        rows = ["%064x" % int("".join(str(int(b)) for b in bits), 2) for bits in hashes]
        print(width, height, seed, int(quality), *rows, sep=",", file=out)
