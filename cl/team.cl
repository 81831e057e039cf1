// team.cl - kernels of one work-item a work-group, and launches that all members of a team work on at once
// (runtime/team.h): each member waits on its own for what was launched before, does the work-groups of its
// share, in a balanced launch those that are left of others', too, and adds what it did to the count of those
// done. A member that is late is not waited for where others have done its work. Without TEAM a kernel is
// launched as any other.
//
// The work of a kernel NAME is a function NAME_work(int3 id, ...), of the work-item's numbers and the
// kernel's arguments. TEAM_KERNEL makes a kernel of it; ARGUMENTS(IN, OUT, VALUE, LAST) lists the arguments
// in the host's order: IN(name) and OUT(name), arrays of floats that are read, or written; VALUE(type,
// name); the last one is LAST(type, name). In local memory, behind the others: TEAM_KERNEL_LOCAL. A team's
// launch has one argument, struct team, for drivers copy each of them: all others come in memory, each at a
// multiple of its size, or of 4.

// MAY_ALIAS: arrays may be the same one, where an element is read before it is written.
#ifdef MAY_ALIAS
#define TEAM_RESTRICT
#else
#define TEAM_RESTRICT restrict
#endif

#define WORK_GROUP(x, y, z) __attribute__((reqd_work_group_size(x, y, z)))
#define ANY_WORK_GROUP

// ALONE: the kernel is launched as any other although there is a team.
#ifdef ALONE
#undef TEAM
#endif

#define TEAM_PASS_ARRAY(name) name,
#define TEAM_PASS_VALUE(type, name) name,
#define TEAM_PASS_LAST(type, name) name
#define TEAM_PASSED(ARGUMENTS) ARGUMENTS(TEAM_PASS_ARRAY, TEAM_PASS_ARRAY, TEAM_PASS_VALUE, TEAM_PASS_LAST)

#if TEAM

// done, arguments: addresses. before: work-groups, of all launches, that must be done before these are. base:
// of the members' counters in this launch. shares: of how many members, from itself on, one does work-groups.
// first, total: the launch's work-groups. sequence: its number. size: of the range.
struct team {
    ulong done, arguments;
    uint before, base, sequence;
    int member, members, shares, first, total, size_0, size_1;
};

// done[0]: work-groups done, by all members, of all launches; done[1]: what long waits took, in LONG_WAIT
// looks. Then for each member, a line of the cache from the others: base + work-groups of its share that are
// taken, by whomever; the number of the last launch that it has done with. Counts go round: differences stay
// right, of unsigned numbers, which compilers know to go round.
#define LINE 32
#define TAKEN(member) ((1 + (member)) * LINE)
#define PASSED(member) (TAKEN(member) + 1)
#define LONG_WAIT 65536

ALWAYS_INLINE int3 team_ids(struct team team, int number)
{
    const int id = team.first + number, row = id / team.size_0;
    return (int3)(id % team.size_0, row % team.size_1, row / team.size_1);
}

ALWAYS_INLINE void team_begin(struct team team)
{
    volatile __global uint *done = (volatile __global uint *)team.done;
    uint looks = 0;
    while (as_int(*done - team.before) < 0)
        looks++;
    if (looks >= LONG_WAIT)
        atomic_add(done + 1, looks / LONG_WAIT);
    mem_fence(CLK_GLOBAL_MEM_FENCE);
}

// Members' shares follow each other; each has as many work-groups as any other, or one more.
ALWAYS_INLINE int team_share(struct team team, int member)
{
    return team.total / team.members * member + team.total % team.members * member / team.members;
}

// The next work-groups of a share that has `count`: all of them where nobody else looks for them; otherwise
// some of many, and the last ones each for itself, so that members of unlike speed are done together. Returns
// how many; begin receives the first.
ALWAYS_INLINE int team_take(struct team team, int owner, int count, int *begin)
{
    volatile __global uint *taken = (volatile __global uint *)team.done + TAKEN(owner);
    for (;;) {
        // behind base where nothing is taken yet, past the end where later launches have begun
        const uint found = *taken;
        const int next = max(as_int(found - team.base), 0), left = count - next;
        if (left <= 0)
            return 0;
        *begin = next;
        if (team.shares == 1) {
            *taken = team.base + count;
            return left;
        }
        const int some = 1 + left / 8;
        if (atomic_cmpxchg(taken, found, team.base + next + some) == found)
            return some;
    }
}

