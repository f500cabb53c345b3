/* librecast: learning signals for reinforcement learning in generative recommendation.
 *
 * Made by cbindgen from bindings/c/src; docs/c.md of the repository explains the library. */

#ifndef RECAST_H
#define RECAST_H

#include <stddef.h>
#include <stdint.h>

// The number of bytes of a message, with the 0 at its end.
#define RECAST_MESSAGE_BYTES 112

// The clip alone bounds the ratio.
#define RECAST_BOUND_NONE 0

// The dual clip: the loss of a negative is at most `bound` times its advantage.
#define RECAST_BOUND_DUAL 1

// ECPO with the delta `bound`.
#define RECAST_BOUND_ECPO 2

// GBPO, without a clip.
#define RECAST_BOUND_GBPO 3

// `ref - policy` with the other sign.
#define RECAST_KL_K1 1

// Half of its square.
#define RECAST_KL_K2 2

// Its exponential less itself less 1.
#define RECAST_KL_K3 3

// The group is trained on.
#define RECAST_SKIP_NONE 0

// No completion is a hit: the group had no repair or no legal anchor.
#define RECAST_SKIP_NO_POSITIVE 1

// Every completion is a hit: there is nothing to contrast with.
#define RECAST_SKIP_NO_NEGATIVE 2

// Nothing is ahead of the rest.
#define RECAST_SKIP_NO_LEAD 3

// No completion is a hit.
#define RECAST_REGIME_ALL_ZERO 0

// One completion of several is a hit.
#define RECAST_REGIME_SINGLE_HIT 1

// Several completions are hits, others are not.
#define RECAST_REGIME_MULTI_HIT 2

// Every completion is a hit.
#define RECAST_REGIME_ALL_HIT 3

// ReCast: repair, then the boundary pair alone.
#define RECAST_SIGNAL_RECAST 0

// GRPO, as OpenOneRec-RL trains it.
#define RECAST_SIGNAL_GRPO 1

// Dr.GRPO.
#define RECAST_SIGNAL_DR_GRPO 2

// RLOO.
#define RECAST_SIGNAL_RLOO 3

// DAPO.
#define RECAST_SIGNAL_DAPO 4

// GSPO.
#define RECAST_SIGNAL_GSPO 5

// Pass@k.
#define RECAST_SIGNAL_PASS_AT_K 6

// NGRPO.
#define RECAST_SIGNAL_NGRPO 7

// RL-ZVP.
#define RECAST_SIGNAL_RL_ZVP 8

// GCPO.
#define RECAST_SIGNAL_GCPO 9

// ReRe.
#define RECAST_SIGNAL_RERE 10

// LUFFY.
#define RECAST_SIGNAL_LUFFY 11

// DPO; S-DPO with several negatives.
#define RECAST_SIGNAL_DPO 12

// CISPO.
#define RECAST_SIGNAL_CISPO 13

// SAPO.
#define RECAST_SIGNAL_SAPO 14

// GMPO.
#define RECAST_SIGNAL_GMPO 15

// REINFORCE++ with baseline.
#define RECAST_SIGNAL_REINFORCE_PLUS_PLUS 16

// OPO.
#define RECAST_SIGNAL_OPO 17

// Supervised training on the targets.
#define RECAST_SIGNAL_SUPERVISED 18

// Every all-zero group is repaired.
#define RECAST_REPAIR_ALWAYS 0

// No group is repaired.
#define RECAST_REPAIR_NEVER 1

// All-zero groups are repaired while their share is at least `threshold`.
#define RECAST_REPAIR_GATED 2

// All-zero groups are repaired unless the policy gives the anchor more than `tau`.
#define RECAST_REPAIR_CONFIDENT 3

// The divisor is the number of kept completions.
#define RECAST_NORMALISER_KEPT 0

// The divisor is the size of the group.
#define RECAST_NORMALISER_GROUP 1

// The hardest negative stands for all.
#define RECAST_NEGATIVE_CHOICE_HARDEST 0

// A drawn negative stands for all; the batch needs draws.
#define RECAST_NEGATIVE_CHOICE_UNIFORM 1

// Every negative trains.
#define RECAST_NEGATIVE_ALWAYS 0

// A negative trains that shares the first code of the positive.
#define RECAST_NEGATIVE_SHARED_PREFIX 1

