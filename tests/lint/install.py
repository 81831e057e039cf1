"""Installs into a folder and builds the example with pkg-config alone: install.py BUILD ROOT [MODEL].

The example is then run on the model where one is given; it may find no OpenCL device, but not fail to load.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

build, root = sys.argv[1:3]
if not shutil.which('pkg-config') or not shutil.which('cc'):
  sys.exit(77)


def run(*command, **options):
  done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
  if done.returncode:
    sys.exit('%s: %s%s' % (' '.join(command), done.stdout, done.stderr))
  return done.stdout


def find(pattern):
  found = glob.glob(os.path.join(target, '**', pattern), recursive=True)
  if not found:
    sys.exit('not installed: ' + pattern)
  return found[0]


with tempfile.TemporaryDirectory() as target:
  run('meson', 'install', '-C', build, '--no-rebuild', '--destdir', target)
  for pattern in ('libconvoy.so', 'libconvoy.so.0', 'libconvoy.a', 'convoy.h', 'bin/convoy', 'convoy.1'):
    find(pattern)
  folder = os.path.dirname(find('convoy.pc'))
  environment = dict(os.environ, PKG_CONFIG_PATH=folder, PKG_CONFIG_SYSROOT_DIR=target)
  flags = run('pkg-config', '--cflags', '--libs', 'convoy', env=environment).split()
  program = os.path.join(target, 'run_model')
  run('cc', '-std=c11', '-Wall', '-Wextra', '-Werror', os.path.join(root, 'examples', 'run_model.c'), '-o', program,
      *flags)
  environment['LD_LIBRARY_PATH'] = os.path.dirname(find('libconvoy.so.0'))
  run('sh', '-c', 'ldd "$0" | grep -q "libconvoy.so.0 => /"', program, env=environment)
  print('installed, example built')
