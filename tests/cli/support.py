"""What the command's tests share: running it, and writing .npy, PNG and ONNX by hand, with no library."""
import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

CONVOY = os.environ['CVY_TEST_CONVOY']
SOURCE = os.environ['CVY_TEST_SOURCE']
HAVE_ONNX = os.environ['CVY_TEST_ONNX'] == '1'
HAVE_IMAGES = os.environ['CVY_TEST_IMAGES'] == '1'


class CommandTest(unittest.TestCase):
  """A fresh folder and store for each test."""

  def setUp(self):
    self.folder = tempfile.mkdtemp(prefix='convoy-cli-')
    self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
    seed = int(os.environ.get('CVY_TEST_SEED', random.SystemRandom().randrange(1 << 32)))
    self.random = random.Random(seed)
    self.seed = seed

  def path(self, name):
    return os.path.join(self.folder, name)

  def write(self, name, data):
    with open(self.path(name), 'wb') as file:
      file.write(data)
    return self.path(name)

  def convoy(self, *args, **environment):
    """(exit status, standard output, standard error)"""
    everything = dict(os.environ, XDG_CACHE_HOME=os.path.join(SHARED_CACHE.name, 'cache'), **environment)
    done = subprocess.run([CONVOY] + [str(arg) for arg in args], env=everything, cwd=self.folder,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()

  def succeed(self, *args, **environment):
    status, out, err = self.convoy(*args, **environment)
    self.assertEqual(status, 0, 'seed %d: %s' % (self.seed, err))
    return out

  def refuse(self, expected_status, words, *args, **environment):
    """The command must end with this status, all the words on stderr, and leave no file behind."""
    before = sorted(os.listdir(self.folder))
    status, _, err = self.convoy(*args, **environment)
    self.assertEqual(status, expected_status, err)
    for line in err.splitlines():
      self.assertTrue(line.startswith('convoy: '), line)
    for word in words:
      self.assertIn(word, err)
    self.assertEqual(sorted(os.listdir(self.folder)), before)
    return err

  def random_npy(self, name, shape):
    values = [struct.unpack('<f', struct.pack('<f', self.random.uniform(-1, 1)))[0]
              for _ in range(product(shape))]
    self.write(name, npy(shape, values))
    return values


SHARED_CACHE = tempfile.TemporaryDirectory(prefix='convoy-cache-')


def product(shape):
  result = 1
  for size in shape:
    result *= size
  return result


def npy(shape, values):
  text = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % ''.join('%d, ' % size for size in shape)
  text += ' ' * (-(len(text) + 11) % 64) + '\n'
  return (b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode() +
          struct.pack('<%df' % len(values), *values))


def read_npy(path):
  with open(path, 'rb') as file:
    data = file.read()
  assert data[:6] == b'\x93NUMPY'
  length = struct.unpack('<H', data[8:10])[0]
  header = eval(data[10:10 + length].decode(), {'__builtins__': {}})  # pylint: disable=eval-used
  assert header['descr'] == '<f4' and not header['fortran_order']
  return list(header['shape']), list(struct.unpack('<%df' % product(header['shape']), data[10 + length:]))


def chunk(kind, data):
  return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width, height, colour, depth, rows, extra=b''):
  """rows: bytes of each row, without the filter byte."""
  return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)) +
          extra + chunk(b'IDAT', zlib.compress(b''.join(b'\0' + row for row in rows))) + chunk(b'IEND', b''))


def read_png8(path):
  """(width, height, channels, bytes) of an 8-bit PNG that is grey or RGB."""
  with open(path, 'rb') as file:
    data = file.read()
  at, packed, head = 8, b'', None
  while at < len(data):
    size, kind = struct.unpack('>I4s', data[at:at + 8])
    if kind == b'IHDR':
      head = struct.unpack('>IIBBBBB', data[at + 8:at + 8 + size])
    elif kind == b'IDAT':
      packed += data[at + 8:at + 8 + size]
    at += 12 + size
  width, height, depth, colour = head[:4]
  assert depth == 8 and colour in (0, 2)
  channels = 3 if colour == 2 else 1
  return width, height, channels, unfilter(zlib.decompress(packed), height, width * channels, channels)


