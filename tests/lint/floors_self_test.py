"""Shows that floors.py fails: each pair below breaks one rule, or keeps it."""
import os
import subprocess
import sys
import tempfile

BROKEN = [
  ('src/base/a.c', '"runtime/device.h"'),
  ('src/runtime/a.c', '"op/algo.h"'),
  ('src/op/a.c', '"graph/plan.h"'),
  ('src/graph/a.c', '"import/file.h"'),
  ('src/import/a.c', '"graph/plan.h"'),
  ('src/import/a.c', '"runtime/device.h"'),
  ('src/op/algo_a.c', '"op/algo_b.h"'),
  ('src/op/a.c', '<CL/cl.h>'),
  ('src/op/a.c', '<clblast_c.h>'),
  ('src/op/a.c', '"operator.h"'),
  ('include/convoy/a.h', '"base/log.h"'),
  ('tools/a.c', '"base/log.h"'),
]
KEPT = [
  ('src/op/a.c', '"runtime/launch.h"'),
  ('src/import/a.c', '<convoy/graph.h>'),
  ('src/runtime/gemm.c', '<clblast_c.h>'),
  ('tools/a.c', '"cli.h"'),
]


def lint(path, include):
  with tempfile.TemporaryDirectory() as root:
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full))
    with open(full, 'w', encoding='utf-8') as file:
      file.write('#include %s\n' % include)
    checker = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'floors.py')
    return subprocess.run([sys.executable, checker, root], capture_output=True, check=False).returncode


wrong = ['%s with %s passed' % pair for pair in BROKEN if lint(*pair) == 0]
wrong += ['%s with %s failed' % pair for pair in KEPT if lint(*pair) != 0]
print('\n'.join(wrong))
sys.exit(bool(wrong))
