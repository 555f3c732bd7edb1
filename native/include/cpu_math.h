#pragma once
// Own elementary functions: libm differs between machines, these do not. The vector forms in cpu/elementary.inl give the same bits.
#include <cstdint>

namespace foretoken {

float exp_f32(float x);
float tanh_f32(float x);
float log_f32(float x);  // x > 0, normal
/** cos and sin of `angle` (radians, |angle| < 2^40), accurate to f32. */
void cos_sin(double angle, float* cosine, float* sine);

}  // namespace foretoken
