"""Networks of integers: files keep their element types."""
import struct
import unittest

from support import CommandTest, HAVE_ONNX, field, model, node, npy, png

TYPES = {'u1': 2, 'i1': 3, 'i4': 6, 'f4': 1}  # of NumPy, of ONNX


def info(name, kind, dims):
  shape = b''.join(field(1, field(1, size)) for size in dims)
  return field(1, name) + field(2, field(1, field(1, TYPES[kind]) + field(2, shape)))


def integer_npy(kind, shape, values):
  code = {'u1': 'B', 'i1': 'b', 'i4': 'i'}[kind]
  descr = '<i4' if kind == 'i4' else '|' + kind
  text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (descr, ''.join('%d, ' % n for n in shape))
  text += ' ' * (-(len(text) + 11) % 64) + '\n'
  return (b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode() +
          struct.pack('<%d%s' % (len(values), code), *values))


@unittest.skipUnless(HAVE_ONNX, 'a build without ONNX')
class Integers(CommandTest):
  def setUp(self):
    super().setUp()
    conv = node('ConvInteger', ['x', 'w'], ['y'])
    self.write('m.onnx', model([conv], [info('x', 'u1', [1, 2, 3, 3]), info('w', 'i1', [1, 2, 2, 2])],
                               [info('y', 'i4', [1, 1, 2, 2])]))
    self.x = [self.random.randrange(256) for _ in range(18)]
    self.w = [self.random.randrange(-128, 128) for _ in range(8)]
    self.write('x.npy', integer_npy('u1', [1, 2, 3, 3], self.x))
    self.write('w.npy', integer_npy('i1', [1, 2, 2, 2], self.w))
    self.y = [sum(self.x[(c * 3 + p + r) * 3 + q + s] * self.w[(c * 2 + r) * 2 + s]
                  for c in range(2) for r in range(2) for s in range(2)) for p in range(2) for q in range(2)]

  def test_integers_in_and_out_are_files_of_their_type(self):
    self.succeed('run', 'm.onnx', '-i', 'x=x.npy', '-i', 'w=w.npy', '-o', 'y.npy')
    with open(self.path('y.npy'), 'rb') as file:
      data = file.read()
    self.assertIn(b"'descr': '<i4'", data)
    self.assertEqual(list(struct.unpack('<4i', data[-16:])), self.y)

  def test_expected_integers_differ_by_one_at_least(self):
    self.write('good.npy', integer_npy('i4', [1, 1, 2, 2], self.y))
    self.write('bad.npy', integer_npy('i4', [1, 1, 2, 2], self.y[:3] + [self.y[3] + 1]))
    run = ('run', 'm.onnx', '-i', 'x.npy', '-i', 'w.npy', '--tolerance', '0', '--expect')
    self.assertIn('largest error 0 absolute', self.succeed(*run, 'good.npy'))
    status, out, _ = self.convoy(*run, 'bad.npy')
    self.assertEqual(status, 3)
    self.assertIn('largest error 1 absolute', out)

  def test_numbers_are_not_rounded_to_an_integer_input(self):
    self.write('f.npy', npy([1, 2, 3, 3], [0.5] * 18))
    self.refuse(1, ['f.npy: holds float32, but uint8 is wanted'], 'run', 'm.onnx', '-i', 'f.npy', '-i', 'w.npy')
    self.write('p.png', png(3, 3, 0, 8, [b'abc'] * 3))
    self.refuse(1, ['p.png'], 'run', 'm.onnx', '-i', 'p.png', '-i', 'w.npy')
    self.refuse(1, ['y.png: the output is int32'], 'run', 'm.onnx', '-i', 'x.npy', '-i', 'w.npy', '-o', 'y.png')


if __name__ == '__main__':
  unittest.main()
