"""`convoy run` beyond one run on one file: repeats, random inputs."""
import json
import unittest

import support
from support import ints, model, node, read_npy, tensor, value_info

PADS = [ints('kernel_shape', [3, 3]), ints('pads', [1, 1, 1, 1])]


class Run(support.CommandTest):

  def setUp(self):
    super().setUp()
    if not support.HAVE_ONNX:
      self.skipTest('convoy was built without ONNX')

  def chain(self, dims=('n', 2, 'h', 'w')):
    """Two convolutions, a relu after each."""
    weights = [[self.random.uniform(-1, 1) for _ in range(36)] for _ in range(2)]
    nodes = [node('Conv', ['x', 'w0'], ['a'], PADS, 'first'), node('Relu', ['a'], ['b'], name='first_relu'),
             node('Conv', ['b', 'w1'], ['c'], PADS, 'second'), node('Relu', ['c'], ['y'], name='second_relu')]
    self.write('m.onnx', model(nodes, [value_info('x', dims)], [value_info('y', dims)],
                               [tensor('w%d' % i, [2, 2, 3, 3], weights[i]) for i in range(2)]))

  def test_repeats_have_a_median_and_the_same_result(self):
    self.chain()
    self.random_npy('x.npy', [1, 2, 9, 7])
    self.succeed('run', 'm.onnx', '-i', 'x.npy', '-o', 'once.npy')
    report = json.loads(self.succeed('run', 'm.onnx', '-i', 'x.npy', '--repeat', '5', '--expect', 'once.npy',
                                     '-o', 'y.npy', '--json'))
    self.assertEqual(report['repeats'], 5)
    self.assertGreater(report['min_ms'], 0)
    self.assertLessEqual(report['min_ms'], report['median_ms'])
    self.assertLessEqual(report['median_ms'], report['max_ms'])
    self.assertGreater(report['setup_ms'], 0)
    self.assertEqual([layer['layer'] for layer in report['layers'] if layer['operator'] == 'Conv'], ['first', 'second'])
    for layer in report['layers']:
      self.assertGreater(layer['ms'], 0)
    self.assertGreaterEqual(report['peak_bytes'], report['lower_bound_bytes'])
    # the value between the convolutions alone
    self.assertGreaterEqual(report['lower_bound_bytes'], 4 * 2 * 9 * 7)
    self.assertEqual(read_npy(self.path('y.npy')), read_npy(self.path('once.npy')))
    self.assertRegex(self.succeed('run', 'm.onnx', '-i', 'x.npy', '--repeat', '2'), r'(?m)^median +[0-9.]+ ms of 2 runs')

  def test_random_inputs_repeat_by_their_seed(self):
    self.write('id.onnx', model([node('Identity', ['x'], ['y'])], [value_info('x', ['n', 3, 'h', 'w'])],
                                [value_info('y', ['n', 3, 'h', 'w'])]))
    self.refuse(1, ['x', '--random'], 'run', 'id.onnx', '-o', 'y.npy')
    self.refuse(2, ["'x'", '--shape'], 'run', 'id.onnx', '-o', 'y.npy', '--random', '1')
    self.refuse(2, ['--random 0'], 'run', 'id.onnx', '-o', 'y.npy', '--random', '0')
    self.refuse(2, ['--repeat 0'], 'run', 'id.onnx', '-o', 'y.npy', '--repeat', '0')
    for name, seed in (('a', 1), ('b', 1), ('c', 2)):
      self.succeed('run', 'id.onnx', '-o', name + '.npy', '--random', seed, '--shape', '1x3x20x30')
    shape, values = read_npy(self.path('a.npy'))
    self.assertEqual(shape, [1, 3, 20, 30])
    self.assertEqual(values, read_npy(self.path('b.npy'))[1])
    self.assertNotEqual(values, read_npy(self.path('c.npy'))[1])
    self.assertTrue(-1 <= min(values) < -0.9 and 0.9 < max(values) <= 1)
    self.assertLess(abs(sum(values) / len(values)), 0.1)


if __name__ == '__main__':
  unittest.main()