// The anchor is the first target.
#define RECAST_ANCHOR_TARGET_FIRST 0

// The anchor is the target that the group follows furthest.
#define RECAST_ANCHOR_TARGET_CLOSEST 1

// The anchor is a drawn target.
#define RECAST_ANCHOR_TARGET_UNIFORM 2

// The anchor's ratio is that of a sampled completion.
#define RECAST_ANCHOR_RATIO_RECOMPUTE 0

// The anchor's ratio is 1.
#define RECAST_ANCHOR_RATIO_DETACHED 1

// The anchor's ratio is `p / (p + gamma)`.
#define RECAST_ANCHOR_RATIO_SHAPED 2

// The anchor's surrogate is multiplied by `anchor_weight`.
#define RECAST_ANCHOR_RATIO_WEIGHTED 3

// GRPO's deviation is that of the group.
#define RECAST_SCALE_GROUP 0

// GRPO's deviation is that of the batch.
#define RECAST_SCALE_BATCH 1

// The result of a call. 0 is success.
typedef enum RecastStatus {
  // The call is done.
  RECAST_STATUS_OK = 0,
  // A pointer is null or not aligned.
  RECAST_STATUS_POINTER = 1,
  // Offsets do not rise from 0 to the number of elements.
  RECAST_STATUS_OFFSETS = 2,
  // A group has no completion.
  RECAST_STATUS_EMPTY_GROUP = 3,
  // A number is NaN or infinite.
  RECAST_STATUS_NOT_FINITE = 4,
  // An index of a duplicate names no first completion, or its numbers differ.
  RECAST_STATUS_DUPLICATE = 5,
  // A completion has no token.
  RECAST_STATUS_LENGTH = 6,
  // A byte of marks is neither 0 nor 1.
  RECAST_STATUS_MARK = 7,
  // A number of a signal is out of range, or names no option.
  RECAST_STATUS_SIGNAL = 8,
  // A number of an objective is out of range, or names no option.
  RECAST_STATUS_OBJECTIVE = 9,
  // The number of levels or a prefix credit is out of range.
  RECAST_STATUS_LEVELS = 10,
  // Sequences are not sorted, or the arrays of a trie are damaged.
  RECAST_STATUS_TRIE = 11,
  // An array has another length than the result needs.
  RECAST_STATUS_CAPACITY = 12,
  // A count is more than memory holds.
  RECAST_STATUS_SIZE = 13,
  // Anchors, draws or a rate do not fit the groups.
  RECAST_STATUS_ANCHOR = 14,
  // The loss cannot be taken over these completions.
  RECAST_STATUS_LOSS = 15,
  // No sequence continues so: the answer of `recast_trie_step_u32`, not a fault.
  RECAST_STATUS_NOT_FOUND = 16,
} RecastStatus;

// Completions and targets of a batch as codes of semantic IDs (SIDs), `levels` codes each.
//
// N completions stand one after the other; group g is the completions from `offsets[g]` to
// `offsets[g + 1]`. A code that no target has, such as `UINT32_MAX`, stands for a token that is no
// code.
typedef struct RecastCodesU32 {
  // The number of groups.
  size_t groups;
  // The number of codes of a SID, at least 1.
  size_t levels;
  // (groups + 1), rising from 0 to N.
  const size_t *offsets;
  // (N + 1), rising from 0: the SIDs of each completion. Null: one SID each.
  const size_t *sid_offsets;
  // (SIDs, levels).
  const uint32_t *codes;
  // (groups + 1), rising from 0: the targets of each group.
  const size_t *target_offsets;
  // (targets, levels), the next item first.
  const uint32_t *targets;
} RecastCodesU32;

// The place and the reason of a fault. A call writes the error if, and only if, its status is not
// `RECAST_STATUS_OK`. Numbers that do not belong to the fault are 0.
typedef struct RecastError {
  // The status that the call returned.
  enum RecastStatus status;
  // The group.
  size_t group;
  // The index in the group, or in the array if the fault has no group.
  size_t index;
  // The refused number.
  double value;
  // The reason in words, cut to the size of the array, ended by a 0.
  char message[RECAST_MESSAGE_BYTES];
} RecastError;

