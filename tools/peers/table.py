"""A Markdown table of races: table.py RATIOS.csv... (made with --csv); one row a suite and batch.

Shapes that other processes disturbed are left out and counted.
"""
import collections
import csv
import math
import sys

DISTURBED = 0.1  # cores that others kept busy


def geometric(ratios):
  return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def read(paths):
  """{(suite, batch): {shape: {variant: ratio}}} of the other library's rows, and the shapes disturbed."""
  suites, disturbed = collections.defaultdict(dict), collections.Counter()
  for path in paths:
    with open(path, encoding='utf-8', newline='') as file:
      for row in csv.DictReader(file):
        key, ratio = (row['suite'], int(row['batch'])), float(row['ratio'])
        if row['library'] == 'convoy' or math.isnan(ratio):
          continue
        if float(row['others']) > DISTURBED:
          disturbed[key] += row['variant'] == 'default'
        else:
          suites[key].setdefault(row['layer'], {})[row['variant']] = ratio
  return suites, disturbed


def line(name, shapes, disturbed):
  default = {shape: variants['default'] for shape, variants in shapes.items() if 'default' in variants}
  least = min(default, key=default.get) if default else '-'
  better = geometric([min(variants.values()) for variants in shapes.values()])
  return '| %s | %d%s | %.2f | %.2f | %.2f %s |' % (
    name, len(default), ' (%d disturbed)' % disturbed if disturbed else '', geometric(list(default.values())),
    better, default.get(least, math.nan), least)


def main(paths):
  suites, disturbed = read(paths)
  print('| suite, batch | shapes | default | better of both | least |')
  print('| --- | --- | --- | --- | --- |')
  for (suite, batch), shapes in sorted(suites.items(), key=lambda item: (item[0][1], item[0][0])):
    print(line('%s, %d' % (suite, batch), shapes, disturbed[suite, batch]))
  every = {(key, shape): variants for key, shapes in suites.items() for shape, variants in shapes.items()}
  print(line('all', {'%s %s' % (key[0], shape): variants for (key, shape), variants in every.items()},
             sum(disturbed.values())))


main(sys.argv[1:])
