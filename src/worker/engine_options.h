#pragma once

// What doors share that have to do with engines.

#include <Rcpp.h>

#include <string>
#include <vector>

#include "engine/engine.h"
#include "rbridge/named_list.h"

namespace avenir::doors {

// Shut down at the end of the session at the latest.
using EnginePointer =
    Rcpp::XPtr<engine::Engine, Rcpp::PreserveStorage, Rcpp::standard_delete_finalizer<engine::Engine>, true>;

inline engine::Engine& get_engine(SEXP pointer) {
  if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrAddr(pointer) == nullptr)
    throw base::Error(base::ErrorKind::kInvalid, "the workers of this plan have been shut down; call plan() again");
  return *static_cast<engine::Engine*>(R_ExternalPtrAddr(pointer));
}

// What a session and a node tell of themselves: list(avenir, r, platform, libraries, host)
inline wire::NodeHello description_of(const rbridge::NamedList& list) {
  wire::NodeHello hello;
  hello.avenir = list.text("avenir");
  hello.r = list.text("r");
  hello.platform = list.text("platform");
  hello.libraries = list.text("libraries");
  hello.host = list.text("host");
  return hello;
}

// For nodes: list(description, heartbeat, lost_after, threads, packs), with those of the engine itself.
inline void add_node_options(const rbridge::NamedList& nodes, engine::EngineOptions& options) {
  options.nodes = true;
  options.hello = description_of(nodes.list("description"));
  options.welcome.heartbeat = nodes.number("heartbeat");
  options.welcome.lost_after = nodes.number("lost_after");
  options.welcome.threads = nodes.count("threads");
  options.welcome.packs = nodes.count("packs");
  options.welcome.memory_limit = options.memory_limit;
  options.welcome.interrupt_grace = options.interrupt_grace;
  options.welcome.start_timeout = options.start_timeout;
}

inline engine::EngineOptions engine_options(const rbridge::NamedList& list) {
  engine::EngineOptions options;
  options.workers = list.count("workers");
  options.threads = list.count("threads");
  options.interrupt_grace = list.number("interrupt_grace");
  options.memory_limit = static_cast<uint64_t>(list.number("memory_limit"));
  options.forks = list.has("forks");
  if (options.forks) return options;
  options.r.path = list.text("path");
  options.r.argv = list.texts("argv");
  options.r.environment = list.texts("environment");
  options.r.directory = list.text("directory");
  options.temp_folder = list.text("temp_folder");
  options.start_timeout = list.number("start_timeout");
  if (list.has("nodes")) add_node_options(list.list("nodes"), options);
  return options;
}

}  // namespace avenir::doors