// A signal with all its options. `recast_signal_init` writes the numbers of the signal's authors;
// change these, and no others. An option that the kind does not read is not looked at.
typedef struct RecastSignal {
  // `RECAST_SIGNAL_*`.
  uint32_t kind;
  // ReCast, DPO: `RECAST_REPAIR_*`.
  uint32_t repair;
  // ReCast: 1 keeps the boundary pair alone, 0 all completions.
  uint32_t boundary;
  // ReCast: `RECAST_NORMALISER_*`.
  uint32_t normaliser;
  // ReCast: `RECAST_NEGATIVE_CHOICE_*`.
  uint32_t negative_choice;
  // ReCast: `RECAST_NEGATIVE_*`.
  uint32_t negative;
  // ReCast: 1 keeps the positive of an all-hit group, 0 skips the group.
  uint32_t positive_only;
  // ReCast: `RECAST_ANCHOR_TARGET_*`.
  uint32_t anchor_target;
  // ReCast: `RECAST_ANCHOR_RATIO_*`.
  uint32_t anchor_ratio;
  // GRPO: `RECAST_SCALE_*`. The default epsilon is that of `RECAST_SCALE_GROUP`.
  uint32_t scale;
  // GRPO, ReRe: 1 writes anchors into last slots.
  uint32_t add_gt;
  // DPO: the largest number of negatives.
  uint32_t negatives;
  // The epsilon beside a deviation or a variance; LUFFY: NaN leaves out the division.
  float epsilon;
  // ReCast: the advantage of the positive.
  float weight;
  // ReCast: the share of the weight in the negative's advantage.
  float negative_weight;
  // ReCast: the margin in nats at which a negative stops to train; NaN for none.
  float negative_margin;
  // The least all-zero rate of a gated repair.
  float threshold;
  // The largest probability of the anchor of a confident repair.
  float tau;
  // ReCast's shaped ratio, LUFFY: the summand beside the probability.
  float gamma;
  // ReCast: the weight of an anchor with a weighted ratio.
  float anchor_weight;
  // RL-ZVP: the worth of a nat of entropy.
  float alpha;
  // DPO: the coefficient of the implicit KL.
  float beta;
  // SAPO: the temperature of tokens with a positive advantage.
  float temperature_positive;
  // SAPO: the temperature of all other tokens.
  float temperature_negative;
  // Room for later options: 0.
  uint64_t reserved[6];
} RecastSignal;

// The numbers of the policy objective, which all signals share. `recast_objective_init` writes
// OpenOneRec's; change these, and no others.
typedef struct RecastObjective {
  // `RECAST_BOUND_*`.
  uint32_t ratio_bound;
  // `RECAST_KL_*`.
  uint32_t kl_estimator;
  // 1 multiplies the penalty by the ratio.
  uint32_t kl_times_ratio;
  // Room for later options: 0.
  uint32_t reserved;
  // The ratio is clipped to at least `1 - clip_low`. GBPO reads no clip.
  float clip_low;
  // The ratio is clipped to at most `1 + clip_high`.
  float clip_high;
  // The number of the dual clip or of ECPO.
  float bound;
  // Log-ratios are held within this, on both sides.
  float log_ratio_limit;
  // The coefficient of the KL penalty.
  float kl_coef;
  // The largest penalty of a token; NaN for none.
  float kl_value_limit;
} RecastObjective;

// The tokens of the kept completions of one group, laid out flat.
//
// Log-probabilities are in nats, of S tokens in all. No call checks that these are finite.
typedef struct RecastGroupTokensF32 {
  // The number of kept completions.
  size_t kept;
  // (kept + 1), rising from 0 to S.
  const size_t *offsets;
  // (S), of the current policy.
  const float *policy;
  // (S), of the policy that sampled.
  const float *old;
  // (S), of the frozen reference.
  const float *reference;
  // (S), the advantage of each token.
  const float *advantages;
  // The place of the anchor among the kept completions; `SIZE_MAX` if none is the anchor.
  size_t anchor;
  // The divisor of the plan.
  size_t divisor;
} RecastGroupTokensF32;

