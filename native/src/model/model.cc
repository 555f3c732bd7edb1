#include "model.h"

#include <string>

#include "description.h"
#include "error.h"
#include "head.h"
#include "measure.h"
#include "ops.h"
#include "transformer.h"
#include "weights.h"

namespace foretoken {

struct Model::Impl {
  Impl(Device& on, Description what, Weights with) : device(on), description(std::move(what)), weights(std::move(with)) {}

  Device& device;
  const Description description;
  const Weights weights;
  Transformer transformer{device, description, weights};
  Head head{device, description, weights};
};

namespace {

std::string text_of(const Tensor& tensor) {
  std::string text = std::string(name_of(tensor.dtype)) + " [";
  for (size_t i = 0; i < tensor.shape.size(); i++) text += (i > 0 ? ", " : "") + std::to_string(tensor.shape[i]);
  return text + "]";
}

void check_hidden(const char* op, const Tensor& hidden, int width) {
  if (hidden.dtype == DType::f32 && !hidden.shape.empty() && hidden.shape.back() == width) return;
  throw Error(kShape, std::string(op) + ": hidden is " + text_of(hidden) + ", expected f32 [rows, " + std::to_string(width) + "]");
}

void check_sharing(const Description& description, WeightType type, const Model& shared) {
  const Description& other = shared.description();
  if (type == shared.type() && description.hidden_size == other.hidden_size && description.vocab_size == other.vocab_size) return;
  throw Error(kShape, "createModel: the embedding to share holds " + std::to_string(other.vocab_size) + " tokens of " + std::to_string(other.hidden_size) +
                          " values, expected " + std::to_string(description.vocab_size) + " of " + std::to_string(description.hidden_size) + ", in the same number type");
}

void check_head(const char* op, const Description& description) {
  if (description.head_outputs() == 0) throw Error(kShape, std::string(op) + ": the model has no head");
}

}  // namespace

Model::Model() = default;
Model::~Model() = default;

std::shared_ptr<Model> Model::load(Device& device, Description description, const std::map<std::string, TensorSource>& tensors, WeightType type) {
  check_description(description);
  Weights weights = load_weights(device, description, tensors, type);
  std::shared_ptr<Model> model(new Model());
  model->impl_ = std::make_unique<Impl>(device, std::move(description), std::move(weights));
  return model;
}

std::shared_ptr<Model> Model::create(Device& device, Description description, const std::map<std::string, Tensor>& tensors, WeightType type,
                                     const std::shared_ptr<Model>& shared) {
  check_description(description);
  const bool shares = shared != nullptr && tensors.count("embedding") == 0;
  if (shares) check_sharing(description, type, *shared);
  std::vector<Fill> fills;
  Weights weights = plan_weights(device, description, tensors, type, shares ? shared->weights().embedding : nullptr, fills);
  if (shares) weights.shared = shared->weights().memory;
  std::shared_ptr<Model> model(new Model());
  model->impl_ = std::make_unique<Impl>(device, std::move(description), std::move(weights));
  device.enqueue("createModel", [model, tensors, fills = std::move(fills)] { run_fills(model->device(), fills); });
  return model;
}

const Description& Model::description() const { return impl_->description; }
WeightType Model::type() const { return impl_->weights.type; }
int64_t Model::bytes() const { return static_cast<int64_t>(impl_->weights.memory->bytes()); }
Device& Model::device() { return impl_->device; }
const Model::Weights& Model::weights() const { return impl_->weights; }
Transformer& Model::transformer() { return impl_->transformer; }

Tensor Model::embed(const Tensor& tokens) {
  if (tokens.dtype != DType::i32) throw Error(kShape, "embed: tokens is " + text_of(tokens) + ", expected i32");
  const int64_t rows = tokens.count(), width = impl_->description.hidden_size;
  Tensor out = Tensor::make(DType::f32, {rows, width});
  impl_->device.enqueue("embed", [self = shared_from_this(), tokens, out, rows, width] {
    for (int64_t row = 0; row < rows; row++) self->impl_->transformer.embed(tokens.i32()[row], out.f32() + row * width);
  });
  return out;
}

Tensor Model::head(const Tensor& hidden) {
  check_head("head", impl_->description);
  check_hidden("head", hidden, impl_->description.hidden_size);
  Tensor out = Tensor::make(DType::f32, {hidden.rows(), impl_->description.head_outputs()});
  impl_->device.enqueue("head", [self = shared_from_this(), hidden, out] { self->impl_->head.logits(hidden.f32(), hidden.rows(), out.f32()); });
  return out;
}

Tensor Model::choose(const Tensor& hidden, const ChoiceSpec& spec) {
  check_head("choose", impl_->description);
  check_hidden("choose", hidden, impl_->description.hidden_size);
  ops::check_choice("choose", spec, hidden.rows());
  Tensor out = Tensor::make(DType::i32, {hidden.rows()});
  impl_->device.enqueue("choose", [self = shared_from_this(), hidden, out, spec] {
    self->impl_->head.choose(hidden.f32(), hidden.rows(), spec, out.i32());
  });
  return out;
}

std::vector<double> Model::measure(const std::vector<int>& row_counts) {
  for (int rows : row_counts) {
    if (rows < 1 || rows > 4096) throw Error(kShape, "measure: " + std::to_string(rows) + " rows, expected 1 to 4096");
  }
  return measure_passes(impl_->transformer, impl_->head, impl_->description.layers, row_counts);
}

}  // namespace foretoken
