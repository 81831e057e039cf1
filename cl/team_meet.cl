// team_meet.cl - do the members of a team run at the same time, and how soon do they see each other?
#include "prelude.cl"

// Each member counts itself in and waits for the others, `rounds` times, or gives up after `most` looks.
// met[member]: rounds in which all of them met.
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void team_meet(volatile __global int *done, __global int *met, int member, int members, int rounds, int most)
{
    int round = 0, looks = 0;
    for (bool all_here = true; round < rounds && all_here; round += all_here) {
        atomic_inc(done);
        while (*done < members * (round + 1) && looks < most)
            looks++;
        all_here = looks < most;
    }
    met[member] = round;
}