// A batch of groups laid out flat. All bits 0 are a batch without groups: set what there is.
//
// N completions stand one after the other. Group g is the completions from `offsets[g]` to
// `offsets[g + 1]`. Columns marked *repaired* are changed where an anchor takes a slot.
typedef struct RecastBatchF32 {
  // The number of groups.
  size_t groups;
  // (groups + 1), rising from 0 to N.
  const size_t *offsets;
  // (N), finite. Repaired: 1.
  float *rewards;
  // (N), finite: how far a completion follows a target. Repaired: 1.
  float *scores;
  // (N) or null: log-probabilities of completions at sampling, which order ties.
  const float *old_log_probs;
  // (N) or null: the first completion with equal codes, counted from the start of the group.
  // Repaired.
  size_t *duplicate_of;
  // (N) or null: numbers of tokens, at least 1. OPO and REINFORCE++ read these.
  const size_t *lengths;
  // (N) or null: 1 for a hit, 0 for a miss, in place of a threshold. Repaired: 1.
  uint8_t *hits;
  // One number or null, for 0.5: the least reward of a hit.
  const float *hit_threshold;
  // (N) or null: the first code of each completion, for `RECAST_NEGATIVE_SHARED_PREFIX`.
  // Repaired: that of the anchor.
  size_t *first_codes;
  // (groups) or null: 64 random bits each, for `RECAST_NEGATIVE_CHOICE_UNIFORM`.
  const uint64_t *draws;
  // (groups) or null: 1 if the anchor is a legal completion. A group with 0 stays as it is.
  const uint8_t *can_repair;
  // (groups), or null with `first_codes`: the first code of each anchor.
  const size_t *anchor_first_codes;
  // (groups) or null: log-probabilities of whole anchors, for `RECAST_REPAIR_CONFIDENT`.
  const float *anchor_log_probs;
  // One number or null, for an unknown one: the share of all-zero groups, for
  // `RECAST_REPAIR_GATED`.
  const float *all_zero_rate;
} RecastBatchF32;

// The plan for a group.
typedef struct RecastOutcome {
  // `RECAST_SKIP_*`: 0 if the group is trained on.
  uint32_t skip;
  // `RECAST_REGIME_*`, before the repair.
  uint32_t regime;
  // The number of kept completions.
  size_t kept;
  // The divisor of the sum over the kept completions.
  size_t divisor;
  // The slot of the anchor, counted from the start of the group; `SIZE_MAX` for none.
  size_t repaired;
} RecastOutcome;

// A moving average of the share of all-zero groups. Start with a decay, such as 0.99, and 0 for
// the others.
typedef struct RecastAllZeroRate {
  // The share of its past that the average keeps at each group: at least 0, below 1.
  double decay;
  // The weighted number of all-zero groups.
  double total;
  // The sum of the weights; the rate is `total / weight`.
  double weight;
} RecastAllZeroRate;

// A trie in two arrays of the caller's.
//
// Node 0 is the root. The children of node v are the nodes from `first_child[v]` to
// `first_child[v + 1]`, by ascending token. `tokens[v]` is the token that leads to v.
typedef struct RecastTrieU32 {
  // The number of nodes, at least 1.
  size_t nodes;
  // (nodes + 1).
  const uint32_t *first_child;
  // (nodes).
  const uint32_t *tokens;
} RecastTrieU32;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of this interface: it grows when something old changes its meaning.
uint32_t recast_abi_version(void);

// The version of the library, such as "0.1.0".
const char *recast_version(void);

// Rewards and structural scores of the completions.
//
// The reward is 1 for a completion that holds a target, else 0. The score says how far its SIDs
// follow the targets: the mean over SIDs of the largest credit of equal leading codes. `credit`:
// null for the paper's 0.1^(L - d), or (levels + 1) credits that do not decrease, for 0 to L equal
// codes. `rewards`, `scores`: (N). Status: `POINTER`, `OFFSETS`, `LEVELS`, `SIZE`.
//
// # Safety
//
// Pointers lead to as many elements as described, and outputs overlap nothing.
enum RecastStatus recast_score_u32_f32(const struct RecastCodesU32 *codes,
                                       const float *credit,
                                       float *rewards,
                                       float *scores,
                                       struct RecastError *error);

