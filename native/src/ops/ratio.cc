// Verification by the ratio of what the target and the draft say of a token. Everything about one sequence is computed from its own rows, in
// double, in the order of the ids; only rows that are visited cost anything.
#include <algorithm>
#include <utility>

#include "forest.h"

namespace foretoken::ops {
namespace {

/** One packed forest with all that judges it. */
struct Judged {
  const int32_t* tokens;
  const int32_t* parents;
  const float* probs;        // [rows, vocab]
  const float* draft_probs;  // [rows, vocab]; null where every draft was certain
  const float* accept;       // [rows] uniforms
  const float* next;         // [rows] uniforms
  int64_t vocab;
  Drawn drawn;
  size_t max_depth;
  const float* probs_of(int32_t row) const { return probs + row * vocab; }
};

/** What the target still wants after a row while the children of that row are tried in turn, and what the next of them was drawn from. */
class Residual {
 public:
  Residual(const Judged& judged, int32_t row) : judged_(judged), target_(judged.probs_of(row), judged.probs_of(row) + judged.vocab) {}

  const std::vector<double>& target() const { return target_; }

  /** Turns to the next child. */
  void meet(int32_t child) {
    token_ = judged_.tokens[child];
    const bool keeps = judged_.drawn == Drawn::without_replacement && !draft_.empty();  // what is left after its siblings
    if (judged_.drawn == Drawn::deterministic || keeps) return;
    draft_.assign(judged_.draft_probs + child * judged_.vocab, judged_.draft_probs + (child + 1) * judged_.vocab);
  }

  /** Probabilities of the child's token: that of the target, and that with which it was drawn. */
  double target_prob() const { return in_range() ? target_[static_cast<size_t>(token_)] : 0; }
  double draft_prob() const { return draft_.empty() ? 1 : in_range() ? draft_[static_cast<size_t>(token_)] : 0; }
  /** How much likelier the target finds the token; 0 for one that cannot have been drawn. */
  double ratio() const { return draft_prob() > 0 ? target_prob() / draft_prob() : 0; }

  /**
   * The child was refused: the target wants what exceeds the draft, norm((weight * target - draft)+).
   * @returns the sum before normalising; at 0 (target and draft are equal but for rounding) the target stays as it is
   */
  double refuse(double weight) {
    std::vector<double> rest(target_.size());
    double total = 0;
    for (size_t i = 0; i < rest.size(); i++) {
      const double draft = draft_.empty() ? (static_cast<int32_t>(i) == token_ ? 1 : 0) : draft_[i];
      rest[i] = std::max(0.0, weight * target_[i] - draft);
      total += rest[i];
    }
    if (total > 0) {
      for (double& value : rest) value /= total;
      target_ = std::move(rest);
    }
    if (judged_.drawn == Drawn::without_replacement) drop_token();
    return total;
  }

 private:
  bool in_range() const { return token_ >= 0 && token_ < judged_.vocab; }

  /** A sibling cannot be drawn again. */
  void drop_token() {
    if (in_range()) draft_[static_cast<size_t>(token_)] = 0;
    double total = 0;
    for (double value : draft_) total += value;
    if (total > 0) for (double& value : draft_) value /= total;
  }

