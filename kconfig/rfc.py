#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The table of standards in README.md, made from docs/rfc.tsv.

rfc.py write | check     run from the top of the source tree (`make rfc-table` writes)
"""
import csv
import sys

SOURCE, README = "docs/rfc.tsv", "README.md"
BEGIN = "<!-- docs/rfc.tsv, by `make rfc-table` -->\n"
END = "<!-- end of the table -->\n"
COLUMNS = ["part", "rfc", "what", "word", "symbol", "status", "remark"]
STATUSES = {"yes", "part"}


def rows():
    """All rows as dicts; a malformed file ends the program with the line."""
    with open(SOURCE, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if reader.fieldnames != COLUMNS:
            sys.exit(f"{SOURCE}:1: the columns must be {' '.join(COLUMNS)}")
        found = []
        for row in reader:
            if None in row or None in row.values() or row["status"] not in STATUSES:
                sys.exit(f"{SOURCE}:{reader.line_num}: expected {len(COLUMNS)} columns, status yes or part")
            found.append(row)
        return found


def table():
    lines = ["| | RFC | what | word | CONFIG_ | |\n", "|---|---|---|---|---|---|\n"]
    last = ""
    for row in rows():
        part = row["part"] if row["part"] != last else ""
        remark = ("in part: " if row["status"] == "part" else "") + row["remark"]
        word = f"`{row['word']}`" if row["word"] else ""
        lines.append(f"| {part} | {row['rfc']} | {row['what']} | {word} | {row['symbol']} | {remark} |\n")
        last = row["part"]
    return "".join(lines)


def main():
    with open(README, encoding="utf-8") as file:
        text = file.read()
    try:
        before, rest = text.split(BEGIN)
        _, after = rest.split(END)
    except ValueError:
        sys.exit(f"{README}: the lines around the table are missing")
    wanted = before + BEGIN + table() + END + after
    if sys.argv[1:] == ["write"]:
        with open(README, "w", encoding="utf-8") as file:
            file.write(wanted)
    elif sys.argv[1:] != ["check"]:
        sys.exit(__doc__)
    elif wanted != text:
        sys.exit(f"{README}: the table is not what {SOURCE} says; run `make rfc-table`")


if __name__ == "__main__":
    main()
