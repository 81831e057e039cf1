"""Checks that the shared library exports cvy_ names and nothing else: symbols.py LIBRARY."""
import shutil
import subprocess
import sys

if not shutil.which('nm'):
  sys.exit(77)
out = subprocess.run(['nm', '-D', '--defined-only', sys.argv[1]], capture_output=True, text=True, check=True).stdout
names = [line.split()[-1] for line in out.splitlines()]
foreign = [name for name in names if not name.startswith('cvy_')]
print('%d symbols exported' % len(names))
print('\n'.join(foreign))
sys.exit(bool(foreign) or not names)
