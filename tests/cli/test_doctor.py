"""convoy doctor: true kernels are right; an altered one is named, avoided, and forgotten when asked."""
import json
import os
import unittest

import support
from support import model, node, npy, read_npy, value_info


class Doctor(support.CommandTest):

  def setUp(self):
    super().setUp()
    self.store = ('--store', self.path('store.db'))

  def alter(self, name, old, new):
    """--kernel with the built-in source, one place changed."""
    source = self.succeed('doctor', '--print-kernel', name)
    self.assertIn(old, source)
    self.write(name + '.cl', source.replace(old, new, 1).encode())
    return ('--kernel', '%s=%s.cl' % (name, name))

  def examine(self, status, *args):
    done, out, err = self.convoy('doctor', '--quick', '--json', '--seed', self.seed, *self.store, *args)
    self.assertEqual(done, status, 'seed %d: %s%s' % (self.seed, out, err))
    return json.loads(out)

  def wrong(self, report):
    return [(kernel['file'], kernel['kernel'], kernel['verdict']) for kernel in report['kernels']
            if kernel['verdict'] not in ('right', 'not tried')]

  def test_true_kernels_are_right(self):
    """Of some files; tests/device/doctor.c has all examined."""
    for name in ('clblast', 'conv_ref', 'gemm', 'pool', 'unary'):
      report = self.examine(0, '--only', name)
      self.assertEqual(self.wrong(report), [])
      self.assertEqual((report['wrong'], report['seed']), (0, str(self.seed)))
      self.assertEqual({kernel['file'] for kernel in report['kernels']}, {name})
      self.assertIn('right', [kernel['verdict'] for kernel in report['kernels']])

  def test_wrong_kernel_is_named_avoided_and_forgotten(self):
    x = self.random_npy('x.npy', [1, 2, 6, 5])
    w = self.random_npy('w.npy', [3, 2, 3, 3])
    _, want = support.conv_oracle(x, [1, 2, 6, 5], w, [3, 2, 3, 3], None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    self.write('want.npy', npy([1, 3, 4, 3], want))
    bad = self.alter('conv_im2col', 'columns[id] = value', 'columns[id] = -value')
    conv = ('conv', 'x.npy', 'w.npy', '--json', '--expect', 'want.npy', *self.store)
    self.assertEqual(self.convoy(*conv, *bad, '--algo', 'im2col')[0], 3)

    report = self.examine(1, '--only', 'conv_im2col', *bad)
    self.assertEqual(self.wrong(report), [('conv_im2col', 'im2col', 'WRONG')])
    detail = [kernel['detail'] for kernel in report['kernels'] if kernel['kernel'] == 'im2col'][0]
    self.assertIn('should be', detail)

    self.assertNotEqual(json.loads(self.succeed(*conv, *bad))['algorithm'], 'im2col')
    err = self.refuse(1, ['im2col of conv_im2col.cl', 'convoy doctor --forget'], *conv, *bad, '--algo', 'im2col')
    self.assertEqual(len(err.splitlines()), 1)
    if support.HAVE_ONNX:
      self.check_model(want, bad)
    # the true kernel is another one
    self.assertEqual(json.loads(self.succeed(*conv, '--algo', 'im2col'))['algorithm'], 'im2col')

    self.assertRegex(self.succeed('doctor', '--forget', *self.store), r'^1 kernel forgotten\n$')
    self.assertEqual(self.convoy(*conv, *bad, '--algo', 'im2col')[0], 3)
    self.assertEqual(json.loads(self.succeed('doctor', '--forget', '--json', *self.store)), {'forgotten': 0})

  def check_model(self, want, bad):
    """What the convolution of the other test is in a model; the kernels are quarantined by now."""
    self.write('m.onnx', model([node('Conv', ['x', 'w'], ['y'])], [value_info('x', [1, 2, 6, 5]), value_info(
        'w', [3, 2, 3, 3])], [value_info('y', [1, 3, 4, 3])]))
    run = ('run', 'm.onnx', '-i', 'x=x.npy', '-i', 'w=w.npy', '--json', *self.store, *bad)
    report = json.loads(self.succeed(*run, '-o', 'y.npy'))
    self.assertNotEqual(report['layers'][0]['algorithm'], 'im2col')
    got_shape, got = read_npy(self.path('y.npy'))
    self.assertEqual(got_shape, [1, 3, 4, 3])
    self.assertLess(max(abs(a - b) for a, b in zip(got, want)), 1e-4)
    self.refuse(1, ['im2col of conv_im2col.cl', 'convoy doctor --forget'], *run, '--algo', 'im2col')

  def test_without_a_store_nothing_is_remembered(self):
    self.store = ('--store', 'off')
    bad = self.alter('conv_ref', 'sum += STORED_LOAD(x', 'sum -= STORED_LOAD(x')
    status, table, _ = self.convoy('doctor', '--quick', '--only', 'conv_ref', *self.store, *bad)
    self.assertEqual(status, 1)
    self.assertRegex(table, r'(?m)^conv_ref\.cl conv_ref +WRONG +\d+\n    ref: .* should be ')
    self.assertNotIn('gemm.cl', table)
    self.assertRegex(self.succeed('doctor', '--quick', '--only', 'gemm', *self.store),
                     r'(?m)^gemm\.cl gemm +right +\d+ ')
    self.assertRegex(table, r'(?m)^seed +\d+$')
    self.assertRegex(table, r' 1 wrong, ')
    self.assertFalse(os.path.exists(self.path('store.db')))
    self.assertEqual(json.loads(self.succeed('doctor', '--forget', '--json', *self.store)), {'forgotten': 0})

  def test_usage(self):
    self.refuse(2, ['--kernel nothing', 'NAME=FILE'], 'doctor', '--kernel', 'nothing')
    self.refuse(1, ["'magic'"], 'doctor', '--kernel', 'magic=/dev/null')
    self.refuse(1, ['nowhere.cl', 'No such file'], 'doctor', '--kernel', 'pad=nowhere.cl')
    self.refuse(1, ['magic', 'conv_ref'], 'doctor', '--print-kernel', 'magic')
    self.refuse(1, ['--only magic', 'conv_ref'], 'doctor', '--only', 'magic')
    self.refuse(2, ['--seed x'], 'doctor', '--seed', 'x')
    self.refuse(2, ['one', 'too many'], 'doctor', 'one')
    self.refuse(2, ['--algo', 'no such option'], 'doctor', '--algo', 'ref')
    self.assertIn('Usage: convoy doctor', self.succeed('doctor', '--help'))


if __name__ == '__main__':
  unittest.main()
