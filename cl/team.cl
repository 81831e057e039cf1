// team.cl - kernels of one work-item a work-group, and launches that all members of a team work on at once
// (runtime/team.h): each member waits on its own for what was launched before, does the work-groups of its
// share, in a balanced launch those that are left of others', too, and adds what it did to the count of those
// done. A member that is late is not waited for where others have done its work. Without TEAM a kernel is
// launched as any other.
//
// A team's kernel stays for a while: it does the launch that its command came with, and those of the same
// code that the host writes on the board for it, until one with another ticket comes, which has commands of
// its own, or none for some time, or the host closes the board. A driver's queue takes longer than many a
// launch.
//
// The work of a kernel NAME is a function NAME_work(int3 id, ...), of the work-item's numbers and the
// kernel's arguments. TEAM_KERNEL makes a kernel of it; ARGUMENTS(IN, OUT, VALUE, LAST) lists the arguments
// in the host's order: IN(name) and OUT(name), arrays of floats that are read, or written; VALUE(type,
// name); the last one is LAST(type, name). In local memory, behind the others: TEAM_KERNEL_LOCAL. A team's
// command has one argument, struct team; a launch's own come in memory, each at a multiple of its size, or of
// 4.

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

#include "../src/runtime/team_board.h"

// board: its address. ticket: of the launches that the kernel does. after: the launch before the first.
// member: of the command's first work-group.
struct team {
    ulong board;
    uint ticket, after;
    int member, members;
};

// arguments: their address. before: work-groups, of all launches, that must be done before these are. base:
// of the members' counters in this launch. shares: of how many members, from itself on, one does work-groups.
// first, total: the launch's work-groups. size: of the range.
struct launch {
    ulong arguments;
    uint ticket, before, base;
    int shares, first, total, size_0, size_1;
};

#define PATIENCE 16384 // looks for another launch

ALWAYS_INLINE volatile __global uint *team_board(struct team team)
{
    return (volatile __global uint *)team.board;
}

// Waits for the launch that follows `last`. False: none came, or none for this kernel.
ALWAYS_INLINE bool team_next(struct team team, uint last, struct launch *launch)
{
    volatile __global uint *board = team_board(team);
    for (int looks = 0;; looks++) {
        const uint posted = board[POSTED];
        if ((posted & ~CLOSED) != last)
            break;
        if (posted & CLOSED ||
            (looks >= PATIENCE && atomic_cmpxchg(board + POSTED, posted, posted | CLOSED) == posted))
            return false;
    }
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    *launch = *(volatile __global struct launch *)(board + LAUNCHES + (last / 2 + 1) % RING * LAUNCH_STRIDE);
    return launch->ticket == team.ticket;
}

ALWAYS_INLINE int3 team_ids(struct launch launch, int number)
{
    const int id = launch.first + number, row = id / launch.size_0;
    return (int3)(id % launch.size_0, row % launch.size_1, row / launch.size_1);
}

ALWAYS_INLINE void team_begin(struct team team, struct launch launch)
{
    volatile __global uint *board = team_board(team);
    uint looks = 0;
    while (as_int(board[DONE] - launch.before) < 0)
        looks++;
    if (looks >= LONG_WAIT)
        atomic_add(board + WAITS, looks / LONG_WAIT);
    mem_fence(CLK_GLOBAL_MEM_FENCE);
}

// Members' shares follow each other; each has as many work-groups as any other, or one more.
ALWAYS_INLINE int team_share(struct team team, struct launch launch, int member)
{
    return launch.total / team.members * member + launch.total % team.members * member / team.members;
}

// The next work-groups of a share that has `count`: all of them where nobody else looks for them; otherwise
// some of many, and the last ones each for itself, so that members of unlike speed are done together. Returns
// how many; begin receives the first.
ALWAYS_INLINE int team_take(struct team team, struct launch launch, int owner, int count, int *begin)
{
    volatile __global uint *taken = team_board(team) + TAKEN(owner);
    for (;;) {
        // behind base where nothing is taken yet, past the end where later launches have begun
        const uint found = *taken;
        const int next = max(as_int(found - launch.base), 0), left = count - next;
        if (left <= 0)
            return 0;
        *begin = next;
        if (launch.shares == 1) {
            *taken = launch.base + count;
            return left;
        }
        const int some = 1 + left / 8;
        if (atomic_cmpxchg(taken, found, launch.base + next + some) == found)
            return some;
    }
}

ALWAYS_INLINE void team_end(struct team team, uint number, int count)
{
    volatile __global uint *board = team_board(team);
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    if (count > 0)
        atomic_add(board + DONE, (uint)count);
    board[PASSED(team.member)] = number;
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
    struct launch launch;                                                                                    \
    team.member += (int)get_group_id(0);                                                                     \
    for (uint number = team.after; team_next(team, number, &launch);) {                                      \
        ulong at = launch.arguments;                                                                         \
        ARGUMENTS(TEAM_LOAD_ARRAY, TEAM_LOAD_ARRAY, TEAM_LOAD_VALUE, TEAM_LOAD_VALUE)                        \
        team_begin(team, launch);                                                                            \
        int count = 0;                                                                                       \
        for (int i = 0; i < launch.shares; i++) {                                                            \
            const int owner = (team.member + i) % team.members, start = team_share(team, launch, owner);     \
            const int most = team_share(team, launch, owner + 1) - start;                                    \
            int begin, some;                                                                                 \
            while ((some = team_take(team, launch, owner, most, &begin)) > 0) {                              \
                for (int each = 0; each < some; each++)                                                      \
                    name##_work(team_ids(launch, start + begin + each), TEAM_PASSED(ARGUMENTS) __VA_ARGS__); \
                count += some;                                                                               \
            }                                                                                                \
        }                                                                                                    \
        number += 2;                                                                                         \
        team_end(team, number, count);                                                                       \
    }
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
