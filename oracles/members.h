/* Where votes have weights and members come and go: may heads be counted instead? Pure.
 *
 * Replicas tell the set that votes (TC_OBS_MEMBER), at first and whenever it has changed. While it is made of the
 * cluster's replicas alone, and so weighted that fewer than a quorum of them never have more than two thirds of the
 * weight, a certificate of fewer distinct signers is none. Whatever is told otherwise, by anybody and at any time, ends
 * that: better nothing is said of certificates than something false. */
#ifndef TC_MEMBERS_H
#define TC_MEMBERS_H

#include "../proxy/types.h"

struct tc_members;

/* For n replicas of which f may lie, and a quorum of so many heads. NULL if out of memory. */
struct tc_members *tc_members_new(uint32_t n, uint32_t f, uint32_t quorum);
void tc_members_free(struct tc_members *members);

/* Takes in a TC_OBS_MEMBER. */
void tc_members_tell(struct tc_members *members, const struct tc_observation *observation);

/* Why signers of a certificate for this sequence number cannot be counted (static); NULL: they can, as far as was told
 * until now. What comes later may still give a reason, so whoever blames waits for the end. */
const char *tc_members_doubt(const struct tc_members *members, uint64_t sequence);

#endif
