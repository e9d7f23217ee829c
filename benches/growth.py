#!/usr/bin/env python3
"""Draws what a check and a glance cost in banks of more and more references, and a line through the three largest.

    growth.py growth.csv growth.svg

The rows are what `examples/scale.rs` printed. Cost is taken for a + b n; the line is drawn up to a million references, and
what it says of them is printed.
"""

import csv
import math
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT = 670, 400, 70, 50, 180
MOST, LEAST = 1_000_000, 1_000
# Column, name, colour, and whether a line goes through them: the 99 % of so few uploads is one of them, and tells no trend.
SERIES = [
    ("check_ms", "check, median", "#1f77b4", True),
    ("glance_ms", "glance, median", "#2ca02c", True),
    ("check_p99_ms", "check, 99 %", "#d62728", False),
]


def line(points):
    """The a and b of the straight line with the least squares that does not fall."""
    xs, ys = zip(*points)
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = max(0, sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x in xs))
    return mean_y - slope * mean_x, slope


def place(references, milliseconds):
    """Both axes are logarithmic: 1,000 to a million references, 10 ms to 10 s."""
    across = (math.log10(references) - 3) / 3
    up = (math.log10(max(milliseconds, 10)) - 1) / 3
    return LEFT + across * (WIDTH - LEFT - RIGHT), (HEIGHT - BOTTOM) * (1 - up) + 10 * up


def main(source, target):
    rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(open(source))]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for power in range(3, 7):
        x, y = place(10**power, 10)
        out.append(f'<path d="M{x:.1f} {y:.1f}V10" stroke="#ddd"/><text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{10**power:,}</text>')
    for power in range(1, 5):
        (x, y), (end, _) = place(LEAST, 10**power), place(MOST, 10**power)
        out.append(f'<path d="M{x:.1f} {y:.1f}H{end:.1f}" stroke="#ddd"/><text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{10**power} ms</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">references of two minutes</text>')
    for key, name, colour, has_line in SERIES:
        measured = [(row["references"], row[key]) for row in rows]
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in (place(*point) for point in measured)]
        if not has_line:
            x, y = place(*measured[-1])
            out.append(f'<text x="{x:.1f}" y="{y - 10:.1f}" fill="{colour}">{name}</text>')
            continue
        a, b = line(measured[-3:])
        steps = [10 ** (4 + i / 20) for i in range(41)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(n, a + b * n) for n in steps))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-dasharray="4 3"/>')
        x, y = place(MOST, a + b * MOST)
        out.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}: {a + b * MOST:,.0f} ms</text>')
        print(f"{name}: {a:.0f} ms and {1e6 * b / 1e3:.2f} µs a reference; among {MOST:,}: {a + b * MOST:,.0f} ms")
    out.append("</svg>")
    with open(target, "w") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
