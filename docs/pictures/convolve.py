"""Runs `convoy conv` on small tensors: nested lists in, nested lists out."""
import os
import struct
import subprocess
import tempfile

FOLDER = tempfile.TemporaryDirectory(prefix='convoy-pictures-')


def shape_of(values):
  return [len(values)] + shape_of(values[0]) if isinstance(values, list) else []


def flatten(values):
  return [item for part in values for item in flatten(part)] if isinstance(values, list) else [values]


def nest(shape, flat):
  if len(shape) == 1:
    return flat
  step = len(flat) // shape[0]
  return [nest(shape[1:], flat[i * step:(i + 1) * step]) for i in range(shape[0])]


def filled(shape, value=1):
  return [filled(shape[1:], value) for _ in range(shape[0])] if shape else value


def write_npy(path, values):
  shape, flat = shape_of(values), flatten(values)
  dims = ''.join('%d, ' % size for size in shape)
  head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % dims
  head += ' ' * (-(len(head) + 11) % 64) + '\n'
  with open(path, 'wb') as file:
    file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode())
    file.write(struct.pack('<%df' % len(flat), *flat))


def read_npy(path):
  with open(path, 'rb') as file:
    data = file.read()
  start = 10 + struct.unpack('<H', data[8:10])[0]
  dims = data[10:start].decode().split('(')[1].split(')')[0].split(',')
  shape = [int(size) for size in dims if size.strip()]
  flat = struct.unpack('<%df' % ((len(data) - start) // 4), data[start:])
  return nest(shape, list(flat))


def conv(x, w, *options):
  """y = conv(x, w): x is N C [D [H]] W, w K C/groups [Z [R]] S; options as the command has them."""
  paths = [os.path.join(FOLDER.name, name) for name in ('x.npy', 'w.npy', 'y.npy')]
  write_npy(paths[0], x)
  write_npy(paths[1], w)
  store = ['--store', os.path.join(FOLDER.name, 'kernels.db')]
  command = [os.environ.get('CVY_TEST_CONVOY', 'convoy'), 'conv'] + paths[:2] + ['-o', paths[2]]
  subprocess.run(command + store + [str(option) for option in options], check=True, stdout=subprocess.DEVNULL)
  return read_npy(paths[2])
