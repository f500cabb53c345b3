/* Two groups through one plan: the first has no hit and is repaired, the second is mixed. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "recast.h"

/* Prints a fault, and returns the exit code of it. */
static int fail(const RecastError *error) {
    fprintf(stderr, "status %d, group %zu, index %zu, value %g: %s\n", (int)error->status,
            error->group, error->index, error->value, error->message);
    return 1;
}

int main(void) {
    /* Completions of three codes each, four in the first group, three in the second. */
    const uint32_t codes[] = {4, 4, 4, 1, 2, 9, 1, 7, 3, 5, 5, 5, 1, 2, 9, 1, 2, 3, 8, 8, 8};
    const uint32_t targets[] = {1, 2, 3, 1, 2, 3};
    const size_t offsets[] = {0, 4, 7}, target_offsets[] = {0, 1, 2};
    const float old_log_probs[] = {-1, -2, -3, -4, -1, -2, -3};
    RecastCodesU32 written = {0};
    RecastBatchF32 batch = {0};
    RecastSignal signal;
    RecastError error;
    RecastOutcome outcomes[2];
    float rewards[7], scores[7], advantages[7];
    size_t kept[7], anchors[2], group, slot;

    written.groups = 2;
    written.levels = 3;
    written.offsets = offsets;
    written.codes = codes;
    written.target_offsets = target_offsets;
    written.targets = targets;
    if (recast_signal_init(RECAST_SIGNAL_RECAST, &signal, &error) != RECAST_STATUS_OK ||
        recast_score_u32_f32(&written, NULL, rewards, scores, &error) != RECAST_STATUS_OK ||
        recast_anchor_targets_u32(&signal, &written, NULL, NULL, anchors, &error) !=
            RECAST_STATUS_OK)
        return fail(&error);

    batch.groups = 2;
    batch.offsets = offsets;
    batch.rewards = rewards;
    batch.scores = scores;
    batch.old_log_probs = old_log_probs;
    if (recast_plan_f32(&signal, &batch, kept, advantages, outcomes, &error) != RECAST_STATUS_OK)
        return fail(&error);
    for (group = 0; group < 2; group++) {
        printf("group %zu:", group);
        if (outcomes[group].repaired != SIZE_MAX)
            printf(" target %zu overwrites completion %zu,", anchors[group],
                   outcomes[group].repaired);
        for (slot = offsets[group]; slot < offsets[group] + outcomes[group].kept; slot++)
            printf(" keep %zu with %+.0f", kept[slot], (double)advantages[slot]);
        printf("\n");
    }
    return 0;
}
