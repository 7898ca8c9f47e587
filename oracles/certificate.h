/* Is a certificate that a message carries valid: enough distinct members, each with a valid signature, for one value?
 */
#ifndef TC_CERTIFICATE_H
#define TC_CERTIFICATE_H

#include "oracles.h"

/* What is wrong with a message's certificates. */
struct tc_certificate_flaw {
    char text[256];           /* "the prepared certificate for view 0, sequence 7 has 2 valid signers, 3 are needed" */
    uint64_t checked;         /* certificates looked at */
    bool undecided;           /* a signature could not be checked (budget, key): nothing is claimed */
    struct tc_statement what; /* the flawed statement */
};

/* Checks whatever certificates the message carries, by the shape of its statements:
 *  - a certificate statement: the proposal and votes embedded in it (or the signers it names) for its value;
 *  - the checkpoints embedded in a view change or a state;
 *  - the view changes embedded in a new view, and what each of them carries.
 * true if all are valid (or undecided), false with the first flaw. A vote that its signer was heard to say himself
 * needs no verification. */
bool tc_certificates_valid(const struct tc_oracle_env *env, const struct tc_message *m,
                           struct tc_certificate_flaw *flaw);

#endif
