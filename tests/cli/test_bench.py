"""convoy bench: its figures agree with each other and with what 'explain' counts; strictness; the drawing."""
import json
import os
import unittest
from xml.etree import ElementTree

import support
from support import CommandTest

MODEL = os.path.join(support.SOURCE, 'examples', 'superres', 'superres.onnx')
SMALL = 'mb1ic4ih9oc6kh3ph1'


class BenchTest(CommandTest):

  def bench(self, *args):
    return json.loads(self.succeed('bench', '--json', '--runs', '3', *args))

  def flops(self, row):
    return row['gflops'] * row['median_ms'] * 1e6

  def explained(self, *args):
    return json.loads(self.succeed('explain', '--no-device', '--json', *args))

  def algorithms(self, desc):
    return {item['name']: item for item in
            json.loads(self.succeed('explain', '--json', desc))['algorithms']}


class Figures(BenchTest):

  def test_figures_agree(self):
    row, = self.bench(SMALL + 'n"a layer"')
    self.assertEqual((row['desc'], row['name'], row['count']), (SMALL + 'n"a layer"', 'a layer', 1))
    self.assertLessEqual(row['min_ms'], row['median_ms'])
    self.assertLessEqual(row['median_ms'], row['max_ms'])
    self.assertGreater(row['min_ms'], 0)
    self.assertGreater(row['setup_ms'], row['min_ms'])
    report = self.explained(SMALL)
    self.assertAlmostEqual(self.flops(row) / report['flops'], 1, 6)
    self.assertAlmostEqual(row['intensity'], report['intensity'], 6)
    self.assertAlmostEqual(row['of_attainable'] * row['attainable_gflops'] / row['gflops'], 1, 6)
    peak = row['gflops'] / row['of_peak']
    bandwidth = report['bytes'] / (row['median_ms'] * 1e6) / row['of_bandwidth']
    self.assertAlmostEqual(row['attainable_gflops'] / min(peak, bandwidth * row['intensity']), 1, 6)

  def test_runs_last_a_millisecond(self):
    row, = self.bench(SMALL)
    self.assertGreater(row['launches'] * row['max_ms'], 0.8)

  def test_reasons_are_given_for_every_other_algorithm(self):
    rows = self.bench(SMALL, '--deconv', 'mb1ic4ih5oc4kh2sh2')
    for row in rows:
      names = [item['algorithm'] for item in row['why']]
      self.assertEqual(sorted(names + [row['algorithm']]), sorted(self.algorithms(SMALL)))
      for item in row['why']:
        self.assertTrue(item['reason'])
    self.assertIn('transposed', str([item for item in rows[0]['why'] if item['algorithm'] == 'subpixel']))

  def test_table_has_a_row_for_each_and_says_why(self):
    out = self.succeed('bench', '--runs', '3', '--why', SMALL + 'n"one"', SMALL + 'n"two"')
    lines = out.splitlines()
    self.assertEqual(len([line for line in lines if line.startswith(('one ', 'two '))]), 2)
    for name in self.algorithms(SMALL):
      self.assertEqual(len([line for line in lines if line.strip(' *').startswith(name + ' ')]), 2)
    self.assertTrue(lines[-1].startswith('2 convolutions: '))

  def test_the_algorithm_asked_for_is_measured(self):
    self.assertEqual(self.bench('--algo', 'ref', SMALL)[0]['algorithm'], 'ref')

  def test_an_algorithm_that_does_not_apply_is_told_and_the_rest_measured(self):
    args = ('bench', '--plain', '--runs', '3', '--algo', 'depthwise', SMALL, 'g4mb1ic4ih9oc4kh3')
    status, out, _ = self.convoy(*args, '--json')
    self.assertEqual(status, 1)
    rows = json.loads(out)
    self.assertIsNone(rows[0]['algorithm'])
    self.assertTrue(rows[0]['not_run'])
    self.assertEqual(rows[1]['algorithm'], 'depthwise')
    status, out, _ = self.convoy(*args)
    self.assertEqual(status, 1)
    self.assertIn('not run: ' + rows[0]['not_run'], out)

  def test_layouts(self):
    desc, first = 'mb1ic20ih9oc24kh3', 'mb1ic3ih9oc24kh3'
    for row in self.bench('--plain', desc, first):
      self.assertEqual((row['x_block'], row['y_block']), (0, 0))
    rows = self.bench(desc, first)
    self.assertEqual(rows[0]['x_block'], rows[0]['y_block'])
    self.assertEqual((rows[1]['x_block'], rows[1]['y_block']), (0, rows[0]['y_block']))


