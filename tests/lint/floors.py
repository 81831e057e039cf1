"""Checks that no file includes a floor above its own: floors.py ROOT.

Floors, from the ground: base, runtime, op, graph; import and tools see the public headers only (import also
base). OpenCL and CLBlast headers have their places.
"""
import os
import re
import sys

BELOW = {
  'base': {'base'},
  'runtime': {'base', 'runtime'},
  'op': {'base', 'runtime', 'op'},
  'graph': {'base', 'runtime', 'op', 'graph'},
  'import': {'base', 'import'},
}
INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')


def check_include(path, quote, name):
  """Why the file at path (relative to the root) must not include name; None if it may."""
  parts = path.split('/')
  if name.startswith('CL/') and path != 'include/convoy/device.h' and parts[:2] != ['src', 'runtime']:
    return 'OpenCL headers belong in include/convoy/device.h and src/runtime'
  if name.startswith('clblast') and path not in ('src/runtime/gemm.c', 'tools/peers/convgemm.c'):
    return 'CLBlast belongs in src/runtime/gemm.c'
  if parts[0] == 'include' and quote == '"':
    return 'a public header includes public headers only, as <convoy/...>'
  if parts[0] == 'tools' and quote == '"' and '/' in name:
    return 'the command uses the public headers only'
  if parts[0] == 'src' and quote == '"':
    floor = name.split('/')[0]
    if '/' not in name and not name.endswith('.pb-c.h'):  # made in the build folder
      return 'write the folder: "%s/%s"' % (parts[1], name)
    if '/' in name and floor not in BELOW[parts[1]]:
      return 'floor %s must not know floor %s' % (parts[1], floor)
    if parts[-1].startswith('algo_') and name.split('/')[-1].startswith('algo_'):
      return 'algorithms never include each other'
  return None


def check(root):
  problems = []
  for top in ('include', 'src', 'tools'):
    for folder, _, files in os.walk(os.path.join(root, top)):
      for file in sorted(files):
        if not file.endswith(('.c', '.h')):
          continue
        full = os.path.join(folder, file)
        path = os.path.relpath(full, root)
        with open(full, encoding='utf-8') as lines:
          for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            why = match and check_include(path, match.group(1), match.group(2))
            if why:
              problems.append('%s:%d: includes %s: %s' % (path, number, match.group(2), why))
  return problems


if __name__ == '__main__':
  found = check(sys.argv[1])
  print('\n'.join(found))
  sys.exit(bool(found))