// The completions that repeat an earlier one of their group, for `duplicate_of` of a batch.
//
// `codes`: completions of one SID each; targets are not read. `duplicate_of`: (N), counted from
// the start of the group. Status: `POINTER`, `OFFSETS`, `LEVELS`, `SIZE`, or `LOSS` with
// `sid_offsets`.
//
// # Safety
//
// Pointers lead to as many elements as described, and the output overlaps nothing.
enum RecastStatus recast_duplicates_u32(const struct RecastCodesU32 *codes,
                                        size_t *duplicate_of,
                                        struct RecastError *error);

// The target that the anchor of each group is written from.
//
// `signal`: its choice, `RECAST_ANCHOR_TARGET_*`; `credit`: as for `recast_score_u32_f32`.
//
// `draws`: (groups), 64 random bits each, or null if the choice is no draw. `anchors`: (groups),
// rows of `targets`, `SIZE_MAX` where a group has no target. Status: `POINTER`, `OFFSETS`,
// `LEVELS`, `SIGNAL`, `SIZE`, or `ANCHOR` without draws.
//
// # Safety
//
// Pointers lead to as many elements as described, and the output overlaps nothing.
enum RecastStatus recast_anchor_targets_u32(const struct RecastSignal *signal,
                                            const struct RecastCodesU32 *codes,
                                            const float *credit,
                                            const uint64_t *draws,
                                            size_t *anchors,
                                            struct RecastError *error);

// The token advantages of RL-ZVP for one completion of a group whose rewards are all equal.
//
// `alpha H_t` for a hit, `-alpha (max H - H_t)` for a miss. In every other group, and for every
// other signal, each token has the advantage of its completion. `hit`: 0 for a miss; `alpha`:
// above 0; `entropies`, `advantages`: (tokens), in nats.
//
// # Safety
//
// Pointers lead to as many elements as described, and the output overlaps nothing.
enum RecastStatus recast_entropy_advantages_f32(uint32_t hit,
                                                float alpha,
                                                size_t tokens,
                                                const float *entropies,
                                                float *advantages,
                                                struct RecastError *error);

// PPO's clipped loss of each token plus the KL penalty, and its derivative by `policy`.
//
// The loss is that of ReCast and GRPO, before any mean. `policy`, `old`, `reference`: (tokens)
// log-probabilities; `advantages`, `values`, `gradients`: (tokens). Status: `POINTER`,
// `OBJECTIVE`, `SIZE`.
//
// # Safety
//
// Pointers lead to as many elements as described, and outputs overlap nothing.
enum RecastStatus recast_token_loss_f32(const struct RecastObjective *objective,
                                        size_t tokens,
                                        const float *policy,
                                        const float *old,
                                        const float *reference,
                                        const float *advantages,
                                        float *values,
                                        float *gradients,
                                        struct RecastError *error);

// The loss of a group under the loss of its signal, and its derivative by `policy`.
//
// The mean over the groups that are trained on is the loss of a step. `value`: one number;
// `gradients`: (S). Status: `POINTER`, `OFFSETS`, `SIGNAL`, `OBJECTIVE`, `SIZE`. `LOSS` if the
// divisor is 0, if the anchor is none of the completions, or if DPO has not one positive.
//
// # Safety
//
// Pointers lead to as many elements as described, and outputs overlap nothing.
enum RecastStatus recast_group_loss_f32(const struct RecastSignal *signal,
                                        const struct RecastObjective *objective,
                                        const struct RecastGroupTokensF32 *tokens,
                                        float *value,
                                        float *gradients,
                                        struct RecastError *error);

// Writes OpenOneRec's objective: clips 0.2 and 0.28, dual clip 3, k3 capped at 10 with coefficient
// 1e-3, log-ratios within 20.
//
// `objective`: the objective that is written; `error`: null, or where a fault is written. Status:
// `POINTER`.
//
// # Safety
//
// Pointers that are not null lead to memory of their type.
enum RecastStatus recast_objective_init(struct RecastObjective *objective,
                                        struct RecastError *error);

// Repairs and selects every group of a batch.
//
// The slots of group g stand in `kept` from `offsets[g]` on, `outcomes[g].kept` of them,
// ascending, counted from the start of the group; `advantages` stand beside. The rest up to the
// next group is not meaningful. The caller writes the anchor of a repaired group into the slot
// `outcomes[g].repaired`. O(N) time.
//
// `kept`, `advantages`: (N); `outcomes`: (groups); `error`: null, or where a fault is written.
// After a fault the batch is as before, and the outputs are not meaningful.
//
// # Safety
//
// Pointers lead to as many elements as described, and outputs overlap nothing.
enum RecastStatus recast_plan_f32(const struct RecastSignal *signal,
                                  const struct RecastBatchF32 *batch,
                                  size_t *kept,
                                  float *advantages,
                                  struct RecastOutcome *outcomes,
                                  struct RecastError *error);

