// Attention against a scalar model of its chunks, under every cut of the keys into runs, and against softmax in f64.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "cpu_math.h"

namespace foretoken::check {
namespace {

struct Problem {
  WeightType kv_type;
  int group, head_dim, length;
  int64_t first_position;
  float soft_cap;
  std::vector<float> queries, keys, values;  // [group, d], [length, d]; keys and values as stored, widened
};

std::string describe(const char* name, const Problem& p) {
  return std::string(name) + " attend " + (p.kv_type == WeightType::bf16 ? "bf16" : "f32") + " d " + std::to_string(p.head_dim) + " group " +
         std::to_string(p.group) + " length " + std::to_string(p.length) + " from " + std::to_string(p.first_position) + " cap " + std::to_string(p.soft_cap);
}

Problem make_problem(Random& random, WeightType kv_type, int group, int head_dim, int length, int64_t first_position, float soft_cap, Kind kind) {
  Problem p = {kv_type, group, head_dim, length, first_position, soft_cap, {}, {}, {}};
  p.queries = values(random, size_t(group) * head_dim, Kind::ordinary);
  for (float& q : p.queries) q *= 4;
  p.keys = values(random, size_t(length) * head_dim, Kind::ordinary);
  p.values = values(random, size_t(length) * head_dim, kind);
  if (kv_type == WeightType::bf16) {
    for (float& v : p.keys) v = rounded_to_bf16(v);
    for (float& v : p.values) v = rounded_to_bf16(v);
  }
  return p;
}

constexpr float kScale = 0.3f;

float score_model(const Problem& p, int head, int key) {
  std::vector<float> lanes(16, 0);
  for (int d = 0; d < p.head_dim; d++) lanes[d % 16] = std::fma(p.queries[head * p.head_dim + d], p.keys[size_t(key) * p.head_dim + d], lanes[d % 16]);
  const float s = tree_sum(lanes) * kScale;
  return p.soft_cap ? p.soft_cap * tanh_f32(s / p.soft_cap) : s;
}

/** One head: chunks end where the absolute position is a multiple of 64. */
std::vector<float> model(const Problem& p, int head) {
  std::vector<float> out(p.head_dim, 0);
  float best = -INFINITY, total = 0;
  for (int begin = 0; begin < p.length;) {
    const int end = int(std::min<int64_t>(p.length, begin + 64 - (p.first_position + begin) % 64));
    std::vector<float> scores, lanes(16, 0);
    for (int key = begin; key < end; key++) scores.push_back(score_model(p, head, key));
    const float chunk_best = *std::max_element(scores.begin(), scores.end()), top = std::max(best, chunk_best);
    for (int key = begin; key < end; key++) {
      float& s = scores[key - begin];
      s = exp_f32(s - chunk_best);
      lanes[(p.first_position + key) % 16] += s;
    }
    const float old_factor = exp_f32(best - top), new_factor = exp_f32(chunk_best - top);
    total = std::fma(total, old_factor, tree_sum(lanes) * new_factor);
    for (int d = 0; d < p.head_dim; d++) {
      float weighted = 0;
      for (int key = begin; key < end; key++) weighted = std::fma(scores[key - begin], p.values[size_t(key) * p.head_dim + d], weighted);
      out[d] = std::fma(out[d], old_factor, weighted * new_factor);
    }
    best = top;
    begin = end;
  }
  for (float& v : out) v = v / total;
  return out;
}

/** Keys and values as the cache stores them, each run in memory of its own. */
struct Stored {
  std::vector<std::vector<uint16_t>> halves;
  std::vector<std::vector<float>> floats;
  std::vector<KvRun> runs;

  void add(const Problem& p, int begin, int end) {
    const size_t from = size_t(begin) * p.head_dim, count = size_t(end - begin) * p.head_dim;
    const void* places[2];
    for (int i = 0; i < 2; i++) {
      const float* source = (i ? p.values : p.keys).data() + from;
      if (p.kv_type == WeightType::bf16) {
        halves.emplace_back();
        for (size_t j = 0; j < count; j++) halves.back().push_back(bf16_bits(source[j]));
        places[i] = halves.back().data();
      } else {
        floats.emplace_back(source, source + count);
        places[i] = floats.back().data();
      }
    }
    runs.push_back({places[0], places[1], end - begin});
  }
};

std::vector<float> attend(const CpuKernels& kernels, const Problem& p, const std::vector<int>& cuts) {
  Stored stored;
  int begin = 0;
  for (int cut : cuts) { stored.add(p, begin, cut); begin = cut; }
  stored.add(p, begin, p.length);
  std::vector<float> out(size_t(p.group) * p.head_dim + 1, 777);
  kernels.attend({p.queries.data(), out.data(), stored.runs.data(), int(stored.runs.size()), p.first_position, p.group, p.head_dim, p.kv_type, kScale, p.soft_cap});
  return out;
}

void check_problem(const CpuKernels& kernels, Random& random, const Problem& p) {
  std::vector<float> want;
  for (int head = 0; head < p.group; head++)
    for (float v : model(p, head)) want.push_back(v);
  want.push_back(777);  // one place beyond the end
  compare(describe(kernels.name, p), attend(kernels, p, {}).data(), want.data(), want.size());
  std::vector<int> cuts;
  for (int i = 0; i < 4; i++) cuts.push_back(random.below(p.length + 1));  // runs may be empty
  std::sort(cuts.begin(), cuts.end());
  compare(describe(kernels.name, p) + " in runs", attend(kernels, p, cuts).data(), want.data(), want.size());
}

void check_against_softmax(const CpuKernels& kernels, const Problem& p) {
  const std::vector<float> got = attend(kernels, p, {p.length / 2});
  double worst = 0;
  for (int head = 0; head < p.group; head++) {
    std::vector<double> weights;
    double total = 0;
    for (int key = 0; key < p.length; key++) {
      double dot = 0;
      for (int d = 0; d < p.head_dim; d++) dot += double(p.queries[head * p.head_dim + d]) * p.keys[size_t(key) * p.head_dim + d];
      dot *= kScale;
      weights.push_back(std::exp(p.soft_cap ? p.soft_cap * std::tanh(dot / p.soft_cap) : dot));
      total += weights.back();
    }
    for (int d = 0; d < p.head_dim; d++) {
      double value = 0;
      for (int key = 0; key < p.length; key++) value += weights[key] / total * p.values[size_t(key) * p.head_dim + d];
      worst = std::max(worst, std::fabs(value - got[size_t(head) * p.head_dim + d]));
    }
  }
  expect(worst < 1e-5, describe(kernels.name, p) + " is off by " + std::to_string(worst) + " from softmax in f64");
}

}  // namespace

void check_attend(const CpuKernels& kernels) {
  Random random;
  for (WeightType kv_type : {WeightType::f32, WeightType::bf16})
    for (int head_dim : {12, 16, 64, 80, 128})
      for (int group : {1, 2, 3, 4, 7})
        for (int length : {1, 2, 16, 63, 64, 65, 129, 200}) {
          const int64_t firsts[] = {0, 5, 63, 64, 1000001};
          const Kind kind = random.below(3) == 0 ? Kind::extreme : Kind::ordinary;
          check_problem(kernels, random, make_problem(random, kv_type, group, head_dim, length, firsts[random.below(5)], random.below(3) == 0 ? 5.0f : 0.0f, kind));
        }
  for (float cap : {0.0f, 20.0f})
    for (int length : {1, 64, 100, 500}) check_against_softmax(kernels, make_problem(random, WeightType::f32, 3, 64, length, 7, cap, Kind::ordinary));
}

}  // namespace foretoken::check
