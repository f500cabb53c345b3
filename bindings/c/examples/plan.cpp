// A plan with vectors, and faults as exceptions.
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "recast.h"

namespace {

// Throws the words of a fault.
void check(RecastStatus status, const RecastError &error) {
    if (status != RECAST_STATUS_OK) throw std::invalid_argument(error.message);
}

// The kept completions of a group.
struct Kept {
    std::vector<std::size_t> slots;
    std::vector<float> advantages;
    std::size_t repaired;
};

// Repairs and selects the groups between the offsets; rewards and scores are repaired in place.
std::vector<Kept> plan(const RecastSignal &signal, const std::vector<std::size_t> &offsets,
                       std::vector<float> &rewards, std::vector<float> &scores) {
    const std::size_t groups = offsets.size() - 1;
    std::vector<std::size_t> slots(rewards.size());
    std::vector<float> advantages(rewards.size());
    std::vector<RecastOutcome> outcomes(groups);
    RecastBatchF32 batch{};
    batch.groups = groups;
    batch.offsets = offsets.data();
    batch.rewards = rewards.data();
    batch.scores = scores.data();
    RecastError error{};
    check(recast_plan_f32(&signal, &batch, slots.data(), advantages.data(), outcomes.data(), &error),
          error);
    std::vector<Kept> kept;
    for (std::size_t group = 0; group < groups; group++) {
        const auto start = static_cast<std::ptrdiff_t>(offsets[group]);
        const auto end = start + static_cast<std::ptrdiff_t>(outcomes[group].kept);
        kept.push_back({{slots.begin() + start, slots.begin() + end},
                        {advantages.begin() + start, advantages.begin() + end},
                        outcomes[group].repaired});
    }
    return kept;
}

}  // namespace

int main() {
    RecastSignal signal;
    RecastError error{};
    check(recast_signal_init(RECAST_SIGNAL_RECAST, &signal, &error), error);
    const std::vector<std::size_t> offsets{0, 4, 7};
    std::vector<float> rewards{0, 0, 0, 0, 0, 1, 0}, scores{0, .1f, .01f, 0, .1f, 1, 0};
    for (const Kept &group : plan(signal, offsets, rewards, scores)) {
        for (std::size_t at = 0; at < group.slots.size(); at++)
            std::cout << group.slots[at] << " with " << group.advantages[at] << "  ";
        std::cout << '\n';
    }

    // A fault names its place.
    rewards[5] = std::stof("nan");
    try {
        plan(signal, offsets, rewards, scores);
    } catch (const std::invalid_argument &refused) {
        std::cout << refused.what() << '\n';
        return 0;
    }
    return 1;
}
