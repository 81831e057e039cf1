// team.cl - launches that all members of a team work on at once (runtime/team.h): each member has a part of
// the work-groups, waits on its own for what was launched before, and tells the others when its part is done.
// Without TEAM the same kernel is launched as any other. For kernels with one work-item in a work-group;
// TEAM_BEGIN is the first statement, and no way out leads past TEAM_END.

#if TEAM

// before: parts that must be done before this one begins. member, first: whose part it is, and where it
// begins. end: work-groups that the member has done, in its life, when the part is done. size: of the range.
struct team {
    int before, member, first, end, size_0, size_1;
};

// done[0] counts parts; each member counts its work-groups for itself, a line of the cache from the others.
#define LINE 32

#define TEAM_ARGUMENTS volatile __global int *done, struct team team,
#define TEAM_ID(dimension) team_id(team, dimension)
#define TEAM_BEGIN team_begin(done, team)
#define TEAM_END team_end(done, team)

ALWAYS_INLINE int team_id(struct team team, int dimension)
{
    const int id = team.first + (int)get_global_id(0), row = id / team.size_0;
    return dimension == 0 ? id % team.size_0 : dimension == 1 ? row % team.size_1 : row / team.size_1;
}

// Counts go round: differences stay right.
ALWAYS_INLINE void team_begin(volatile __global int *done, struct team team)
{
    while (*done - team.before < 0)
        ;
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
#define TEAM_ID(dimension) ((int)get_global_id(dimension))
#define TEAM_BEGIN
#define TEAM_END

#endif
