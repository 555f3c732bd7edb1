#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "cpu_math.h"
#include "noisy_scan.h"
#include "sampling.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

namespace foretoken {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57, kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;
constexpr float kBelowOne = 0x1.fffffep-1f;

/** Word 0 for each token, in loops over lanes. */
void words_of(const Sampler& sampler, uint32_t position, const uint32_t* tokens, uint32_t* words) {
  uint32_t c0[kPhiloxBatch], c1[kPhiloxBatch], c2[kPhiloxBatch], c3[kPhiloxBatch];
  for (int j = 0; j < kPhiloxBatch; j++) {
    c0[j] = position;
    c1[j] = tokens[j];
    c2[j] = sampler.sample;
    c3[j] = sampler.stream;
  }
  auto k0 = static_cast<uint32_t>(sampler.seed), k1 = static_cast<uint32_t>(sampler.seed >> 32);
  for (int round = 0; round < kRounds; round++) {
    for (int j = 0; j < kPhiloxBatch; j++) {
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

#if defined(__x86_64__) && defined(__GNUC__)
#define FORETOKEN_AVX2_CLONE 1
#define FORETOKEN_AVX2 __attribute__((target("avx2"), always_inline)) inline

/** High and low halves of 8 products. */
FORETOKEN_AVX2 void multiply(__m256i a, __m256i factor, __m256i& high, __m256i& low) {
  const __m256i even = _mm256_mul_epu32(a, factor), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), factor);
  high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

struct Lanes8 {
  __m256i c0, c1, c2, c3;
};

FORETOKEN_AVX2 void advance(Lanes8& c, __m256i k0, __m256i k1) {
  __m256i high0, low0, high1, low1;
  multiply(c.c0, _mm256_set1_epi64x(kMultiplier0), high0, low0);
  multiply(c.c2, _mm256_set1_epi64x(kMultiplier1), high1, low1);
  c.c0 = _mm256_xor_si256(_mm256_xor_si256(high1, c.c1), k0);
  c.c2 = _mm256_xor_si256(_mm256_xor_si256(high0, c.c3), k1);
  c.c1 = low1;
  c.c3 = low0;
}

FORETOKEN_AVX2 __m256i splat(uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }

/** The same in two vectors of 8 lanes; integers only, so the words are the same. */
__attribute__((target("avx2"))) void words_avx2(const Sampler& sampler, uint32_t position, const uint32_t* tokens, uint32_t* words) {
  const auto* from = reinterpret_cast<const __m256i*>(tokens);
  Lanes8 a{splat(position), _mm256_loadu_si256(from), splat(sampler.sample), splat(sampler.stream)}, b = a;
  b.c1 = _mm256_loadu_si256(from + 1);
  __m256i k0 = splat(static_cast<uint32_t>(sampler.seed)), k1 = splat(static_cast<uint32_t>(sampler.seed >> 32));
  for (int round = 0; round < kRounds; round++) {
    advance(a, k0, k1);
    advance(b, k0, k1);
    k0 = _mm256_add_epi32(k0, splat(kWeyl0));
    k1 = _mm256_add_epi32(k1, splat(kWeyl1));
  }
  auto* to = reinterpret_cast<__m256i*>(words);
  _mm256_storeu_si256(to, a.c0);
  _mm256_storeu_si256(to + 1, b.c0);
}
#endif

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

void philox_words(const Sampler& sampler, uint32_t position, const uint32_t tokens[kPhiloxBatch], uint32_t words[kPhiloxBatch]) {
#if defined(FORETOKEN_AVX2_CLONE)
  if (__builtin_cpu_supports("avx2")) return words_avx2(sampler, position, tokens, words);
#endif
  words_of(sampler, position, tokens, words);
}

float certain_loser(double floor, float temperature) {
  const double t = static_cast<double>(temperature), most = static_cast<double>(kMaxGumbel);
  const double guess = (floor - most) * t;
  if (!(guess > -FLT_MAX)) return -std::numeric_limits<float>::infinity();
  auto loser = static_cast<float>(std::min(guess, static_cast<double>(FLT_MAX)));
  for (int attempt = 0; attempt < 4; attempt++) {
    if (static_cast<double>(loser) / t + most < floor) return loser;
    loser -= std::fabs(loser) * 0x1p-22f + FLT_MIN;
  }
  return -std::numeric_limits<float>::infinity();
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

}  // namespace foretoken
