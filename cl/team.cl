// team.cl - launches that all members of a team work on at once (runtime/team.h): each member has a part of
// the work-groups, waits on its own for what was launched before, and tells the others when its part is done.
// Without TEAM the same kernel is launched as any other. For kernels of one work-item a work-group; their
// work is a function of its own, called with TEAM_IDS between TEAM_BEGIN and TEAM_END.

#if TEAM

// before: parts that must be done before this one begins. member, first: whose part it is, and where it
// begins. end: work-groups that the member has done, in its life, when the part is done. size: of the range.
struct team {
    int before, member, first, end, size_0, size_1;
};

// done[0] counts parts, done[1] what long waits took, in LONG_WAIT looks. Each member counts its work-groups
// for itself, a line of the cache from the others.
#define LINE 32
#define LONG_WAIT 65536

#define TEAM_ARGUMENTS volatile __global int *done, struct team team,
#define TEAM_IDS team_ids(team)
#define TEAM_BEGIN team_begin(done, team)
#define TEAM_END team_end(done, team)

ALWAYS_INLINE int3 team_ids(struct team team)
{
    const int id = team.first + (int)get_global_id(0), row = id / team.size_0;
    return (int3)(id % team.size_0, row % team.size_1, row / team.size_1);
}

// Counts go round: differences stay right.
ALWAYS_INLINE void team_begin(volatile __global int *done, struct team team)
{
    uint looks = 0;
    while (*done - team.before < 0)
        looks++;
    if (looks >= LONG_WAIT)
        atomic_add(done + 1, (int)(looks / LONG_WAIT));
    mem_fence(CLK_GLOBAL_MEM_FENCE);
}

ALWAYS_INLINE void team_end(volatile __global int *done, struct team team)
{
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    if (atomic_inc(done + (1 + team.member) * LINE) + 1 == team.end)
        atomic_inc(done);
}

#else

#define TEAM_ARGUMENTS
#define TEAM_IDS ((int3)(get_global_id(0), get_global_id(1), get_global_id(2)))
#define TEAM_BEGIN
#define TEAM_END

#endif
