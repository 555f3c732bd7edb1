#include <algorithm>

#include "cpu_math.h"
#include "philox_words.h"
#include "sampling.h"

namespace foretoken {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57, kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;
constexpr float kBelowOne = 0x1.fffffep-1f;

}  // namespace

void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < kRounds; round++) {
    const uint64_t p0 = static_cast<uint64_t>(kMultiplier0) * c0, p1 = static_cast<uint64_t>(kMultiplier1) * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

void philox_words(const Sampler& sampler, uint32_t position, uint32_t first_token, uint32_t words[kPhiloxBatch]) {
  uint32_t c0[kPhiloxBatch], c1[kPhiloxBatch], c2[kPhiloxBatch], c3[kPhiloxBatch];
  for (int j = 0; j < kPhiloxBatch; j++) {
    c0[j] = position;
    c1[j] = first_token + static_cast<uint32_t>(j);
    c2[j] = sampler.sample;
    c3[j] = sampler.stream;
  }
  auto k0 = static_cast<uint32_t>(sampler.seed), k1 = static_cast<uint32_t>(sampler.seed >> 32);
  for (int round = 0; round < kRounds; round++) {
    for (int j = 0; j < kPhiloxBatch; j++) {  // the lanes of one vector
      const uint64_t p0 = static_cast<uint64_t>(kMultiplier0) * c0[j], p1 = static_cast<uint64_t>(kMultiplier1) * c2[j];
      c0[j] = static_cast<uint32_t>(p1 >> 32) ^ c1[j] ^ k0;
      c1[j] = static_cast<uint32_t>(p1);
      c2[j] = static_cast<uint32_t>(p0 >> 32) ^ c3[j] ^ k1;
      c3[j] = static_cast<uint32_t>(p0);
    }
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  std::copy_n(c0, kPhiloxBatch, words);
}

float uniform_open(uint32_t x) {
  return std::min(static_cast<float>((static_cast<double>(x) + 0.5) * 0x1p-32), kBelowOne);
}

float gumbel_of_word(uint32_t word) { return -log_f32(-log_f32(uniform_open(word))); }

float uniform_at(const Sampler& sampler, uint32_t position, uint32_t token) {
  const uint32_t counter[4] = {position, token, sampler.sample, sampler.stream};
  const uint32_t key[2] = {static_cast<uint32_t>(sampler.seed), static_cast<uint32_t>(sampler.seed >> 32)};
  uint32_t words[4];
  philox(counter, key, words);
  return uniform_open(words[0]);
}

float gumbel(const Sampler& sampler, uint32_t position, uint32_t token) { return -log_f32(-log_f32(uniform_at(sampler, position, token))); }

// The largest uniform is 1 - 2^-24, whose noise is 16.6355: the rest is far more than log_f32 can err.
const float kMaxGumbel = 16.64f;

}  // namespace foretoken
