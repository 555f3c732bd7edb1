#pragma once
#include <napi.h>

#include <memory>
#include <optional>
#include <vector>

#include "arguments.h"
#include "ops.h"
#include "runtime_state.h"
#include "sampling.h"
#include "tensor.h"

namespace foretoken::addon {

/** A handle to device memory. */
class TensorObject : public Napi::ObjectWrap<TensorObject>, public Handle {
 public:
  static Napi::Function define(Napi::Env env);
  /** `view`: it shares the memory of another handle, which accounts for it. */
  static Napi::Object make(Napi::Env env, const std::shared_ptr<RuntimeState>& state, Tensor tensor, bool view = false);
  /** nullptr when `value` is no tensor of this addon. */
  static TensorObject* from(const Napi::Value& value);

  explicit TensorObject(const Napi::CallbackInfo& info);
  ~TensorObject() override { release(); }
  const Tensor& tensor() const { return tensor_; }

 private:
  struct Content {
    std::shared_ptr<RuntimeState> state;
    Tensor tensor;
    bool view;
  };
  TensorObject(const Napi::CallbackInfo& info, Content& content);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value shape(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo&) { release(); }
  void free_content() override;

  Napi::Env env_;
  Tensor tensor_;
  int64_t accounted_ = 0;  // bytes that the garbage collector was told of
};

/** The tensor behind `value`: of this runtime and not disposed. */
Tensor tensor_of(const RuntimeState& state, const Place& place, const Napi::Value& value);
/** A tensor, or a copy of an Int32Array as an i32 vector. */
Tensor i32_input_of(const RuntimeState& state, const Place& place, const Napi::Value& value);
ops::Operand operand_of(const RuntimeState& state, const Place& place, const Napi::Value& value);
/** See NativeChoice. */
ChoiceSpec choice_spec_of(const RuntimeState& state, const Place& place, const Napi::Value& value);
Tensor tensor_from(const std::vector<int32_t>& values);
/** A typed array with a copy of an f32 or i32 tensor. */
Napi::Value copy_to_js(Napi::Env env, const Tensor& tensor);

}  // namespace foretoken::addon
