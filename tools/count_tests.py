"""Prints 'N passed, N failed, N skipped' from Meson's log of a test run; fails when nothing ran."""
import json
import sys

passed = failed = skipped = 0
with open(sys.argv[1], encoding='utf-8') as log:
  for line in log:
    result = json.loads(line)['result']
    if result in ('OK', 'EXPECTEDFAIL'):
      passed += 1
    elif result == 'SKIP':
      skipped += 1
    else:
      failed += 1
print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
sys.exit(passed == 0)
