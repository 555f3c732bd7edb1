#pragma once
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "device.h"
#include "sampling.h"
#include "tensor.h"

// The table of ops. Each checks shapes and dtypes on the calling thread (Error(kShape) names the op, what came and what was expected),
// enqueues, and returns new tensors. Indices on the device are checked there. Sums keep one order per row.
namespace foretoken::ops {

/** A number takes the dtype of the tensor beside it; beside an i32 tensor it must be an integer. */
using Operand = std::variant<Tensor, double>;

// Wherever f32 is read, a bf16 tensor (weights as stored) is read too; results are f32. `gather`, `concat` and `reshape` keep the dtype.
Tensor linear(Device&, const Tensor& x, const Tensor& weight, const Tensor* bias);
Tensor silu(Device&, const Tensor& x);
Tensor exp(Device&, const Tensor& x);
Tensor log(Device&, const Tensor& x);                      // -inf at 0 (and at what flushes to it), NaN below
Tensor add(Device&, const Operand& a, const Operand& b);   // f32 with f32, i32 with i32 (wraps); broadcast, aligned on the right
Tensor mul(Device&, const Operand& a, const Operand& b);
Tensor div(Device&, const Operand& a, const Operand& b);   // f32 only; div_mod divides i32
Tensor less(Device&, const Operand& a, const Operand& b);  // i32 0 or 1
Tensor where(Device&, const Tensor& mask, const Operand& a, const Operand& b);
Tensor sum(Device&, const Tensor& x);                      // last axis, kept with length 1
Tensor rms_norm(Device&, const Tensor& x, const Tensor& weight, float eps);
Tensor log_softmax(Device&, const Tensor& x);
Tensor concat(Device&, const std::vector<Tensor>& parts, int axis);
Tensor reshape(const Tensor& x, std::vector<int64_t> shape);
/**
 * Axis 0: x [m, …], index of any shape → [index…, …]. Axis 1 with a 2-D index picks per row: x [n, m, …], index [n, k] → [n, k, …].
 * Else a 1-D index [k] replaces the axis. A bad index gives -1 (i32) or 0.
 */
Tensor gather(Device&, const Tensor& x, const Tensor& index, int axis);
/** x [.., k] spread over `width` places of the last axis: column c goes to place index[c], index [k] i32; elsewhere 0 (i32: -1). Bad places are left out, of equal ones the last stands. */
Tensor scatter(Device&, const Tensor& x, const Tensor& index, int64_t width);
/**
 * The k largest of the last axis, NaN last, ties to the lowest index; `noise`: see Sampler, one row of the spec per row of x, token = index.
 * `scores` is what they were ranked by: the values, or values / temperature + Gumbel.
 */
struct Ranked { Tensor values, indices, scores; };
Ranked top_k(Device&, const Tensor& x, int k, const ChoiceSpec* noise);
std::pair<Tensor, Tensor> div_mod(Device&, const Tensor& x, int32_t by);  // of i32 from 0; -1 of what is negative
/** beams [n, beams, length], -1 ends a beam → all [n, beams * length]: node numbers are column + 1, parent 0 is the root, duplicates are absent. */
struct Prefixes { Tensor tokens, parents, node_of; };
Prefixes merge_prefixes(Device&, const Tensor& beams);
/** tokens, scores [n, nodes], parents [n | 1, nodes] → [n, max(1, counts)]; parents renumbered, `index` the old column; absent: -1, score 0. */
struct Selected { Tensor tokens, parents, scores, index; };
Selected select_tree(Device&, const Tensor& tokens, const Tensor& parents, const Tensor& scores, const std::vector<int32_t>& counts);

// Verification over a packed forest: a row is named by its index in the pack; row_start has one more entry than there are sequences.
// A child hangs from an earlier row of its own sequence and has a token; anything else is absent. The first row of a sequence is its root.
/** path [sequences, max_depth] (row numbers within the sequence, root first, -1 padded), length (root counted) and next [sequences]. */
struct Verdict { Tensor path, length, next; };
/** From each root to the child whose token equals the choice after its parent, as far as there is one; the first such child in row order. */
Verdict accept_chosen(Device&, const Tensor& tokens, const Tensor& parents, const Tensor& choices, const std::vector<int32_t>& row_start, int max_depth);
/** From each root to child[row] until that is -1; next[row] of the last row follows. */
Verdict walk(Device&, const Tensor& child, const Tensor& next, const std::vector<int32_t>& row_start, int max_depth);
/**
 * The longest path from each root over rows that are accepted (not 0); of equally long ones that with the largest sum of scores, then the one
 * that ends first. All [rows]; scores f32, the others i32. The root counts as accepted. next[row] of the last row follows.
 */
Verdict accept_longest(Device&, const Tensor& tokens, const Tensor& parents, const Tensor& accepted, const Tensor& scores, const Tensor& next, const std::vector<int32_t>& row_start, int max_depth);
/** How siblings came about: fixed beforehand, or drawn, each on its own or none twice. */
enum class Drawn { deterministic, independent, without_replacement };
/** From the root down, row by row (Leviathan's rule on a chain), or from the leaves up, path by path (block verification on a chain). */
enum class RatioRule { recursive, traversal };
/** tokens, parents i32 [rows]; probs, draft_probs f32 [rows, vocab] (what a row's token was drawn from, before its siblings); accept, next uniforms [rows]. */
struct RatioInputs { Tensor tokens, parents, probs, draft_probs, accept, next; };
/**
 * Keeps drafts by the ratio of target and draft probability so that what comes out has the target's law. Of deterministic drafts each is taken
 * to be drawn with certainty; draft_probs is not read. `accept` of a row decides on that row, `next` of the last row draws what follows.
 */
Verdict accept_by_ratio(Device&, const RatioInputs&, const std::vector<int32_t>& row_start, int max_depth, Drawn, RatioRule);
/** Children of each row in row order, -1 padded: [rows, max_width]. */
Tensor children(Device&, const Tensor& tokens, const Tensor& parents, int max_width);
/** One token per row by weights [rows, vocab] that need no normalising and a uniform [rows] in (0, 1). */
Tensor sample(Device&, const Tensor& weights, const Tensor& uniform);
/** Uniforms [rows] in (0, 1), keyed like the noise of token 0. */
Tensor uniform(Device&, const ChoiceSpec& spec);
/** Processed distributions [rows, vocab] of logits [rows, vocab]. */
Tensor probs(Device&, const Tensor& logits, const ChoiceSpec& spec);

/** The choice of each row of logits [rows, vocab], [rows] i32, as Model::choose makes it; -1 where every logit is -inf or NaN, or the position is negative. */
Tensor choose(Device&, const Tensor& logits, const ChoiceSpec& spec);

/** chosen [sequences, depth] f32, ids [sequences, depth, top] i32, values [sequences, depth, top] f32. */
struct Logprobs { Tensor chosen, ids, values; };
/**
 * Log-probabilities along accepted paths: of the token that follows each row of a path (the next row's, after the last one next), and of the
 * `top` likeliest tokens, ties to the lowest id. `rows` [rows, vocab] are logits, or probabilities. Past the end of a path, and where fewer
 * tokens have a probability above 0, ids are -1 and values -inf.
 */
Logprobs logprobs(Device&, const Tensor& rows, bool are_logits, const Tensor& tokens, const Tensor& path, const Tensor& next, const std::vector<int32_t>& row_start, int top);

/** Throws Error(kShape) unless the spec has `rows` rows, their samplers exist, and positions is [rows] i32. */
void check_choice(const char* op, const ChoiceSpec& spec, int64_t rows);

/** When the device thread comes to it: [2] i32, seconds and microseconds of a steady clock. Two of them time what was enqueued between. */
Tensor clock(Device&);

}  // namespace foretoken::ops
