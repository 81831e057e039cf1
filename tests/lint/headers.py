"""Compiles every header alone: headers.py ROOT CC. Public ones also as C++ where c++ is there."""
import glob
import os
import shutil
import subprocess
import sys

root, compilers = sys.argv[1], sys.argv[2:]
flags = ['-fsyntax-only', '-Wall', '-Wextra', '-Werror', '-D_POSIX_C_SOURCE=200809L',
         '-DCL_TARGET_OPENCL_VERSION=300', '-I' + os.path.join(root, 'include'), '-I' + os.path.join(root, 'src')]
public = sorted(glob.glob(os.path.join(root, 'include/convoy/*.h')))
private = sorted(glob.glob(os.path.join(root, 'src/*/*.h')))
# made from onnx.proto in the build folder
private = [h for h in private if 'onnx.pb-c.h' not in open(h, encoding='utf-8').read()]
jobs = [(h, compilers + ['-std=c11', '-x', 'c']) for h in public + private]
if shutil.which('c++'):
  jobs += [(h, ['c++', '-std=c++11', '-x', 'c++']) for h in public]
failed = 0
for header, command in jobs:
  run = subprocess.run(command + flags + ['-'], input='#include "%s"\n' % os.path.abspath(header), text=True,
                       capture_output=True, check=False)
  if run.returncode:
    failed += 1
    print(header, run.stderr, sep='\n')
print('%d headers compiled, %d failed' % (len(jobs), failed))
sys.exit(failed != 0 or not jobs)
