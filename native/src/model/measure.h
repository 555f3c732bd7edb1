#pragma once
#include <vector>

#include "head.h"

namespace foretoken {

/**
 * Milliseconds of one pass for each row count: a layer and a part of the head, timed on other weights in each repetition so that they come
 * from where a real pass finds them, the fastest repetition of each scaled to the whole.
 */
std::vector<double> measure_passes(Transformer& transformer, Head& head, int layers, const std::vector<int>& row_counts);

}  // namespace foretoken
