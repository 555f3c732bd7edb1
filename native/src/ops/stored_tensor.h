#pragma once
#include <optional>
#include <string>

#include "model.h"
#include "tensor.h"

namespace foretoken {

/**
 * The tensor `name` from its file in the number type wanted (bf16 by rounding to nearest even); by default f32 and bf16 as stored, f16 as f32.
 * Reads at once, on the calling thread; throws Error(kCheckpoint).
 */
Tensor load_tensor(const std::string& name, const TensorSource& source, std::optional<WeightType> wanted = std::nullopt);

}  // namespace foretoken
