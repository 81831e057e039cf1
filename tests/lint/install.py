"""Installs into a folder, builds the example with pkg-config alone and runs the model: install.py BUILD ROOT."""
import glob
import os
import shutil
import struct
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


def save_picture(path):
  """A .npy of a grey ramp, 1 x 3 x 8 x 12."""
  header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 8, 12)}"
  header += ' ' * (53 - len(header) % 64) + '\n'
  with open(path, 'wb') as file:
    file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode())
    file.write(struct.pack('<288f', *(i / 288 for i in range(288))))


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
  picture = os.path.join(target, 'in.npy')
  save_picture(picture)
  run(program, os.path.join(root, 'examples', 'superres', 'superres.onnx'), picture, picture + '.out',
      env=environment)
  with open(picture + '.out', 'rb') as file:
    if b"'shape': (1, 3, 16, 24)" not in file.read(128):
      sys.exit('the example did not double the picture')
  print('installed, example built and run')