def unfilter(raw, height, stride, step):
  rows, above = b'', bytes(stride)
  for y in range(height):
    kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
    for x in range(stride):
      left, up = line[x - step] if x >= step else 0, above[x]
      corner = above[x - step] if x >= step else 0
      distances = (abs(up - corner), abs(left - corner), abs(left + up - 2 * corner))
      paeth = (left, up, corner)[distances.index(min(distances))]
      line[x] = (line[x] + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
    above = bytes(line)
    rows += above
  return rows


def varint(number):
  result = b''
  number &= (1 << 64) - 1
  while number > 127:
    result += bytes([number & 127 | 128])
    number >>= 7
  return result + bytes([number])


def field(number, value):
  """One protobuf field: an int, bytes or text, or a float."""
  if isinstance(value, int):
    return varint(number << 3) + varint(value)
  if isinstance(value, float):
    return varint(number << 3 | 5) + struct.pack('<f', value)
  if isinstance(value, str):
    value = value.encode()
  return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, shape, values):
  """TensorProto, float."""
  return (b''.join(field(1, size) for size in shape) + field(2, 1) + field(8, name) +
          field(9, struct.pack('<%df' % len(values), *values)))


def tensor_int64(name, shape, values):
  return (b''.join(field(1, size) for size in shape) + field(2, 7) + field(8, name) +
          field(9, struct.pack('<%dq' % len(values), *values)))


def ints(name, values):
  """AttributeProto, INTS."""
  return field(1, name) + b''.join(field(8, value) for value in values) + field(20, 7)


def node(op, inputs, outputs, attributes=(), name=''):
  return (b''.join(field(1, text) for text in inputs) + b''.join(field(2, text) for text in outputs) +
          field(3, name or op.lower()) + field(4, op) + b''.join(field(5, item) for item in attributes))


def value_info(name, dims):
  """ValueInfoProto, float; a text is an open dimension."""
  shape = b''.join(field(1, field(2, size) if isinstance(size, str) else field(1, size)) for size in dims)
  return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def model(nodes, inputs, outputs, tensors=(), opset=13):
  graph = (b''.join(field(1, item) for item in nodes) + field(2, 'g') +
           b''.join(field(5, item) for item in tensors) + b''.join(field(11, item) for item in inputs) +
           b''.join(field(12, item) for item in outputs))
  return field(1, 8) + field(7, graph) + field(8, field(1, '') + field(2, opset))


def conv_oracle(x, x_shape, w, w_shape, bias, stride, pad, dilation, groups):
  """The definition, rank 2, in double. Returns (shape, values)."""
  n_count, c_count, height, width = x_shape
  k_count, c_group, kernel_r, kernel_s = w_shape
  p_count = (height + pad[0][0] + pad[1][0] - dilation[0] * (kernel_r - 1) - 1) // stride[0] + 1
  q_count = (width + pad[0][1] + pad[1][1] - dilation[1] * (kernel_s - 1) - 1) // stride[1] + 1
  y = []
  for n in range(n_count):
    for k in range(k_count):
      for p in range(p_count):
        for q in range(q_count):
          total = bias[k] if bias else 0.0
          for c in range(c_group):
            channel = k // (k_count // groups) * c_group + c
            for r in range(kernel_r):
              h = p * stride[0] - pad[0][0] + r * dilation[0]
              for s in range(kernel_s):
                v = q * stride[1] - pad[0][1] + s * dilation[1]
                if 0 <= h < height and 0 <= v < width:
                  total += (x[((n * c_count + channel) * height + h) * width + v] *
                            w[((k * c_group + c) * kernel_r + r) * kernel_s + s])
          y.append(total)
  return [n_count, k_count, p_count, q_count], y
