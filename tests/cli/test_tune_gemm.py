"""convoy tune --gemm: parameters for CLBlast, tried in processes of their own, kept in the store."""
import json
import unittest

import support

# vectors of three: no kernel of CLBlast compiles with them
UNBUILDABLE = ('Xgemm:GEMMK=0,KREG=1,KWG=16,KWI=2,MDIMA=1,MDIMC=1,MWG=12,NDIMB=1,NDIMC=1,NWG=12,SA=0,SB=0,STRM=0,'
               'STRN=0,VWM=3,VWN=3 GemmRoutine:XGEMM_MIN_INDIRECT_SIZE=1')


class TuneGemm(support.CommandTest):

  def setUp(self):
    super().setUp()
    self.store = ('--store', self.path('store.db'))

  def tune(self, budget):
    return json.loads(self.succeed('tune', '--gemm', '--json', '--budget', str(budget), *self.store))

  def test_best_setting_is_kept_and_tried_first_next_time(self):
    report = self.tune(20)
    self.assertLess(report['seconds'], 25)
    speeds = {}
    for row in report['settings']:
      speeds[row['setting']] = max(row.get('gflops', 0), speeds.get(row['setting'], 0))
    self.assertIn('', speeds)
    self.assertEqual(report['gflops'], max(speeds.values()))
    self.assertEqual(report['gflops'], speeds[report['setting']])
    self.assertEqual(report['own_gflops'], speeds[''])
    again = self.tune(10)
    self.assertEqual(again['settings'][0]['setting'], report['setting'])

  def test_nothing_is_kept_when_there_is_no_time(self):
    status, out, err = self.convoy('tune', '--gemm', '--budget', '0.2', *self.store)
    self.assertEqual((status, err), (1, ''))
    self.assertIn('not done in time', out)
    self.assertIn('none is kept', out)

  def test_a_trial_is_no_command_for_users(self):
    self.assertNotIn('try-gemm', self.succeed('--help'))
    self.refuse(2, ['try-gemm'], 'try-gemm')
    status, out, _ = self.convoy('try-gemm', 'cpu', '1', UNBUILDABLE)
    self.assertEqual(status, 1)
    self.assertRegex(out, r'^[1-9]\d* 0\n$')


if __name__ == '__main__':
  unittest.main()