// Counts the groups of a batch as they were sampled, in their order.
//
// A gated repair of the next batch reads `total / weight`. `outcomes`: (groups), of
// `recast_plan_f32`. Status: `POINTER`, `SIGNAL` if the decay is out of
// range, `ANCHOR` if another number is.
//
// # Safety
//
// Pointers lead to as many elements as described.
enum RecastStatus recast_all_zero_rate_observe(struct RecastAllZeroRate *rate,
                                               const struct RecastOutcome *outcomes,
                                               size_t groups,
                                               struct RecastError *error);

// Writes a kind of signal with the numbers of its authors.
//
// `kind`: `RECAST_SIGNAL_*`; `signal`: the signal that is written; `error`: null, or where a fault
// is written. Status: `POINTER`, or `SIGNAL` if there is no such kind.
//
// # Safety
//
// Pointers that are not null lead to memory of their type.
enum RecastStatus recast_signal_init(uint32_t kind,
                                     struct RecastSignal *signal,
                                     struct RecastError *error);

// Checks the options of a signal, as every call that takes one does.
//
// Status: `POINTER`, or `SIGNAL` if an option is out of range.
//
// # Safety
//
// Pointers that are not null lead to memory of their type.
enum RecastStatus recast_signal_check(const struct RecastSignal *signal, struct RecastError *error);

// The number of nodes of the trie of sorted sequences, by which the caller sizes its arrays.
//
// `sorted`: (items, levels), the rows in ascending order, repeats allowed; `nodes`: the number.
// Status: `POINTER`, `LEVELS`, `TRIE` with `index` of the first row out of order, `SIZE`. O(items
// levels) time.
//
// # Safety
//
// Pointers lead to as many elements as described.
enum RecastStatus recast_trie_nodes_u32(const uint32_t *sorted,
                                        size_t items,
                                        size_t levels,
                                        size_t *nodes,
                                        struct RecastError *error);

// Builds the trie of sorted sequences.
//
// `sorted`: (items, levels) as for `recast_trie_nodes_u32`, which gives `nodes`; `first_child`:
// (nodes + 1); `tokens`: (nodes). Status: as for `recast_trie_nodes_u32`, or `CAPACITY` if `nodes`
// is another number.
//
// # Safety
//
// Pointers lead to as many elements as described, and outputs overlap nothing.
enum RecastStatus recast_trie_build_u32(const uint32_t *sorted,
                                        size_t items,
                                        size_t levels,
                                        uint32_t *first_child,
                                        uint32_t *tokens,
                                        size_t nodes,
                                        struct RecastError *error);

// Checks the arrays of a trie, such as one read from a file. O(nodes) time.
//
// Status: `POINTER`, `CAPACITY`, `TRIE` with `index` of the first bad node.
//
// # Safety
//
// Pointers lead to as many elements as described.
enum RecastStatus recast_trie_check_u32(const struct RecastTrieU32 *trie,
                                        struct RecastError *error);

// The nodes that follow a node: `first` to `first + count`, whose tokens are the legal next ones.
//
// A leaf has none, and neither has a number that is no node. O(1) time. Status: `POINTER`,
// `CAPACITY`.
//
// # Safety
//
// Pointers lead to as many elements as described.
enum RecastStatus recast_trie_children_u32(const struct RecastTrieU32 *trie,
                                           uint32_t node,
                                           uint32_t *first,
                                           uint32_t *count,
                                           struct RecastError *error);

// The child of a node by its token. O(log children) time.
//
// Status: `NOT_FOUND` if no sequence continues so, and `child` is then left as it is. Also
// `POINTER`, `CAPACITY`.
//
// # Safety
//
// Pointers lead to as many elements as described.
enum RecastStatus recast_trie_step_u32(const struct RecastTrieU32 *trie,
                                       uint32_t node,
                                       uint32_t token,
                                       uint32_t *child,
                                       struct RecastError *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RECAST_H */
