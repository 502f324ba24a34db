#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""A picture of what the program is made of: treemap.py BUILD FILE.svg"""
import html
import sys

import linkmap

WIDTH, HEIGHT, TITLE = 1000, 620, 20
COLOURS = {"core": "#4e79a7", "features": "#59a14f", "deps": "#9c755f"}
OTHER = "#8d8d8d"


def worst(row, side, scale):
    """How far from a square the worst cell of a row is."""
    depth = sum(row) * scale / side
    return max(max(depth / (size * scale / depth), (size * scale / depth) / depth) for size in row)


def layout(items, x, y, w, h):
    """Squarified: yields (name, size, x, y, w, h) for (name, size), the largest first."""
    items = sorted(items, key=lambda item: -item[1])
    while items:
        scale = w * h / sum(size for _name, size in items)
        side, row = min(w, h), 1
        while row < len(items) and worst([s for _n, s in items[:row + 1]], side, scale) <= \
                worst([s for _n, s in items[:row]], side, scale):
            row += 1
        depth, at = sum(size for _name, size in items[:row]) * scale / side, 0
        for name, size in items[:row]:
            length = size * scale / depth
            yield (name, size, x, y + at, depth, length) if w >= h else (name, size, x + at, y, length, depth)
            at += length
        x, y, w, h = (x + depth, y, w - depth, h) if w >= h else (x, y + depth, w, h - depth)
        items = items[row:]


def cell(name, size, x, y, w, h, colour):
    title = f"{name}: {size:,} bytes"
    yield (f'<g><title>{html.escape(title)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
           f'fill="{colour}" stroke="#fff"/>')
    short = name.split("/")[-1]
    if w > 7 * len(short) + 6 and h > 16:
        yield f'<text x="{x + 4:.1f}" y="{y + 13:.1f}">{html.escape(short)}</text>'
        if w > 60 and h > 32:
            yield f'<text x="{x + 4:.1f}" y="{y + 27:.1f}" opacity=".8">{size / 1024:.1f} KiB</text>'
    yield "</g>"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    groups = {}
    for origin, counts in linkmap.by_origin(linkmap.pieces(f"{sys.argv[1]}/satchel.map")).items():
        size = counts["text"] + counts["rodata"] + counts["data"]
        if size > 0:
            groups.setdefault(origin.split("/")[0], []).append((origin, size))
    total = sum(size for members in groups.values() for _origin, size in members)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT + TITLE}" '
             'font-family="sans-serif" font-size="11" fill="#fff">',
             f'<text x="2" y="14" fill="#333" font-size="13">satchel: {total:,} bytes of code and data, by folder</text>']
    sums = [(group, sum(size for _origin, size in members)) for group, members in groups.items()]
    for group, _size, x, y, w, h in layout(sums, 0, TITLE, WIDTH, HEIGHT):
        for at in layout(groups[group], x, y, w, h):
            lines += cell(*at, COLOURS.get(group, OTHER))
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n</svg>\n")


if __name__ == "__main__":
    main()
