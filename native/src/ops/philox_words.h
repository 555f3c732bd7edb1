#pragma once
#include <cstdint>

#include "sampling.h"

namespace foretoken {

constexpr int kPhiloxBatch = 16;

/** Word 0 of Philox for the tokens first_token, first_token + 1, …: the words that gumbel() makes noise from. */
void philox_words(const Sampler& sampler, uint32_t position, uint32_t first_token, uint32_t words[kPhiloxBatch]);
/** The noise of one word; gumbel() is this of its word. */
float gumbel_of_word(uint32_t word);

}  // namespace foretoken
