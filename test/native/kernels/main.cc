// Checks kernel sets bit by bit. Without arguments: prints the sets that this machine executes. Arguments: sets to check; `shared` for what
// belongs to no set; NAME:emulated for a set that was built over emulated intrinsics and may run although the machine lacks it.
#include <cstdio>
#include <string>

#include "../../../native/src/cpu/kernel_sets.h"
#include "check.h"

using namespace foretoken;

namespace {

const CpuKernels* emulated_set(const std::string& name) {
  return name == "avx512" ? avx512_kernels() : name == "amx" ? amx_kernels() : nullptr;
}

void check_set(const CpuKernels& kernels, const char* how) {
  const int64_t before = check::compared();
  check::check_matmul(kernels);
  check::check_rows(kernels);
  check::check_attend(kernels);
  printf("%s %s: %lld values compared\n", how, kernels.name, static_cast<long long>(check::compared() - before));
}

}  // namespace

int main(int argc, char** argv) {
  flush_subnormals();
  if (argc == 1)
    for (const char* const* name = available_kernels(); *name; name++) printf("%s\n", *name);
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i], suffix = ":emulated";
    const size_t base = argument.size() > suffix.size() ? argument.size() - suffix.size() : 0;
    if (argument == "shared") {
      check::check_packing();
      check::check_math();
      check::check_dispatch();
    } else if (base && argument.substr(base) == suffix) {
      const CpuKernels* kernels = emulated_set(argument.substr(0, base));
      check::expect(kernels != nullptr, "no emulated set called " + argument.substr(0, base));
      if (kernels) check_set(*kernels, "emulated");
    } else {
      check_set(select_kernels(argument.c_str()), "executed");
    }
  }
  return check::failures() ? 1 : 0;
}