ALWAYS_INLINE void team_end(struct team team, int count)
{
    volatile __global uint *done = (volatile __global uint *)team.done;
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    if (count > 0)
        atomic_add(done, (uint)count);
    done[PASSED(team.member)] = team.sequence;
}

ALWAYS_INLINE __global const char *team_argument(ulong *at, ulong bytes, ulong align)
{
    const ulong here = (*at + align - 1) / align * align;
    *at = here + bytes;
    return (__global const char *)here;
}

#define TEAM_LOAD_ARRAY(name)                                                                                \
    __global float *name = (__global float *)*(__global const ulong *)team_argument(&at, 8, 8);
#define TEAM_LOAD_VALUE(type, name)                                                                          \
    const type name = *(__global const type *)team_argument(&at, sizeof(type), 4);
#define TEAM_WORK(name, ARGUMENTS, ...)                                                                      \
    ulong at = team.arguments;                                                                               \
    ARGUMENTS(TEAM_LOAD_ARRAY, TEAM_LOAD_ARRAY, TEAM_LOAD_VALUE, TEAM_LOAD_VALUE)                            \
    team_begin(team);                                                                                        \
    int count = 0;                                                                                           \
    for (int i = 0; i < team.shares; i++) {                                                                  \
        const int owner = (team.member + i) % team.members, start = team_share(team, owner);                 \
        int begin, some;                                                                                     \
        while ((some = team_take(team, owner, team_share(team, owner + 1) - start, &begin)) > 0) {           \
            for (int each = 0; each < some; each++)                                                          \
                name##_work(team_ids(team, start + begin + each), TEAM_PASSED(ARGUMENTS) __VA_ARGS__);       \
            count += some;                                                                                   \
        }                                                                                                    \
    }                                                                                                        \
    team_end(team, count);
#define TEAM_KERNEL(name, work_group, ARGUMENTS)                                                             \
    __kernel WORK_GROUP(1, 1, 1) void name(struct team team)                                                 \
    {                                                                                                        \
        TEAM_WORK(name, ARGUMENTS)                                                                           \
    }
#define TEAM_KERNEL_LOCAL(name, work_group, type, array, ARGUMENTS)                                          \
    __kernel WORK_GROUP(1, 1, 1) void name(struct team team, __local type *array)                            \
    {                                                                                                        \
        TEAM_WORK(name, ARGUMENTS, , array)                                                                  \
    }

#else

#define TEAM_DECLARE_IN(name) __global const float *TEAM_RESTRICT name,
#define TEAM_DECLARE_OUT(name) __global float *TEAM_RESTRICT name,
#define TEAM_DECLARE_VALUE(type, name) type name,
#define TEAM_DECLARE_LAST(type, name) type name
#define TEAM_DECLARED(ARGUMENTS)                                                                             \
    ARGUMENTS(TEAM_DECLARE_IN, TEAM_DECLARE_OUT, TEAM_DECLARE_VALUE, TEAM_DECLARE_LAST)
#define ITEM_IDS ((int3)(get_global_id(0), get_global_id(1), get_global_id(2)))
#define TEAM_KERNEL(name, work_group, ARGUMENTS)                                                             \
    __kernel work_group void name(TEAM_DECLARED(ARGUMENTS))                                                  \
    {                                                                                                        \
        name##_work(ITEM_IDS, TEAM_PASSED(ARGUMENTS));                                                       \
    }
#define TEAM_KERNEL_LOCAL(name, work_group, type, array, ARGUMENTS)                                          \
    __kernel work_group void name(TEAM_DECLARED(ARGUMENTS), __local type *array)                             \
    {                                                                                                        \
        name##_work(ITEM_IDS, TEAM_PASSED(ARGUMENTS), array);                                                \
    }

#endif
