#pragma once
#include "model.h"

namespace foretoken {

/** Throws Error(kShape), naming the field, when a description contradicts itself or is out of range. */
void check_description(const Description& description);

}  // namespace foretoken
