"""docs/convolutions.md keeps its word: snippets compile, commands run, links lead somewhere."""
import os
import re
import shlex
import subprocess
import sys
import unittest

SOURCE = os.environ['CVY_TEST_SOURCE']
sys.path.insert(0, os.path.join(SOURCE, 'tests', 'cli'))

from support import HAVE_ONNX, CommandTest, npy, product, read_npy  # pylint: disable=wrong-import-position

TOUR = os.path.join(SOURCE, 'docs', 'convolutions.md')
MODEL = os.path.join(SOURCE, 'examples', 'superres', 'superres.onnx')
COMPILER = sys.argv[1:]
# what the snippets speak of without saying what it is
AROUND = '''#include <convoy/convoy.h>
void snippet(struct cvy_device *device, struct cvy_graph *graph, struct cvy_conv_problem p, const float *x,
             const float *w, const float *bias, float *y, float *middle, float *back,
             struct cvy_value *image, struct cvy_value *depthwise_w, struct cvy_value *pointwise_w,
             struct cvy_value *lateral, struct cvy_value *vertical, struct cvy_value *horizontal,
             struct cvy_value *result)
{
  {
#line %d "docs/convolutions.md"
%s
  }
}
'''


def blocks(language):
  """(number of the first line, text) of each fenced block."""
  with open(TOUR, encoding='utf-8') as file:
    text = file.read()
  for match in re.finditer(r'^```%s\n(.*?)^```$' % language, text, re.M | re.S):
    yield text.count('\n', 0, match.start(1)) + 1, match.group(1)


def commands():
  """(line, arguments, comment, lines shown below it) of each command."""
  for start, text in blocks('console'):
    found = None
    for number, line in enumerate(text.splitlines(), start):
      if line.startswith('$ convoy '):
        if found:
          yield found
        words, _, comment = line[len('$ convoy '):].partition('#')
        found = (number, shlex.split(words), comment, [])
      elif line.strip():
        found[3].append(line)
    yield found


class Tour(CommandTest):

  def test_snippets_compile_against_the_headers(self):
    found = list(blocks('c'))
    self.assertGreater(len(found), 15)
    for line, text in found:
      source = self.write('snippet.c', (AROUND % (line, text)).encode())
      done = subprocess.run(COMPILER + ['-std=c11', '-Wall', '-Wextra', '-Werror', '-Wno-unused',
                                        '-Wno-unused-parameter', '-Wno-unused-but-set-parameter',
                                        '-fsyntax-only', '-I' + os.path.join(SOURCE, 'include'), source],
                            stderr=subprocess.PIPE, check=False)
      self.assertEqual(done.returncode, 0, done.stderr.decode())

  def test_convolutions_have_the_shapes_that_are_written_beside_them(self):
    count = 0
    for line, words, comment, _ in commands():
      if words[0] != 'conv':
        continue
      count += 1
      shapes = {name: [int(size) for size in dims.split('x')]
                for name, dims in re.findall(r'(\w) (\d+(?:x\d+)+)', comment)}
      inputs = [word[:-len('.npy')] for word in words if word.endswith('.npy') and word != 'y.npy']
      self.assertEqual(sorted(shapes), sorted(inputs + ['y']), 'line %d' % line)
      for name in inputs:
        self.write(name + '.npy', npy(shapes[name], [1.0] * product(shapes[name])))
      self.succeed(*words)
      self.assertEqual(read_npy(self.path('y.npy'))[0], shapes['y'], 'line %d' % line)
    self.assertGreater(count, 10)

  def test_explanations_contain_the_lines_that_are_shown(self):
    with open(MODEL, 'rb') as file:
      self.write('model.onnx', file.read())
    count = 0
    for line, words, _, shown in commands():
      if words[0] != 'explain' or 'model.onnx' in words and not HAVE_ONNX:
        continue
      count += 1
      out = [' '.join(row.split()) for row in self.succeed(*words).splitlines()]
      for expected in shown:
        if expected.strip() != '...':
          self.assertIn(' '.join(expected.split()), out, 'line %d' % line)
    self.assertGreater(count, 10)

  def test_links_lead_to_files_and_headings(self):
    with open(TOUR, encoding='utf-8') as file:
      text = file.read()
    headings = {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-')
                for title in re.findall(r'^#+ (.*)$', text, re.M)}
    for target in re.findall(r'\]\(([^)]+)\)', text):
      if target.startswith('#'):
        self.assertIn(target[1:], headings)
      elif not target.startswith('https://'):
        self.assertTrue(os.path.exists(os.path.join(SOURCE, 'docs', target)), target)

  def test_every_picture_is_shown(self):
    with open(TOUR, encoding='utf-8') as file:
      text = file.read()
    for name in os.listdir(os.path.join(SOURCE, 'docs', 'pictures')):
      if name.endswith('.svg'):
        self.assertIn('(pictures/%s)' % name, text)


if __name__ == '__main__':
  unittest.main(argv=sys.argv[:1], verbosity=2)
