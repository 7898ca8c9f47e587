/* turncoat report DIRECTORY: plots and pages anew from what a run left. */
#include "command.h"

#include "../reports/recorder.h"

#include <stdio.h>

int tc_command_report(const struct tc_arguments *a, struct tc_error *err)
{
    if (a->operand_count != 1)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat report' needs one run directory, e.g. out/equivocate-half/latest");
    int result = tc_report_render(a->operands[0], err);
    if (result == 0)
        printf("report %s/report.html\n", a->operands[0]);
    return result;
}
