#include "check.h"

#include <cmath>
#include <cstdio>

namespace foretoken::check {
namespace {

int64_t compared_count = 0;
int failure_count = 0;

/** By its bits: arithmetic would flush it. */
float subnormal(uint32_t dice) {
  const uint32_t u = dice & 0x807fffffu;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

template <class T>
void compare_bits(const std::string& what, const T* got, const T* want, size_t count) {
  compared_count += int64_t(count);
  size_t different = 0, first = 0;
  for (size_t i = 0; i < count; i++)
    if (memcmp(got + i, want + i, sizeof(T)) != 0 && different++ == 0) first = i;
  if (!different) return;
  if (failure_count++ < 20)
    printf("DIFFERENT %s: %zu of %zu values, first at %zu: %.9g, expected %.9g\n", what.c_str(), different, count, first, double(got[first]), double(want[first]));
}

}  // namespace

const char* name_of(Kind kind) { return kind == Kind::ordinary ? "ordinary" : kind == Kind::tiny ? "tiny" : "extreme"; }

std::vector<float> values(Random& random, size_t count, Kind kind) {
  std::vector<float> all(count);
  for (float& v : all) {
    v = random.uniform();
    const int dice = random.below(8);
    if (kind == Kind::tiny && dice == 0) v = subnormal(random.next());
    else if (kind == Kind::tiny) v *= dice == 1 ? 1e-37f : 3e-19f;
    if (kind == Kind::extreme) v = dice == 0 ? 0.0f : dice == 1 ? -0.0f : v * (dice < 5 ? 1e15f : 1e-15f);
  }
  return all;
}

void compare(const std::string& what, const float* got, const float* want, size_t count) { compare_bits(what, got, want, count); }
void compare(const std::string& what, const uint16_t* got, const uint16_t* want, size_t count) { compare_bits(what, got, want, count); }

void expect(bool holds, const std::string& what) {
  compared_count++;
  if (!holds && failure_count++ < 20) printf("FAILED %s\n", what.c_str());
}

int64_t compared() { return compared_count; }
int failures() { return failure_count; }

float rounded_to_bf16(float x) {
  if (std::fabs(double(x)) < 0x1p-126) return std::copysign(0.0f, x);
  int exponent;
  const double fraction = std::frexp(double(x), &exponent);
  return float(std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8));
}

uint16_t bf16_bits(float x) {
  const float rounded = rounded_to_bf16(x);
  uint32_t u;
  memcpy(&u, &rounded, 4);
  return uint16_t(u >> 16);
}

float tree_sum(std::vector<float> lanes) {
  if (lanes.size() == 1) return lanes[0];
  const size_t half = lanes.size() / 2;
  std::vector<float> added(half);
  for (size_t i = 0; i < half; i++) added[i] = lanes[i] + lanes[i + half];
  return tree_sum(added);
}

}  // namespace foretoken::check
