#include "rope_tables.h"

#include <algorithm>

#include "cpu_math.h"

namespace foretoken {

void RopeTable::grow(int64_t count, ThreadPool& pool) {
  const int64_t have = static_cast<int64_t>(cosines_.size()) / half();
  if (count <= have) return;
  const int64_t want = std::max({count, have * 2, int64_t{256}});
  cosines_.resize(static_cast<size_t>(want * half()));
  sines_.resize(cosines_.size());
  const auto scale = static_cast<float>(scale_);
  pool.parallel_for(want - have, 64, [&](int64_t begin, int64_t end) {
    for (int64_t position = have + begin; position < have + end; position++) {
      for (int i = 0; i < half(); i++) {
        const int64_t at = position * half() + i;
        float cosine, sine;
        cos_sin(static_cast<double>(position) * inverse_frequencies_[i], &cosine, &sine);
        cosines_[at] = cosine * scale;
        sines_[at] = sine * scale;
      }
    }
  });
}

}  // namespace foretoken
