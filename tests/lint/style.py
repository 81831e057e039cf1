"""Sizes and whitespace: style.py ROOT. Files to 600 lines, functions to 80, lines
to 110, no tabs."""
import os
import sys


def functions(lines):
  """(first line, length) of each function: a brace in the first column opens it, one closes it."""
  start = None
  for number, line in enumerate(lines, 1):
    if line.startswith('{'):
      start = number
    elif line.startswith('}') and start is not None:
      yield start, number - start
      start = None


def check(path):
  with open(path, encoding='utf-8') as file:
    lines = file.read().split('\n')
  if len(lines) > 600:
    yield '%d lines, at most 600' % len(lines)
  for number, line in enumerate(lines, 1):
    if len(line) > 110:
      yield 'line %d: %d columns, at most 110' % (number, len(line))
    if '\t' in line or line != line.rstrip():
      yield 'line %d: tab or trailing blank' % number
  if path.endswith('.c'):
    for start, length in functions(lines):
      if length > 80:
        yield 'line %d: function of %d lines, at most 80' % (start, length)


problems = 0
for top in ('include', 'src', 'tools', 'tests', 'cl', 'examples'):
  for folder, _, files in os.walk(os.path.join(sys.argv[1], top)):
    for name in sorted(files):
      if name.endswith(('.c', '.h', '.cl')):
        path = os.path.join(folder, name)
        for problem in check(path):
          print('%s: %s' % (os.path.relpath(path, sys.argv[1]), problem))
          problems += 1
sys.exit(problems != 0)
