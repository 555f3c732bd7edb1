// The table of ops as JavaScript functions: each parses its arguments and enqueues. Names and order of arguments are those of NativeOps.
#include <climits>
#include <cstring>
#include <utility>

#include "ops.h"
#include "runtime_object.h"
#include "tensor_object.h"

namespace foretoken::addon {
namespace {

/** One call of an op: its arguments by number and name. */
struct Call {
  const Napi::CallbackInfo& info;
  const std::shared_ptr<RuntimeState>& state;
  const char* op;

  Place place(const char* name) const { return {op, name}; }
  Tensor tensor(size_t i, const char* name) const { return tensor_of(*state, place(name), info[i]); }
  Tensor i32_input(size_t i, const char* name) const { return i32_input_of(*state, place(name), info[i]); }
  ops::Operand operand(size_t i, const char* name) const { return operand_of(*state, place(name), info[i]); }
  int integer(size_t i, const char* name, int least) const { return static_cast<int>(integer_of(place(name), info[i], least, INT_MAX)); }
  std::vector<int32_t> int32s(size_t i, const char* name) const { return int32s_of(place(name), info[i]); }
  ChoiceSpec choice(size_t i, const char* name) const { return choice_spec_of(*state, place(name), info[i]); }
  bool given(size_t i) const { return !info[i].IsUndefined(); }
  Device& device() const { return state->device(op); }
  Napi::Value give(Tensor tensor, bool view = false) const { return TensorObject::make(info.Env(), state, std::move(tensor), view); }
};

using Body = Napi::Value (*)(const Call&);
struct Entry {
  const char* name;
  Body body;
};

template <Tensor (*op)(Device&, const Tensor&)>
Napi::Value unary(const Call& call) {
  const Tensor x = call.tensor(0, "x");
  return call.give(op(call.device(), x));
}

template <Tensor (*op)(Device&, const ops::Operand&, const ops::Operand&)>
Napi::Value binary(const Call& call) {
  const ops::Operand a = call.operand(0, "a"), b = call.operand(1, "b");
  return call.give(op(call.device(), a, b));
}

Napi::Value linear(const Call& call) {
  const Tensor x = call.tensor(0, "x"), weight = call.tensor(1, "weight");
  if (!call.given(2)) return call.give(ops::linear(call.device(), x, weight, nullptr));
  const Tensor bias = call.tensor(2, "bias");
  return call.give(ops::linear(call.device(), x, weight, &bias));
}

Napi::Value clock(const Call& call) {
  return call.give(ops::clock(call.device()));
}

Napi::Value where(const Call& call) {
  const Tensor mask = call.tensor(0, "mask");
  const ops::Operand a = call.operand(1, "a"), b = call.operand(2, "b");
  return call.give(ops::where(call.device(), mask, a, b));
}

Napi::Value rms_norm(const Call& call) {
  const Tensor x = call.tensor(0, "x"), weight = call.tensor(1, "weight");
  const double eps = number_of(call.place("eps"), call.info[2]);
  return call.give(ops::rms_norm(call.device(), x, weight, static_cast<float>(eps)));
}

Napi::Value concat(const Call& call) {
  const Place place = call.place("parts");
  const Napi::Array array = array_of(place, call.info[0]);
  std::vector<Tensor> parts;
  for (uint32_t i = 0; i < array.Length(); i++) parts.push_back(tensor_of(*call.state, place.item(i), array.Get(i)));
  const int axis = call.integer(1, "axis", 0);
  return call.give(ops::concat(call.device(), parts, axis));
}

Napi::Value reshape(const Call& call) {
  const Tensor x = call.tensor(0, "x");
  call.device();
  return call.give(ops::reshape(x, shape_of(call.place("shape"), call.info[1])), true);
}

Napi::Value gather(const Call& call) {
  const Tensor x = call.tensor(0, "x"), index = call.i32_input(1, "index");
  const int axis = call.integer(2, "axis", 0);
  return call.give(ops::gather(call.device(), x, index, axis));
}

Napi::Value scatter(const Call& call) {
  const Tensor x = call.tensor(0, "x"), index = call.i32_input(1, "index");
  const int width = call.integer(2, "width", 0);
  return call.give(ops::scatter(call.device(), x, index, width));
}

Napi::Value top_k(const Call& call) {
  const Tensor x = call.tensor(0, "x");
  const int k = call.integer(1, "k", 1);
  ChoiceSpec noise;
  if (call.given(2)) noise = call.choice(2, "noise");
  ops::Ranked ranked = ops::top_k(call.device(), x, k, call.given(2) ? &noise : nullptr);
  const Napi::Object result = Napi::Object::New(call.info.Env());
  result.Set("values", call.give(std::move(ranked.values)));
  result.Set("indices", call.give(std::move(ranked.indices)));
  result.Set("scores", call.give(std::move(ranked.scores)));
  return result;
}

Napi::Value div_mod(const Call& call) {
  const Tensor x = call.tensor(0, "x");
  const int by = call.integer(1, "by", 1);
  auto [quotient, remainder] = ops::div_mod(call.device(), x, by);
  const Napi::Array result = Napi::Array::New(call.info.Env(), 2);
  result.Set(0u, call.give(std::move(quotient)));
  result.Set(1u, call.give(std::move(remainder)));
  return result;
}

Napi::Value merge_prefixes(const Call& call) {
  const Tensor beams = call.tensor(0, "beams");
  ops::Prefixes prefixes = ops::merge_prefixes(call.device(), beams);
  const Napi::Object result = Napi::Object::New(call.info.Env());
  result.Set("tokens", call.give(std::move(prefixes.tokens)));
  result.Set("parents", call.give(std::move(prefixes.parents)));
  result.Set("nodeOf", call.give(std::move(prefixes.node_of)));
  return result;
}

Napi::Value select_tree(const Call& call) {
  const Tensor tokens = call.tensor(0, "tokens"), parents = call.tensor(1, "parents"), scores = call.tensor(2, "scores");
  const std::vector<int32_t> counts = call.int32s(3, "counts");
  ops::Selected selected = ops::select_tree(call.device(), tokens, parents, scores, counts);
  const Napi::Object result = Napi::Object::New(call.info.Env());
  result.Set("tokens", call.give(std::move(selected.tokens)));
  result.Set("parents", call.give(std::move(selected.parents)));
  result.Set("scores", call.give(std::move(selected.scores)));
  result.Set("index", call.give(std::move(selected.index)));
  return result;
}

Napi::Value give_verdict(const Call& call, ops::Verdict verdict) {
  const Napi::Object result = Napi::Object::New(call.info.Env());
  result.Set("path", call.give(std::move(verdict.path)));
  result.Set("length", call.give(std::move(verdict.length)));
  result.Set("next", call.give(std::move(verdict.next)));
  return result;
}

Napi::Value accept_chosen(const Call& call) {
  const Tensor tokens = call.tensor(0, "tokens"), parents = call.tensor(1, "parents"), choices = call.tensor(2, "choices");
  const std::vector<int32_t> row_start = call.int32s(3, "rowStart");
  const int max_depth = call.integer(4, "maxDepth", 1);
  return give_verdict(call, ops::accept_chosen(call.device(), tokens, parents, choices, row_start, max_depth));
}

Napi::Value walk(const Call& call) {
  const Tensor child = call.tensor(0, "child"), next = call.tensor(1, "next");
  const std::vector<int32_t> row_start = call.int32s(2, "rowStart");
  const int max_depth = call.integer(3, "maxDepth", 1);
  return give_verdict(call, ops::walk(call.device(), child, next, row_start, max_depth));
}

Napi::Value accept_longest(const Call& call) {
  const Tensor tokens = call.tensor(0, "tokens"), parents = call.tensor(1, "parents"), accepted = call.tensor(2, "accepted");
  const Tensor scores = call.tensor(3, "scores"), next = call.tensor(4, "next");
  const std::vector<int32_t> row_start = call.int32s(5, "rowStart");
  const int max_depth = call.integer(6, "maxDepth", 1);
  return give_verdict(call, ops::accept_longest(call.device(), tokens, parents, accepted, scores, next, row_start, max_depth));
}

Napi::Value accept_by_ratio(const Call& call) {
  static constexpr const char* kDrawn[] = {"deterministic", "independent", "without-replacement"};
  static constexpr const char* kRules[] = {"recursive", "traversal"};
  const Napi::Object given = object_of(call.place("inputs"), call.info[0]);
  const auto tensor = [&](const char* key) { return tensor_of(*call.state, call.place("inputs").field(key), given.Get(key)); };
  ops::RatioInputs inputs{tensor("tokens"), tensor("parents"), tensor("probs"), Tensor(), tensor("accept"), tensor("next")};
  const std::vector<int32_t> row_start = call.int32s(1, "rowStart");
  const int max_depth = call.integer(2, "maxDepth", 1);
  const auto drawn = static_cast<ops::Drawn>(choice_of(call.place("drawn"), call.info[3], kDrawn));
  const auto rule = static_cast<ops::RatioRule>(choice_of(call.place("rule"), call.info[4], kRules));
  if (drawn != ops::Drawn::deterministic) inputs.draft_probs = tensor("draftProbs");
  return give_verdict(call, ops::accept_by_ratio(call.device(), inputs, row_start, max_depth, drawn, rule));
}

Napi::Value children(const Call& call) {
  const Tensor tokens = call.tensor(0, "tokens"), parents = call.tensor(1, "parents");
  const int max_width = call.integer(2, "maxWidth", 1);
  return call.give(ops::children(call.device(), tokens, parents, max_width));
}

Napi::Value sample(const Call& call) {
  const Tensor weights = call.tensor(0, "weights"), uniform = call.tensor(1, "uniform");
  return call.give(ops::sample(call.device(), weights, uniform));
}

Napi::Value uniform(const Call& call) {
  const ChoiceSpec spec = call.choice(0, "choice");
  return call.give(ops::uniform(call.device(), spec));
}

Napi::Value probs(const Call& call) {
  const Tensor logits = call.tensor(0, "logits");
  const ChoiceSpec spec = call.choice(1, "choice");
  return call.give(ops::probs(call.device(), logits, spec));
}

Napi::Value logprobs(const Call& call) {
  constexpr const char* kKinds[] = {"logits", "probs"};
  const Tensor rows = call.tensor(0, "rows");
  const bool are_logits = choice_of(call.place("kind"), call.info[1], kKinds) == 0;
  const Tensor tokens = call.tensor(2, "tokens"), path = call.tensor(3, "path"), next = call.tensor(4, "next");
  const std::vector<int32_t> row_start = call.int32s(5, "rowStart");
  const int top = call.integer(6, "top", 0);
  ops::Logprobs made = ops::logprobs(call.device(), rows, are_logits, tokens, path, next, row_start, top);
  const Napi::Object out = Napi::Object::New(call.info.Env());
  out.Set("chosen", call.give(std::move(made.chosen)));
  out.Set("ids", call.give(std::move(made.ids)));
  out.Set("values", call.give(std::move(made.values)));
  return out;
}

Napi::Value choose(const Call& call) {
  const Tensor logits = call.tensor(0, "logits");
  const ChoiceSpec spec = call.choice(1, "choice");
  return call.give(ops::choose(call.device(), logits, spec));
}

Napi::Value from_array(const Call& call) {
  const Napi::Value data = call.info[0];
  const bool integers = is_array_of(data, napi_int32_array);
  if (!integers && !is_array_of(data, napi_float32_array)) refuse(call.place("data"), "an Int32Array or a Float32Array", data);
  call.device();
  Tensor tensor = Tensor::make(integers ? DType::i32 : DType::f32, shape_of(call.place("shape"), call.info[1]));
  const auto [values, count] = contents_of(data);
  if (static_cast<int64_t>(count) != tensor.count()) {
    throw Error(kShape, "fromArray: data has " + std::to_string(count) + " values, shape has " + std::to_string(tensor.count()));
  }
  if (count > 0) std::memcpy(tensor.buffer->data(), values, count * 4);
  return call.give(std::move(tensor));
}

constexpr Entry kTable[] = {
  {"linear", linear}, {"silu", unary<ops::silu>}, {"exp", unary<ops::exp>}, {"log", unary<ops::log>}, {"add", binary<ops::add>}, {"mul", binary<ops::mul>},
  {"div", binary<ops::div>}, {"less", binary<ops::less>}, {"where", where}, {"sum", unary<ops::sum>}, {"rmsNorm", rms_norm},
  {"logSoftmax", unary<ops::log_softmax>}, {"concat", concat}, {"reshape", reshape}, {"gather", gather}, {"scatter", scatter}, {"topK", top_k},
  {"divMod", div_mod}, {"mergePrefixes", merge_prefixes}, {"selectTree", select_tree}, {"acceptChosen", accept_chosen}, {"walk", walk},
  {"acceptLongest", accept_longest}, {"acceptByRatio", accept_by_ratio},
  {"children", children}, {"sample", sample}, {"uniform", uniform}, {"probs", probs}, {"choose", choose}, {"logprobs", logprobs}, {"fromArray", from_array}, {"clock", clock},
};

}  // namespace

Napi::Object ops_table(Napi::Env env, const std::shared_ptr<RuntimeState>& state) {
  const Napi::Object table = Napi::Object::New(env);
  for (const Entry& entry : kTable) {
    const auto call = [state, entry](const Napi::CallbackInfo& info) {
      return guarded(info.Env(), state->error_factory(), [&] { return entry.body(Call{info, state, entry.name}); });
    };
    table.Set(entry.name, Napi::Function::New(env, call, entry.name));
  }
  return table;
}

}  // namespace foretoken::addon
