"""Several devices in one command: halves of PoCL's, which divides."""
import json
import unittest

import support
from support import field, ints, model, node, read_npy, tensor, value_info


class SeveralDevices(support.CommandTest):

  def setUp(self):
    super().setUp()
    devices = json.loads(self.succeed('devices', '--json'))
    self.units = devices['platforms'][0]['devices'][0]['compute_units']
    if self.units < 2:
      self.skipTest('a device of one compute unit has no halves')

  def network(self):
    """Convolutions in one group and in two, with a flatten and a product behind."""
    weights = {'w1': [16, 3, 3, 3], 'w2': [16, 8, 3, 3], 'w3': [256, 5]}
    tensors = [tensor(name, dims, [self.random.uniform(-1, 1) / 8 for _ in range(support.product(dims))])
               for name, dims in weights.items()]
    nodes = [node('Conv', ['x', 'w1'], ['a'], [ints('pads', [1, 1, 1, 1])]), node('Relu', ['a'], ['b']),
             node('Conv', ['b', 'w2'], ['c'],
                  [ints('pads', [1, 1, 1, 1]), field(1, 'group') + field(3, 2) + field(20, 2)]), node('Flatten', ['c'], ['d']),
             node('Gemm', ['d', 'w3'], ['y'])]
    return self.write('net.onnx', model(nodes, [value_info('x', ['n', 3, 4, 4])], [value_info('y', ['n', 5])],
                                        tensors))

  def test_a_network_gives_the_same_on_one_and_on_two(self):
    if not support.HAVE_ONNX:
      self.skipTest('built without ONNX')
    path = self.network()
    self.random_npy('x.npy', [6, 3, 4, 4])
    self.succeed('run', path, '-i', 'x.npy', '-o', 'one.npy', '--device', '0:0')
    for how in 'batch', 'channels', 'auto':
      out = json.loads(self.succeed('run', path, '-i', 'x.npy', '--expect', 'one.npy', '--json',
                                    '--device', '0:0/1of2,0:0/2of2', '--split', how))
      if how != 'auto':
        self.assertEqual({layer['device'] for layer in out['layers']}, {'0:0/1of2', '0:0/2of2'})
    table = self.succeed('run', path, '-i', 'x.npy', '--device', '0:0/2', '--split', 'batch')
    self.assertIn('0:0/1of2', table)
    self.assertIn('0:0/2of2', table)
    self.succeed('run', path, '--random', '3', '--shape', '6x3x4x4', '--repeat', '3', '--device', '0:0/2')

  def test_a_convolution_gives_the_same_on_one_and_on_two(self):
    self.random_npy('x.npy', [1, 8, 5, 5])
    self.random_npy('w.npy', [12, 2, 3, 3])
    self.succeed('conv', 'x.npy', 'w.npy', '--groups', '4', '-o', 'one.npy', '--device', '0:0')
    out = self.succeed('conv', 'x.npy', 'w.npy', '--groups', '4', '-o', 'two.npy', '--device', '0:0/2', '--split',
                       'channels', '--expect', 'one.npy')
    self.assertIn('0:0/2of2', out)
    self.assertEqual(read_npy(self.path('two.npy'))[0], [1, 12, 3, 3])

  def test_what_is_wrong_is_said(self):
    self.random_npy('x.npy', [1, 8, 5, 5])
    self.random_npy('w.npy', [12, 2, 3, 3])
    conv = ['conv', 'x.npy', 'w.npy', '--groups', '4', '-o', 'y.npy']
    self.refuse(1, ['3 parts'] if self.units == 2 else ['parts'], *conv, '--device', '0:0/%d' % (self.units + 1))
    self.refuse(1, ['nothing matches'], *conv, '--device', '0:0,9:9')
    self.refuse(1, ['batch', '1'], *conv, '--device', '0:0/2', '--split', 'batch')
    self.refuse(2, ['auto, batch, channels'], *conv, '--device', '0:0/2', '--split', 'half')


if __name__ == '__main__':
  unittest.main()
