"""Writes a C table of OpenCL sources: embed.py OUTPUT INPUT.cl ...

#include "other.cl" is expanded in place, with #line directives, so that build logs name file and line.
"""
import os
import re
import sys


def expand(path, seen):
  name = os.path.basename(path)
  lines = ['#line 1 "%s"\n' % name]
  with open(path, encoding='utf-8') as file:
    for number, line in enumerate(file, 1):
      include = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
      if include is None:
        lines.append(line)
      elif include.group(1) not in seen:
        seen.add(include.group(1))
        lines += expand(os.path.join(os.path.dirname(path), include.group(1)), seen)
        lines.append('#line %d "%s"\n' % (number + 1, name))
      else:
        lines.append('\n')
  return lines


def c_string(line):
  return '"%s"' % line.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')


def main(output, inputs):
  with open(output, 'w', encoding='utf-8') as out:
    out.write('/* Made from cl/ by cl/embed.py. */\n#include "runtime/program.h"\n\n')
    out.write('const struct cvy_cl_source cvy_cl_sources[] = {\n')
    for path in inputs:
      name = os.path.splitext(os.path.basename(path))[0]
      body = '\n     '.join(c_string(line) for line in expand(path, set()))
      out.write('    {"%s",\n     %s},\n' % (name, body))
    out.write('    {0, 0},\n};\n')


main(sys.argv[1], sys.argv[2:])