class Input(BenchTest):

  def check(self, rows, expected):
    """expected: arguments of 'explain' for each row."""
    self.assertEqual(len(rows), len(expected))
    for row, args in zip(rows, expected):
      self.assertAlmostEqual(self.flops(row) / self.explained(*args)['flops'], 1, 6, (row, args))

  def test_options_hold_for_the_descriptors_behind_them(self):
    rows = self.bench('ic4ih9oc6kh3', '--mb=3', 'ic4ih9oc6kh3', '--deconv', 'ic4ih5oc6kh3sh2', '--mb', '0',
                      'mb5ic4ih9oc6kh3')
    self.check(rows, [['mb2ic4ih9oc6kh3'], ['mb3ic4ih9oc6kh3'], ['--transposed', 'mb3ic4ih5oc6kh3sh2'],
                      ['mb5ic4ih9oc6kh3']])
    self.assertEqual(rows[2]['desc'], '--deconv ic4ih5oc6kh3sh2')

  def test_bias_is_added(self):
    without, with_bias = self.bench(SMALL, '--bias', SMALL)
    self.assertLess(with_bias['intensity'], without['intensity'])

  def test_line_of_miopen_driver(self):
    line = 'conv -n 2 -c 4 -H 8 -W 8 -k 6 -y 3 -x 3 -p 1 -q 1'
    self.check(self.bench('--plain', SMALL, *line.split()), [[SMALL], [line]])
    self.check(self.bench(line, SMALL), [[line], [SMALL]])

  def test_batch_files(self):
    path = self.write('list', b'# a list\n\nic4ih9oc6kh3n"a"  # x2\n--mb=3\nic4ih9oc6kh3\n'
                              b'--deconv ic4ih5oc6kh3sh2n"up"\n--mb=1 ic4ih9oc6kh3\n'
                              b'conv -n 2 -c 4 -H 8 -W 8 -k 6 -y 3 -x 3\n')
    rows = self.bench('--batch', path)
    self.check(rows, [['mb2ic4ih9oc6kh3'], ['mb3ic4ih9oc6kh3'], ['--transposed', 'mb3ic4ih5oc6kh3sh2'],
                      ['mb1ic4ih9oc6kh3'], ['mb1ic4ih8oc6kh3']])
    self.assertEqual([row['name'] for row in rows], ['a', '', 'up', '', ''])

  @unittest.skipUnless(support.HAVE_ONNX, 'built without ONNX')
  def test_model_has_each_distinct_convolution_once(self):
    rows = self.bench(MODEL, '--shape', '1x3x16x24')
    report = json.loads(self.succeed('explain', '--no-device', '--json', '--shape', '1x3x16x24', MODEL))
    layers = [layer for layer in report['layers'] if layer['operator'].startswith('Conv')]
    self.assertEqual(sum(row['count'] for row in rows), len(layers))
    self.assertLess(len(rows), len(layers))
    self.assertAlmostEqual(sum(row['count'] * self.flops(row) for row in rows) /
                           sum(2 * layer['multiplications'] for layer in layers), 1, 6)
    again = self.bench(*[row['desc'] for row in rows if not row['desc'].startswith('--')])
    for row in again:
      self.assertIn(round(self.flops(row)), [round(self.flops(other)) for other in rows])

  def test_bad_input(self):
    self.refuse(2, ['nothing to measure'], 'bench')
    self.refuse(2, ['ic4ih9', 'oc'], 'bench', 'ic4ih9kh3')
    self.refuse(2, ['--algo nosuch'], 'bench', '--algo', 'nosuch', SMALL)
    self.refuse(2, ['--runs 0'], 'bench', '--runs', '0', SMALL)
    self.refuse(2, ['--mb x'], 'bench', '--mb', 'x', SMALL)
    self.refuse(2, ['--shape', 'model'], 'bench', '--shape', '1x3x8x8', SMALL)
    self.refuse(2, ['alone'], 'bench', 'a.onnx', SMALL)
    self.refuse(2, ['second model'], 'bench', 'a.onnx', 'b.onnx')
    self.refuse(2, ['--mb', 'model'], 'bench', '--mb', '2', 'a.onnx')
    self.refuse(2, ['--nonsense'], 'bench', '--nonsense', SMALL)
    self.refuse(2, ['--batch'], 'bench', '--batch')
    self.refuse(1, ['gone'], 'bench', '--batch', 'gone')
    self.refuse(1, ['nowhere/a.svg'], 'bench', '--svg', 'nowhere/a.svg', SMALL)
    path = self.write('list', (SMALL + '\nic4ih9kh3\n').encode())
    self.refuse(2, [path + ':2'], 'bench', '--batch', path)
    self.refuse(2, ['ic4'], 'bench', '--deconv', 'ic4')


class Drawing(BenchTest):

  def test_a_point_for_each_convolution_under_labelled_roofs(self):
    self.succeed('bench', '--runs', '3', '--svg', 'roof.svg', SMALL + 'n"a<b&c"', 'mb1ic8ih8oc8kh1n"pointwise"')
    tree = ElementTree.parse(self.path('roof.svg'))
    texts = [''.join(item.itertext()) for item in tree.iter() if item.tag.endswith('}text')]
    titles = [''.join(item.itertext()) for item in tree.iter() if item.tag.endswith('}title')]
    self.assertEqual(len(titles), 2)
    for name in ('a<b&c', 'pointwise'):
      self.assertEqual(len([title for title in titles if title.startswith(name + ', ')]), 1)
      self.assertIn(name, texts)
    for roof in ('peak ', 'memory '):
      self.assertEqual(len([text for text in texts if text.startswith(roof)]), 1, texts)

  def test_points_stand_where_their_figures_say(self):
    rows = self.bench('--svg', 'roof.svg', SMALL, 'mb1ic32ih16oc32kh1')
    tree = ElementTree.parse(self.path('roof.svg'))
    points = [item for item in tree.iter() if item.tag.endswith('}circle') and len(item)]
    xs = [float(point.get('cx')) for point in points]
    ys = [float(point.get('cy')) for point in points]
    self.assertEqual(xs[0] < xs[1], rows[0]['intensity'] < rows[1]['intensity'])
    self.assertEqual(ys[0] > ys[1], rows[0]['gflops'] < rows[1]['gflops'])


if __name__ == '__main__':
  unittest.main()
