"""`convoy run` beyond one run on one file: repeats, random inputs, streams of files, traces and pictures."""
import json
import os
import pty
import subprocess
import unittest
import xml.etree.ElementTree

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

  def test_stream_runs_every_file_and_leaves_broken_ones_out(self):
    self.chain()
    os.mkdir(self.path('in'))
    names = ['%02d.npy' % i for i in range(11)]
    for i, name in enumerate(names):
      self.random_npy(os.path.join('in', name), [1, 2, 9, 7 if i < 8 else 12])
    for name in ('00.npy', '05.npy'):
      self.write('in/' + name, b'\x93NUMPY but no more')
    status, out, err = self.convoy('run', 'm.onnx', '-i', 'in/*.npy', '-o', 'out', '--compare', '--json')
    self.assertEqual(status, 1)
    self.assertIn('in/05.npy', err)
    self.assertIn('2 of 11 files failed', err)
    self.assertNotIn('\r', err)
    report = json.loads(out)
    self.assertEqual((report['files'], report['failed']), (11, ['in/00.npy', 'in/05.npy']))
    self.assertGreater(report['speedup'], 0)
    names = [name for name in names if name not in ('00.npy', '05.npy')]
    self.assertEqual(sorted(os.listdir(self.path('out'))), names)
    for name in names:
      self.succeed('run', 'm.onnx', '-i', 'in/' + name, '--expect', 'out/' + name, '--tolerance', '1e-6')
    for name in ('00.npy', '05.npy'):
      os.remove(self.path('in/' + name))
    self.refuse(1, ['in', 'folder of their own'], 'run', 'm.onnx', '-i', 'in', '-o', 'in')
    self.succeed('run', 'm.onnx', '-i', 'in', '-o', 'again')
    self.assertEqual(sorted(os.listdir(self.path('again'))), names)
    self.refuse(1, ['no-such'], 'run', 'm.onnx', '-i', 'no-such/*.npy', '-o', 'third')
    self.refuse(2, ['--repeat'], 'run', 'm.onnx', '-i', 'in', '-o', 'third', '--repeat', '2')
    self.refuse(1, ['m.onnx', 'folder'], 'run', 'm.onnx', '-i', 'in', '-o', 'm.onnx')

  def test_stream_shows_progress_on_a_terminal(self):
    self.chain()
    os.mkdir(self.path('in'))
    for i in range(3):
      self.random_npy('in/%d.npy' % i, [1, 2, 5, 4])
    master, slave = pty.openpty()
    subprocess.run([support.CONVOY, 'run', 'm.onnx', '-i', 'in', '-o', 'out'], cwd=self.folder, stderr=slave,
                   stdout=subprocess.DEVNULL, check=True, env=dict(os.environ, XDG_CACHE_HOME=self.folder))
    os.close(slave)
    text = os.read(master, 65536).decode()
    os.close(master)
    for part in ('[######..............] 1/3', '[####################] 3/3', 'a second', 's left'):
      self.assertIn(part, text)

  @unittest.skipUnless(support.HAVE_IMAGES, 'convoy was built without pictures')
  def test_stream_of_pictures_gives_pictures_or_tensors(self):
    mask = os.umask(0)
    os.umask(mask)
    for channels in (3, 2):
      weights = [1.0 if i % 4 == 0 else 0.0 for i in range(channels * 3)]
      nodes = [node('Conv', ['x', 'w'], ['y'], [ints('kernel_shape', [1, 1])])]
      self.write('m.onnx', model(nodes, [value_info('x', ['n', 3, 'h', 'w'])], [value_info('y', ['n', channels, 'h', 'w'])],
                                 [tensor('w', [channels, 3, 1, 1], weights)]))
      rows = [bytes(self.random.randrange(256) for _ in range(15)) for _ in range(4)]
      os.makedirs(self.path('in'), exist_ok=True)
      self.write('in/a.png', support.png(5, 4, 2, 8, rows))
      self.succeed('run', 'm.onnx', '-i', 'in', '-o', 'out%d' % channels)
      if channels == 3:
        self.assertEqual(support.read_png8(self.path('out3/a.png')), (5, 4, 3, b''.join(rows)))
        self.assertEqual(os.stat(self.path('out3/a.png')).st_mode & 0o777, 0o666 & ~mask)
      else:
        self.assertEqual(read_npy(self.path('out2/a.png.npy'))[0], [1, 2, 4, 5])

  def test_trace_tells_of_every_layer_when_it_ran(self):
    self.chain()
    layers = json.loads(self.succeed('run', 'm.onnx', '--random', '3', '--shape', '1x2x40x50', '--trace', 't.json',
                                     '--repeat', '2', '--json'))['layers']
    with open(self.path('t.json'), encoding='utf-8') as file:
      trace = json.load(file)
    events = trace['traceEvents']
    rows = {event['tid']: event['args']['name'] for event in events if event['name'] == 'thread_name'}
    spans = {}
    for event in events:
      self.assertIn(event['ph'], ('M', 'X'))
      self.assertIsInstance(event['pid'], int)
      if event['ph'] == 'X':
        self.assertIn(event['tid'], rows)
        self.assertGreaterEqual(event['ts'], 0)
        self.assertGreaterEqual(event['dur'], 0)
        spans.setdefault(event['cat'], []).append(event)
    for kind in ('enqueue', 'running'):
      self.assertEqual([event['name'] for event in spans[kind]], [layer['layer'] for layer in layers])
      for first, second in zip(spans[kind], spans[kind][1:]):
        self.assertLessEqual(first['ts'] + first['dur'], second['ts'] + 0.01)
    for enqueue, running, layer in zip(spans['enqueue'], spans['running'], layers):
      self.assertGreaterEqual(running['ts'] + running['dur'], enqueue['ts'])
      self.assertLess(abs(running['dur'] / 1e3 - layer['ms']), 0.2 * layer['ms'] + 0.05)

  def test_picture_shows_memory_and_time(self):
    self.chain()
    self.succeed('run', 'm.onnx', '--random', '3', '--shape', '1x2x40x50', '--svg', 'p.svg')
    root = xml.etree.ElementTree.parse(self.path('p.svg')).getroot()
    titles = [title.text for title in root.iter('{http://www.w3.org/2000/svg}title')]
    self.assertTrue(any('15.6 KiB from 0' in title for title in titles), titles)
    self.assertTrue(any(title.startswith('second') and title.endswith('ms') for title in titles), titles)
    self.refuse(1, ['no/p.svg'], 'run', 'm.onnx', '--random', '3', '--shape', '1x2x4x5', '--svg', 'no/p.svg')

  def test_ceiling_is_kept_or_the_smallest_is_named(self):
    self.chain()
    self.random_npy('x.npy', [1, 2, 40, 50])
    self.succeed('run', 'm.onnx', '-i', 'x.npy', '-o', 'y.npy')
    err = self.refuse(1, ['max_memory'], 'run', 'm.onnx', '-i', 'x.npy', '--max-memory', '1K')
    least = int(err.split()[-1])
    self.refuse(1, [str(least)], 'run', 'm.onnx', '-i', 'x.npy', '--max-memory', least - 1)
    report = json.loads(self.succeed('run', 'm.onnx', '-i', 'x.npy', '--max-memory', least, '--expect', 'y.npy', '--json'))
    self.assertLessEqual(report['total_bytes'], least)
    self.refuse(2, ['12Q'], 'run', 'm.onnx', '-i', 'x.npy', '--max-memory', '12Q')


if __name__ == '__main__':
  unittest.main()
