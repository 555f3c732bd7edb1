#include "session_object.h"

#include <utility>

#include "tensor_object.h"

namespace foretoken::addon {
namespace {

constexpr int64_t kMaxLength = int64_t{1} << 53;

int32_t sequence_of(const Place& place, const Napi::Value& value) { return static_cast<int32_t>(integer_of(place, value, 0, INT32_MAX)); }

}  // namespace

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(env, "Session", {
    InstanceMethod<&SessionObject::open>("open"),
    InstanceMethod<&SessionObject::fork>("fork"),
    InstanceMethod<&SessionObject::close>("close"),
    InstanceMethod<&SessionObject::length>("length"),
    InstanceMethod<&SessionObject::forward>("forward"),
    InstanceMethod<&SessionObject::commit>("commit"),
    InstanceMethod<&SessionObject::truncate>("truncate"),
    InstanceMethod<&SessionObject::set_long>("setLong"),
    InstanceMethod<&SessionObject::is_long>("isLong"),
    InstanceMethod<&SessionObject::pages>("pages"),
    InstanceMethod<&SessionObject::dispose>("dispose"),
  });
}

Napi::Object SessionObject::make(Napi::Env env, const std::shared_ptr<RuntimeState>& state, std::unique_ptr<Session> session) {
  Content content{state, std::move(session)};
  return instantiate(env, environment(env).session, &content);
}

SessionObject::SessionObject(const Napi::CallbackInfo& info) : SessionObject(info, take_pending<Content>(info, "Session")) {}

SessionObject::SessionObject(const Napi::CallbackInfo& info, Content& content)
    : Napi::ObjectWrap<SessionObject>(info), Handle(std::move(content.state)), session_(std::move(content.session)) {}

Session& SessionObject::session(const char* call) const {
  state()->device(call);
  if (released()) throw Error(kDisposed, std::string(call) + ": the session has been disposed");
  return *session_;
}

Napi::Value SessionObject::open(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] { return Napi::Number::New(info.Env(), session("open").open()); });
}

Napi::Value SessionObject::fork(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const int32_t from = sequence_of({"fork", "from"}, info[0]);
    return Napi::Number::New(info.Env(), session("fork").fork(from));
  });
}

void SessionObject::close(const Napi::CallbackInfo& info) {
  guarded(info.Env(), state()->error_factory(), [&] {
    const int32_t sequence = sequence_of({"close", "sequence"}, info[0]);
    session("close").close(sequence);
  });
}

Napi::Value SessionObject::length(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const int32_t sequence = sequence_of({"length", "sequence"}, info[0]);
    return Napi::Number::New(info.Env(), static_cast<double>(session("length").length(sequence)));
  });
}

Rows SessionObject::rows_of(const Napi::Value& value) const {
  const Place place{"forward", "rows"};
  const Napi::Object object = object_of(place, value);
  Rows rows;
  rows.sequences = int32s_of(place.field("sequences"), object.Get("sequences"));
  rows.tokens = i32_input_of(*state(), place.field("tokens"), object.Get("tokens"));
  const Napi::Value states = object.Get("states"), parents = object.Get("parents"), known = object.Get("known");
  if (!states.IsUndefined()) rows.states = tensor_of(*state(), place.field("states"), states);
  if (!parents.IsUndefined()) rows.parents = i32_input_of(*state(), place.field("parents"), parents);
  if (!known.IsUndefined()) rows.known = bytes_of(place.field("known"), known);
  return rows;
}

Napi::Value SessionObject::forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const Rows rows = rows_of(info[0]);
    std::vector<int> taps;
    if (!info[1].IsUndefined()) {
      for (int64_t tap : integers_of({"forward", "taps"}, info[1], 0, INT32_MAX)) taps.push_back(static_cast<int>(tap));
    }
    Forward forward = session("forward").forward(rows, taps);
    const Napi::Object result = Napi::Object::New(info.Env());
    const auto give = [&](const char* name, Tensor& tensor) { result.Set(name, TensorObject::make(info.Env(), state(), std::move(tensor))); };
    give("hidden", forward.hidden);
    give("tokens", forward.tokens);
    give("positions", forward.positions);
    give("refused", forward.refused);
    if (!taps.empty()) give("taps", forward.taps);
    return result;
  });
}

void SessionObject::commit(const Napi::CallbackInfo& info) {
  guarded(info.Env(), state()->error_factory(), [&] {
    const std::vector<int32_t> sequences = int32s_of({"commit", "sequences"}, info[0]);
    std::vector<int32_t> paths;
    size_t depth = 0;
    if (!info[1].IsUndefined()) {
      paths = int32s_of({"commit", "paths"}, info[1]);
      if (sequences.empty() ? !paths.empty() : paths.size() % sequences.size() != 0) {
        throw Error(kShape, "commit: paths has " + std::to_string(paths.size()) + " entries, not a multiple of the " + std::to_string(sequences.size()) + " sequences");
      }
      depth = sequences.empty() ? 0 : paths.size() / sequences.size();
    }
    session("commit").commit(sequences, paths, static_cast<int>(depth));
  });
}

void SessionObject::truncate(const Napi::CallbackInfo& info) {
  guarded(info.Env(), state()->error_factory(), [&] {
    const int32_t sequence = sequence_of({"truncate", "sequence"}, info[0]);
    const int64_t length = integer_of({"truncate", "length"}, info[1], 0, kMaxLength);
    session("truncate").truncate(sequence, length);
  });
}

void SessionObject::set_long(const Napi::CallbackInfo& info) {
  guarded(info.Env(), state()->error_factory(), [&] {
    const int32_t sequence = sequence_of({"setLong", "sequence"}, info[0]);
    session("setLong").set_long(sequence, boolean_of({"setLong", "isLong"}, info[1]));
  });
}

Napi::Value SessionObject::is_long(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const int32_t sequence = sequence_of({"isLong", "sequence"}, info[0]);
    return Napi::Boolean::New(info.Env(), session("isLong").is_long(sequence));
  });
}

Napi::Value SessionObject::pages(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), state()->error_factory(), [&] {
    const Session& of = session("pages");
    const Napi::Object pages = Napi::Object::New(info.Env());
    pages.Set("used", static_cast<double>(of.used_pages()));
    pages.Set("total", static_cast<double>(of.total_pages()));
    return pages;
  });
}

}  // namespace foretoken::addon
