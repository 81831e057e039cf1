"""convoy tune: what it learns is kept, used, and goes through files; budgets, interrupts, strictness."""
import json
import os
import signal
import subprocess
import time
import unittest

import support
from support import CommandTest

MODEL = os.path.join(support.SOURCE, 'examples', 'superres', 'superres.onnx')
SMALL = 'mb1ic4ih9oc6kh3ph1'
OTHER = 'mb1ic20ih12oc24kh1'
HEADER = '# convoy measured times 1\n'


class TuneTest(CommandTest):

  def setUp(self):
    super().setUp()
    self.store = ('--store', self.path('store.db'))

  def tune(self, *args):
    return json.loads(self.succeed('tune', '--json', *self.store, *args))

  def lines(self, path):
    with open(path, encoding='ascii') as file:
      return file.read().splitlines(keepends=True)


class Search(TuneTest):

  def test_each_shape_is_measured_and_the_best_is_taken(self):
    report = self.tune(SMALL + 'n"first"', '--deconv', 'mb1ic4ih5oc4kh2sh2', '--plain')
    first, second = report['convolutions']
    self.assertEqual((first['name'], second['desc']), ('first', '--deconv mb1ic4ih5oc4kh2sh2'))
    for item in (first, second):
      self.assertTrue(item['complete'])
      self.assertEqual(item['refused'], 0)
      self.assertGreaterEqual(item['estimated']['ms'], item['best']['ms'])
      self.assertAlmostEqual(item['gain'], item['estimated']['ms'] / item['best']['ms'], 6)
    self.assertEqual(report['kept'], first['measured'] + second['measured'])
    self.assertAlmostEqual(report['mean_gain']**2, first['gain'] * second['gain'], 6)
    row, = json.loads(self.succeed('bench', '--json', '--runs', '3', '--plain', *self.store, SMALL))
    self.assertEqual(row['algorithm'], first['best']['algorithm'])

  def test_what_is_known_is_not_measured_again(self):
    first = self.tune(SMALL)
    report = self.tune('--report', SMALL, OTHER)
    self.assertEqual(report['convolutions'][0]['best'], first['convolutions'][0]['best'])
    self.assertIsNone(report['convolutions'][1]['best'])
    self.assertEqual(report['kept'], first['kept'])
    # the device's rates may be measured again, and with them what is worth a try
    again = self.tune(SMALL)
    self.assertTrue(again['convolutions'][0]['complete'])
    self.assertGreaterEqual(again['kept'], first['kept'])

  def test_tables_have_a_row_for_each(self):
    out = self.succeed('tune', *self.store, SMALL + 'n"one"', OTHER + 'n"two"')
    rows = out.splitlines()
    self.assertRegex(rows[0], 'LAYOUT +ESTIMATED BEST .* MEASURED BEST .* GAIN')
    self.assertRegex(rows[1], r'^one +plain +\w+ .*\d\.\d\d ')
    self.assertRegex(rows[2], r'^two +blocks +\w+ .*\d\.\d\d ')
    self.assertIn('2 convolutions, geometric mean of the gain', out)

  def test_batch_files_and_models(self):
    self.write('list', b'--mb=1\n%sn"a" # x3\n--deconv ic4ih5oc4kh2sh2n"b"\n' % SMALL[3:].encode())
    report = self.tune('--batch', 'list')
    self.assertEqual([item['name'] for item in report['convolutions']], ['a', 'b'])
    if support.HAVE_ONNX:
      report = self.tune(MODEL, '--shape', '1x3x16x16', '--budget', '3')
      self.assertGreater(len(report['convolutions']), 1)

  def test_budget_is_kept(self):
    shape = 'mb1ic64ih28oc64kh3ph1'
    self.tune('--report', SMALL)  # the device's rates are measured by now
    start = time.monotonic()
    self.succeed('bench', '--algo', 'winograd', '--runs', '1', '--store', 'off', shape)
    one = time.monotonic() - start
    for budget in (0.001, 1.5):
      start = time.monotonic()
      report = self.tune('--budget', budget, shape, OTHER, SMALL)
      took = time.monotonic() - start
      # opening the device, what is compiled when time is over, and the report come on top
      self.assertLess(took, budget + 1 + 2 * one)
      if budget < 0.1:
        self.assertEqual([item['measured'] for item in report['convolutions']], [0, 0, 0])
        self.assertFalse(any(item['complete'] for item in report['convolutions']))
    self.assertGreater(report['kept'], 0)

  def test_interrupt_keeps_what_was_learnt(self):
    for number in (signal.SIGINT, signal.SIGTERM):
      environment = dict(os.environ, XDG_CACHE_HOME=self.path('cache'))
      # more than is measured in any short time
      descs = ['mb1ic%dih%doc64kh3ph1' % (c, s) for c in range(32, 64, 2) for s in range(20, 40, 2)]
      process = subprocess.Popen([support.CONVOY, 'tune', *self.store, '--export', 'out.txt', *descs],
                                 env=environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
      process.stderr.readline()  # the first shape is done
      process.send_signal(number)
      begin = time.monotonic()
      out, err = process.communicate(timeout=60)
      self.assertEqual(process.returncode, 130, err)
      self.assertLess(time.monotonic() - begin, 10)
      self.assertIn(b'MEASURED BEST', out)
      rows = self.lines(self.path('out.txt'))
      self.assertGreater(len(rows), 1)
      report = self.tune('--report', descs[0])
      self.assertIsNotNone(report['convolutions'][0]['best'])
      self.assertEqual(report['kept'], len(rows) - 1)

  def test_changed_kernels_are_measured_anew(self):
    source = self.succeed('doctor', '--print-kernel', 'conv_direct')
    self.write('direct.cl', ('// changed\n' + source).encode())
    changed = ('--kernel', 'conv_direct=direct.cl')
    first = self.tune(SMALL)['convolutions'][0]
    stale = self.tune('--report', SMALL, *changed)['convolutions'][0]
    self.assertLess(stale['measured'], first['measured'])
    again = self.tune(SMALL, *changed)['convolutions'][0]
    self.assertTrue(again['complete'])
    self.assertGreater(again['measured'], stale['measured'])
    self.assertEqual(self.tune('--report', SMALL, *changed)['convolutions'][0]['measured'], again['measured'])


class Files(TuneTest):

  def test_times_go_round(self):
    report = self.tune(SMALL, '--export', 'a.txt')
    rows = self.lines(self.path('a.txt'))
    self.assertEqual(rows[0], HEADER)
    self.assertEqual(rows, sorted(rows))
    self.assertEqual(len(rows) - 1, report['kept'])
    self.store = ('--store', self.path('other.db'))
    self.assertEqual(self.tune('--report', SMALL)['kept'], 0)
    got = self.tune('--report', '--import', 'a.txt', '--export', 'b.txt', SMALL)
    self.assertEqual(got['imported'], report['kept'])
    self.assertEqual(got['convolutions'][0]['best'], report['convolutions'][0]['best'])
    self.assertEqual(self.lines(self.path('b.txt')), rows)
    self.assertRegex(self.succeed('tune', '--import', 'a.txt', *self.store),
                     r'^%d measured times in a.txt\n$' % report['kept'])
    self.assertEqual(self.lines(self.path('b.txt')), rows)

  def test_sorted_files_of_two_stores_are_one(self):
    self.tune(SMALL, '--export', 'a.txt')
    self.store = ('--store', self.path('other.db'))
    self.tune(OTHER, '--export', 'b.txt')
    both = sorted(set(self.lines(self.path('a.txt')) + self.lines(self.path('b.txt'))))
    self.write('both.txt', ''.join(both).encode())
    self.store = ('--store', self.path('third.db'))
    report = self.tune('--report', '--import', 'both.txt', SMALL, OTHER)
    self.assertEqual(report['imported'], len(both) - 1)
    for item in report['convolutions']:
      self.assertTrue(item['complete'] or item['best'])

  def test_without_a_store_times_go_to_the_file(self):
    self.store = ('--store', 'off')
    report = self.tune(SMALL, '--export', 'a.txt')
    self.assertEqual(len(self.lines(self.path('a.txt'))) - 1, report['kept'])
    self.assertGreater(report['kept'], 0)

  def test_damaged_files_change_nothing(self):
    self.tune(SMALL, '--export', 'a.txt')
    rows = self.lines(self.path('a.txt'))
    self.store = ('--store', self.path('other.db'))
    self.tune('--report', SMALL)
    for damaged, words in ((rows[:1] + [rows[1].replace('\t', ' ', 1)] + rows[2:], 'a.txt:2: it has fewer'),
                           (rows[1:], "a.txt:1: not '# convoy"), ([], 'a.txt: empty'),
                           (rows + ['x\n'], 'a.txt:%d: it has fewer' % (len(rows) + 1)),
                           (rows + ['\0\n'], 'a.txt: no text file')):
      self.write('a.txt', ''.join(damaged).encode())
      self.refuse(1, [words], 'tune', '--import', 'a.txt', '--report', SMALL, *self.store)
      self.assertEqual(self.tune('--report', SMALL)['kept'], 0)


class Strictness(TuneTest):

  def test_bad_input_is_refused(self):
    cases = (
        (2, ['nothing to tune']),
        (2, ['--budget 0:'], '--budget', '0', SMALL),
        (2, ['--budget -1:'], '--budget', '-1', SMALL),
        (2, ['--budget 1s:'], '--budget', '1s', SMALL),
        (2, ['--budget inf:'], '--budget', 'inf', SMALL),
        (2, ['--mb x:'], '--mb', 'x', SMALL),
        (2, ['--report'], '--report', '--import', 'a.txt'),
        (2, ['--store off', '--export'], '--store', 'off', SMALL),
        (2, ['goes with a model'], '--shape', '1x1', SMALL),
        (2, ['second model'], 'a.onnx', 'b.onnx'),
        (2, ['tuned alone'], 'a.onnx', SMALL),
        (2, ['--gemm'], '--gemm', SMALL),
        (2, ['no such option'], '--fast', SMALL),
        (2, ['no descriptor', ''][1:], 'mb1ic3'),
        (1, ['none.txt'], '--import', 'none.txt'),
        (1, ['none'], '--batch', 'none'),
    )
    for status, words, *args in cases:
      with self.subTest(args=args):
        self.refuse(status, words, 'tune', *args)

  def test_export_to_a_bad_place_fails(self):
    self.succeed('devices')
    status, _, err = self.convoy('tune', *self.store, SMALL, '--export', 'no/such/folder/a.txt')
    self.assertEqual(status, 1)
    self.assertIn('no/such/folder/a.txt', err)
    # what was measured stays all the same
    self.assertGreater(self.tune('--report', SMALL)['kept'], 0)


if __name__ == '__main__':
  unittest.main()
