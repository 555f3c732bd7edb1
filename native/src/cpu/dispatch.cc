#include <string>

#include "cpu_kernels.h"
#include "error.h"
#include "kernel_sets.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define FORETOKEN_X86 1
#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace foretoken {
namespace {

#if defined(FORETOKEN_X86)

// __builtin_cpu_supports looks at XCR0 too: the system must save the wide registers.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

uint64_t enabled_states() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/** Tile data are off until a process asks for them; a sandbox may refuse. */
bool permit_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool has_amx() {
  constexpr uint32_t kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAvx512Bf16 = 1u << 5;
  constexpr uint64_t kTileStates = 3ull << 17;
  uint32_t a, b, c, d;
  if (!has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if ((d & kAmxBf16) == 0 || (d & kAmxTile) == 0) return false;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & kAvx512Bf16) == 0) return false;
  return (enabled_states() & kTileStates) == kTileStates && permit_tiles();
}

#endif

struct Sets {
  const CpuKernels* list[5] = {};
  const char* names[5] = {};
  int count = 0;

  Sets() {
#if defined(FORETOKEN_X86)
    if (has_amx()) add(amx_kernels());
    if (has_avx512()) add(avx512_kernels());
    if (has_avx2()) add(avx2_kernels());
#endif
    add(&kPortableKernels);
  }

  void add(const CpuKernels* set) {
    if (!set) return;
    list[count] = set;
    names[count++] = set->name;
  }
};

const Sets& sets() {
  static const Sets found;
  return found;
}

}  // namespace

const CpuKernels& select_kernels(const char* name) {
  const Sets& all = sets();
  if (!name) return *all.list[0];
  std::string known;
  for (int i = 0; i < all.count; i++) {
    if (std::string(name) == all.names[i]) return *all.list[i];
    known += (i ? ", " : "") + std::string(all.names[i]);
  }
  throw Error(kShape, "No kernels called \"" + std::string(name) + "\" on this machine; it executes: " + known);
}

const char* const* available_kernels() { return sets().names; }

void flush_subnormals() {
#if defined(FORETOKEN_X86)
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x40;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);
#elif defined(__aarch64__) && defined(__GNUC__)
  uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" ::"r"(control | 1ull << 24));
#endif
}

}  // namespace foretoken
