#pragma once
// What the kernel checks share: seeded data, comparison bit by bit, and the count of what was compared.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "cpu_kernels.h"

namespace foretoken::check {

/** xorshift64*: the same numbers everywhere. */
struct Random {
  uint64_t state = 88172645463325252ull;
  uint32_t next() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return uint32_t((state * 2685821657736338717ull) >> 32);
  }
  /** In [-1, 1). */
  float uniform() { return float(int32_t(next())) * 0x1p-31f; }
  int below(int n) { return int(next() % uint32_t(n)); }
};

/** ordinary: [-1, 1). tiny: products and sums around the smallest normal number, and subnormal inputs. extreme: 1e15, 1e-15, 0 and -0 mixed. */
enum class Kind { ordinary, tiny, extreme };
const char* name_of(Kind kind);
std::vector<float> values(Random& random, size_t count, Kind kind);

/** Counts `count` values; a difference in any bit is reported with its place and fails the run. */
void compare(const std::string& what, const float* got, const float* want, size_t count);
void compare(const std::string& what, const uint16_t* got, const uint16_t* want, size_t count);
/** Reports `what` and fails the run unless it holds. */
void expect(bool holds, const std::string& what);
int64_t compared();
int failures();

/** Nearest-even rounding to 8 significant bits by arithmetic; subnormals become zero. Finite values only. */
float rounded_to_bf16(float x);
uint16_t bf16_bits(float x);
/** The one tree of reductions, from its definition: the sum of the first half's tree and the second half's, lane by lane. */
float tree_sum(std::vector<float> lanes);

void check_matmul(const CpuKernels& kernels);
void check_rows(const CpuKernels& kernels);
void check_attend(const CpuKernels& kernels);
/** What does not belong to one set: packing, scalar functions, choice of the set. */
void check_packing();
void check_math();
void check_dispatch();

}  // namespace foretoken::check