  const Judged& judged_;
  std::vector<double> target_, draft_;
  int32_t token_ = -1;
};

struct Outcome {
  std::vector<int32_t> path;
  int32_t next;
};

/** From the root down: the children of a row are tried in the order drawn, the first accepted one is entered. */
Outcome recursive_rejection(const Judged& judged, const ChildLists& children, int32_t root) {
  std::vector<int32_t> path{root};
  for (;;) {
    const int32_t row = path.back();
    Residual left(judged, row);
    int32_t child = path.size() < judged.max_depth ? children.first(row) : -1;
    for (; child >= 0; child = children.after(child)) {
      left.meet(child);
      if (left.draft_prob() > 0 && static_cast<double>(judged.accept[child]) * left.draft_prob() < left.target_prob()) break;
      left.refuse(1);
    }
    if (child < 0) return {path, draw_by_weight(left.target().data(), judged.vocab, judged.next[row])};
    path.push_back(child);
  }
}

/** A row on the way down, and its first child that has not been refused. */
struct Visit {
  int32_t row, child;
  double weight;  // probability that the row is kept, given that all that was tried before it was not
  Residual left;
};

/** From the leaves up: whole paths are tried, each refusal leaves its weight to what comes after it. */
Outcome traversal(const Judged& judged, const ChildLists& children, int32_t root) {
  std::vector<Visit> way;
  way.push_back({root, judged.max_depth > 1 ? children.first(root) : -1, 1, Residual(judged, root)});
  for (;;) {
    Visit& here = way.back();
    if (here.child >= 0 && here.weight > 0) {
      here.left.meet(here.child);
      const double weight = std::min(1.0, here.weight * here.left.ratio());
      const int32_t first = way.size() + 1 < judged.max_depth ? children.first(here.child) : -1;
      way.push_back({here.child, first, weight, Residual(judged, here.child)});
      continue;
    }
    if (way.size() == 1 || static_cast<double>(judged.accept[here.row]) < here.weight) {
      std::vector<int32_t> path;
      for (const Visit& visit : way) path.push_back(visit.row);
      return {path, draw_by_weight(here.left.target().data(), judged.vocab, judged.next[here.row])};
    }
    way.pop_back();
    Visit& above = way.back();
    const double excess = above.left.refuse(above.weight), all = excess + 1 - above.weight;
    above.weight = way.size() == 1 || !(all > 0) ? 1 : excess / all;
    above.child = children.after(above.child);
  }
}

}  // namespace

Verdict accept_by_ratio(Device& device, const RatioInputs& inputs, const std::vector<int32_t>& row_start, int max_depth, Drawn drawn, RatioRule rule) {
  constexpr const char* op = "acceptByRatio";
  const int64_t rows = inputs.tokens.count();
  require_vector(op, "tokens", inputs.tokens, rows);
  require_vector(op, "parents", inputs.parents, rows);
  if (inputs.probs.dtype != DType::f32) refuse(op, "probs", "f32", inputs.probs);
  require_shape(op, "probs", inputs.probs, {rows, -1});
  if (drawn != Drawn::deterministic) {
    if (inputs.draft_probs.dtype != DType::f32) refuse(op, "draftProbs", "f32", inputs.draft_probs);
    require_shape(op, "draftProbs", inputs.draft_probs, inputs.probs.shape);
  }
  require_reals(op, "accept", inputs.accept, rows);
  require_reals(op, "next", inputs.next, rows);
  require_row_start(op, row_start, rows);
  Verdict out = make_verdict(op, row_start.size() - 1, max_depth);
  device.enqueue(op, [&device, inputs, row_start, max_depth, drawn, rule, out] {
    const float* draft_probs = drawn == Drawn::deterministic ? nullptr : inputs.draft_probs.f32();
    const Judged judged{inputs.tokens.i32(), inputs.parents.i32(), inputs.probs.f32(), draft_probs, inputs.accept.f32(), inputs.next.f32(), inputs.probs.shape[1], drawn,
                        static_cast<size_t>(max_depth)};
    device.pool().parallel_for(static_cast<int64_t>(row_start.size()) - 1, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; s++) {
        const int32_t root = row_start[static_cast<size_t>(s)], last = row_start[static_cast<size_t>(s) + 1];
        if (root == last) {
          write_verdict(out, s, {}, -1);
          continue;
        }
        const ChildLists children(judged.tokens, judged.parents, root, last);
        const Outcome outcome = rule == RatioRule::recursive ? recursive_rejection(judged, children, root) : traversal(judged, children, root);
        write_verdict(out, s, outcome.path, outcome.next);
      }
    });
  });
  return out;
}

}  // namespace foretoken::ops
